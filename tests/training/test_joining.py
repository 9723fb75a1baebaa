"""Facts about two detectors joined to one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeimg import ConfigError, Dataset, Detector, Experiment
from fakeimg.training.joining import join_scales
from fakeimg.training.train import train

FINE = {"backbone": "compact", "trainable": "all", "image_size": 64, "train.epochs": 1, "train.batch_size": 16}
HALF = {"backbone": "compact_plain", "image_size": 32}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("joined"), np.random.default_rng(0)
    for k, label in enumerate(("real", "fake")):
        (folder / label).mkdir()
        for i in range(60):
            coarse = rng.integers(60, 200, (16, 16, 3)).repeat(4, axis=0).repeat(4, axis=1)
            picture = coarse + rng.normal(0, 4 + 12 * k, coarse.shape)
            Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / label / f"{i}.png")
    return folder


def member(data: Path, **changes) -> tuple[Detector, Dataset]:
    result = train(Experiment.parse(FINE | changes), data)
    return result.detector, result.data


@pytest.fixture(scope="module")
def pair(data) -> tuple[Detector, Detector, Dataset]:
    fine, divided = member(data)
    return fine, member(data, **HALF)[0], divided


def test_its_logit_is_the_mean_of_the_members(pair, tmp_path) -> None:
    fine, coarse, divided = pair
    joined = join_scales(fine, coarse, divided)
    images = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3)).astype(np.float32)
    halves = images.reshape(5, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    expected = (fine.model.predict(images, verbose=0) + coarse.model.predict(halves, verbose=0)) / 2
    np.testing.assert_allclose(joined.model.predict(images, verbose=0), expected, rtol=1e-3, atol=1e-4)
    joined.save(tmp_path / "joined")
    again = Detector.open(tmp_path / "joined")
    np.testing.assert_allclose(again.logits(images, engine="openvino"), expected[:, 0], atol=2e-3)
    assert again.operating_point == joined.operating_point
    assert again.operating_point.n_real == (divided.split("validation").labels == 0).sum()


def test_it_is_named_by_its_experiment_wherever_its_members_were_opened(pair, tmp_path) -> None:
    fine, coarse, divided = pair
    fine.save(tmp_path / "fine")
    opened = Detector.open(tmp_path / "fine")
    joined = join_scales(opened, coarse, divided)
    assert joined.name == joined.spec.experiment["name"] == fine.spec.experiment["name"]
    assert str(tmp_path) not in joined.spec.model_dump_json()


def test_what_cannot_be_joined_is_said(pair, data) -> None:
    fine, coarse, divided = pair
    with pytest.raises(ConfigError, match="in this order, not compact_plain and compact"):
        join_scales(coarse, fine, divided)
    small = Detector.of(coarse.model, _with(coarse, image_size=(40, 40)))
    with pytest.raises(ConfigError, match="half the first one's size"):
        join_scales(fine, small, divided)
    padded = Detector.of(coarse.model, _with(coarse, framing="pad"))
    with pytest.raises(ConfigError, match="differ in framing"):
        join_scales(fine, padded, divided)
    with pytest.raises(ConfigError, match="another split"):
        join_scales(fine, member(data, seed=1, **HALF)[0], divided)


def _with(detector: Detector, **changes):
    architecture = detector.spec.architecture.model_copy(update=changes)
    return detector.spec.model_copy(update={"architecture": architecture})
