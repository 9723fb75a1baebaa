"""A real detector, pushed and opened again in every way there is: the same probabilities each time."""

from pathlib import Path

import numpy as np
import pytest
from hub_server import Hub
from numpy.typing import NDArray

import fakeimg
from fakeimg.config import Head
from fakeimg.models.artifact import WEIGHTS_FILE, DetectorSpec
from fakeimg.models.network import Architecture, build_network

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> fakeimg.Detector:
    architecture = Architecture(
        backbone="five_conv",
        image_size=(64, 64),
        framing="stretch",
        head=Head(units=(8,)),
        class_names=("real", "fake"),
    )
    spec = DetectorSpec(architecture=architecture, positive_class="fake")
    made = fakeimg.Detector.of(build_network(architecture, seed=1), spec)
    return made.save(tmp_path_factory.mktemp("detector"))


def probabilities(detector: fakeimg.Detector) -> NDArray[np.float64]:
    return detector.predict(list(IMAGES), engine="tensorflow").probability_fake


def test_pushed_and_opened_by_tag_by_commit_and_by_stock_keras(hub: Hub, detector: fakeimg.Detector) -> None:
    import keras

    expected = probabilities(detector)
    assert np.ptp(expected) > 1e-4  # the pictures do differ to it
    result = fakeimg.push(detector.name, "ann/faces", tag="v1")
    for revision in ("v1", "main", result.commit):
        opened = fakeimg.load("hf://ann/faces", revision=revision)
        assert opened.name == f"hf://ann/faces@{result.commit}"
        assert opened.spec.hub == {"repository": "ann/faces", "commit": result.commit}
        np.testing.assert_allclose(probabilities(opened), expected, atol=1e-6)
    logits = keras.saving.load_model("hf://ann/faces").predict(IMAGES.astype(np.float32), verbose=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[:, 0])), expected, atol=1e-6)


def test_the_names_that_the_ecosystem_uses(hub: Hub, detector: fakeimg.Detector, tmp_path: Path) -> None:
    expected = probabilities(detector)
    result = detector.push_to_hub("ann/faces", commit_message="mine")
    assert hub.repos["ann/faces"].private
    assert hub.repos["ann/faces"].commits[result.commit].message == "mine"
    opened = fakeimg.Detector.from_pretrained("ann/faces", revision=result.commit, cache_dir=tmp_path / "cache")
    assert (tmp_path / "cache" / "models--ann--faces").is_dir()
    np.testing.assert_allclose(probabilities(opened), expected, atol=1e-6)
    opened.save_pretrained(tmp_path / "saved")
    again = fakeimg.Detector.from_pretrained(tmp_path / "saved")
    np.testing.assert_allclose(probabilities(again), expected, atol=1e-6)
    assert again.spec.hub["commit"] == result.commit  # where it came from is not forgotten


def test_a_card_edited_on_the_hub_does_not_spoil_the_detector(hub: Hub, detector: fakeimg.Detector) -> None:
    fakeimg.push(detector.name, "ann/faces")
    hub.commit("ann/faces", {"README.md": b"---\nlicense: mit\n---\n# better words\n"})
    opened = fakeimg.load("hf://ann/faces")
    assert opened.weights_sha256 == detector.weights_sha256


def test_weights_swapped_in_the_cache_are_not_opened(hub: Hub, detector: fakeimg.Detector) -> None:
    commit = fakeimg.push(detector.name, "ann/faces").commit
    folder = fakeimg.pull("ann/faces", revision=commit)
    blob = (folder / WEIGHTS_FILE).resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(fakeimg.ModelError, match="SHA-256"):
        fakeimg.Detector.open(folder)
    assert fakeimg.load("hf://ann/faces", revision=commit).weights_sha256 == detector.weights_sha256


def test_a_source_that_is_none_says_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(fakeimg.ModelError, match="no model folder 'ann/faces'; did you mean hf://ann/faces"):
        fakeimg.load("ann/faces")
    with pytest.raises(fakeimg.HubError, match="has no revisions; give one with hf://owner/name"):
        fakeimg.load(tmp_path, revision="v1")
