"""Small detectors and a small rendered sample that the tests of this room share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.config import Head
from fakeimg.data.dataset import Dataset
from fakeimg.data.sample import render_sample
from fakeimg.models.artifact import DetectorSpec
from fakeimg.models.detector import Detector
from fakeimg.models.network import Architecture, build_network

MakeDetector = Callable[..., Detector]


@pytest.fixture(scope="session")
def make_detector() -> MakeDetector:
    """A detector with random weights: `make_detector("five_conv", 32)`."""

    def make(
        backbone: str,
        size: int,
        head: Head | None = None,
        *,
        classes: tuple[str, ...] = ("real", "fake"),
        seed: int = 0,
    ) -> Detector:
        architecture = Architecture(
            backbone=backbone,
            image_size=(size, size),
            framing="stretch",
            head=Head() if head is None else head,
            class_names=classes,
        )
        spec = DetectorSpec(architecture=architecture, positive_class=classes[-1])
        return Detector.of(build_network(architecture, seed=seed), spec)

    return make


@pytest.fixture(scope="session")
def small_detector(make_detector: MakeDetector) -> Detector:
    """A five-convolution detector of 64 x 64 pixels; its feature map has 4 x 4 cells of 16 x 16 pixels."""
    return make_detector("five_conv", 64, Head(units=(64,)))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """48 rendered images."""
    return render_sample(tmp_path_factory.mktemp("rendered"), images=48)


@pytest.fixture
def noise_images() -> NDArray[np.uint8]:
    """Four pictures of coloured noise, 40 x 56."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, 5, 7, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="session")
def given_weights() -> Path:
    """ImageNet weights of MobileNetV2, where they are at hand."""
    file = Path(__file__).resolve().parents[3] / "shared/data/weights/mobilenet_v2_1.0_224_no_top.weights.h5"
    if not file.is_file():
        pytest.skip("needs the MobileNetV2 weights in ../shared/data, which are not part of the project")
    return file
