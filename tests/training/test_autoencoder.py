"""The local generator learns, makes the same picture after reload, and runs through `generate` offline."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fakeimg.data.dataset import Dataset
from fakeimg.data.generate import generate
from fakeimg.data.images import read_image
from fakeimg.errors import DatasetError, ModelError
from fakeimg.training.autoencoder import WEIGHTS, Autoencoder, local_provider


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("photographs") / "real"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(16):
        blocks = random.integers(0, 255, (4, 4, 3), np.uint8)
        picture = Image.fromarray(blocks).resize((96, 80), Image.Resampling.BICUBIC)
        picture.filter(ImageFilter.GaussianBlur(1)).save(folder / f"{i}.jpg", quality=90)
    return Dataset.open(folder.parent)


def test_it_learns_and_goes_on_with_the_same_network(photographs: Dataset, tmp_path: Path) -> None:
    trained = local_provider(photographs, tmp_path / "out", epochs=12, batch_size=8)
    photograph = read_image(photographs.paths[0])[:, :80]
    made = trained.make(photograph, "key")
    assert made.shape == (128, 128, 3)
    again = local_provider(photographs, tmp_path / "out")
    assert again.fingerprint == trained.fingerprint
    assert np.array_equal(again.make(photograph, "key"), made)

    asked = []
    result = generate(
        photographs,
        again,
        out=tmp_path / "out",
        confirm=lambda estimate: bool(asked.append(estimate)) or True,
        max_images=3,
    )
    assert str(asked[0]) == "3 images for about $0.00"
    assert result.counts == {"done": 3}
    photo, fake = read_image(result.dataset.paths[0]), read_image(result.dataset.paths[3])
    assert fake.shape == photo.shape
    # After a dozen epochs it is coarse, but it draws this picture and not just any.
    others = [read_image(path) for path in result.dataset.paths[1:3]]
    alike = [np.corrcoef(fake.ravel(), picture.ravel())[0, 1] for picture in (photo, *others)]
    assert alike[0] > 0.3 + max(alike[1:])

    (tmp_path / "out" / "provider" / WEIGHTS).write_bytes(b"not a network")
    with pytest.raises(ModelError, match="not a whole HDF5 weights file"):
        local_provider(photographs, tmp_path / "out")


def test_too_few_photographs_are_refused(photographs: Dataset) -> None:
    with pytest.raises(DatasetError, match="5 photographs can be read, too few"):
        Autoencoder.train(photographs.take(np.arange(5)))
