"""`fakeimg push` and `fakeimg pull` as a person types them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from detector_folders import contents, make_folder
from hub_server import Hub
from numpy.typing import NDArray
from PIL import Image

from fakeimg import Detector, Experiment
from fakeimg.models.artifact import DetectorSpec, read_spec
from fakeimg.models.network import Architecture, build_network

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Run:
    """Runs `fakeimg` in a process of its own, which knows of the Hub through its environment alone."""
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from fakeimg.cli import main; main()", *arguments]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True)

    return run


def test_push_then_pull(hub: Hub, run: Run, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    pushed = run("push", str(folder), "ann/faces", "--tag", "v1", "--message", "first")
    commit = hub.repos["ann/faces"].tags["v1"]
    assert (pushed.returncode, pushed.stdout) == (0, f"{hub.url}/ann/faces/commit/{commit}\n")
    assert pushed.stderr == "next: fakeimg detect FILE --model hf://ann/faces@v1\n"
    assert hub.repos["ann/faces"].private
    out = tmp_path / "out"
    pulled = run("pull", "ann/faces@v1", "--out", str(out))
    assert (pulled.returncode, pulled.stdout, pulled.stderr) == (0, f"{out}\n", "")
    assert read_spec(out).hub == {"repository": "ann/faces", "commit": commit}
    assert {**contents(folder), "fakeimg.json": b""}.items() <= {**contents(out), "fakeimg.json": b""}.items()


def test_an_error_is_one_line_and_a_failure(run: Run, tmp_path: Path) -> None:
    missing = run("pull", "ann/nothing")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("fakeimg: there is no model ann/nothing that this account may see")
    assert missing.stderr.count("\n") == 1
    offline = run("push", str(make_folder(tmp_path / "model")), "ann/faces", HF_HUB_OFFLINE="1")
    assert offline.returncode == 1
    assert "but HF_HUB_OFFLINE is set" in offline.stderr


def test_a_pushed_detector_says_the_same_from_the_hub_from_a_folder_and_in_stock_keras(
    hub: Hub, run: Run, tmp_path: Path
) -> None:
    architecture = Architecture.of(Experiment.parse({"backbone": "compact", "image_size": 48}))
    spec = DetectorSpec(architecture=architecture, positive_class="fake")
    made = Detector.of(build_network(architecture, seed=1), spec).save(tmp_path / "made")
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), np.uint8)
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)

    def probabilities(model: str) -> list[float]:
        done = run("detect", *paths, "--model", model, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["probability_fake"] for line in done.stdout.splitlines()]

    expected = probabilities(made.name)
    assert np.ptp(expected) > 1e-5
    assert run("push", made.name, "ann/faces", "--tag", "v1").returncode == 0
    commit = hub.repos["ann/faces"].tags["v1"]
    pulled = tmp_path / "pulled"
    assert run("pull", f"ann/faces@{commit}", "--out", str(pulled)).returncode == 0
    for model in ("hf://ann/faces@v1", f"hf://ann/faces@{commit}", str(pulled)):
        np.testing.assert_allclose(probabilities(model), expected, atol=1e-6)
    logits = keras_logits(pulled, images)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-6)


def keras_logits(folder: Path, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What stock Keras makes of a pulled folder."""
    import keras

    model = keras.saving.load_model(folder)
    return np.asarray(model.predict(images.astype(np.float32), verbose=0)[:, 0], np.float64)
