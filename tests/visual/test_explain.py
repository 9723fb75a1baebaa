"""A folder of explanations: what is written, and what happens to files that are no pictures."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from fakeimg.errors import ImageError
from fakeimg.models.detector import Detector
from fakeimg.visual.explain import explain
from fakeimg.visual.gradcam import gradcam


@pytest.fixture
def files(tmp_path: Path, noise_images: NDArray[np.uint8]) -> list[Path]:
    """Two pictures of the same name in two folders, and a file between them that is none."""
    paths = [tmp_path / "a" / "face.png", tmp_path / "broken.png", tmp_path / "b" / "face.png"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
    for path, image in zip(paths[::2], noise_images, strict=False):
        cv2.imwrite(str(path), image[..., ::-1])
    paths[1].write_bytes(b"not a picture")
    return paths


def test_it_writes_both_sides_of_every_picture_and_lists_what_it_cannot_read(
    small_detector: Detector, files: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = explain(small_detector, files, out, feature_maps=True, engine="tensorflow")
    assert found.failed == 1
    assert found.frame["status"].tolist() == ["ok", "error", "ok"]
    assert "broken.png" in found.frame["reason"][1]
    pictures = [name for name in found.frame["picture"] if name]
    assert len(set(pictures)) == 2
    assert all((out / name).is_file() for name in pictures)
    assert len(list((out / "feature_maps").iterdir())) == 2
    assert cv2.imread(str(out / "heatmaps.png")).shape[2] == 3
    written = pd.read_csv(out / "heatmaps.csv")
    np.testing.assert_allclose(written["peak_fake"], found.frame["peak_fake"], rtol=1e-6)
    assert np.isnan(np.load(out / "heatmaps.npy")[1]).all()


def test_its_values_are_those_of_gradcam_on_one_scale(
    small_detector: Detector, files: list[Path], tmp_path: Path
) -> None:
    found = explain(small_detector, files, tmp_path / "out", engine="tensorflow")
    for row in (0, 2):
        for column, target in enumerate(("fake", "real")):
            alone = gradcam(small_detector, files[row], target=target)
            np.testing.assert_allclose(found.values[row, column], alone.values, atol=1e-7)
    assert found.limit == np.nanmax(found.values)
    width = small_detector.image_size[1]
    strip = cv2.imread(str(tmp_path / "out" / found.frame["picture"][0]))[..., ::-1]
    expected = gradcam(small_detector, files[0]).overlay(limit=found.limit)
    np.testing.assert_array_equal(strip[:, width + 8 : 2 * width + 8], expected)


def test_nothing_readable_is_an_error(small_detector: Detector, files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="none of 1 files"):
        explain(small_detector, [files[1]], tmp_path / "out")
    with pytest.raises(ImageError, match="no files"):
        explain(small_detector, [], tmp_path / "out")
