"""Feature maps: the stages of each kind of network, and the channels that are shown."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.errors import ConfigError
from fakeimg.models.detector import Detector
from fakeimg.visual.feature_maps import feature_maps


def test_every_convolution_of_a_small_network_is_a_stage(
    small_detector: Detector, noise_images: NDArray[np.uint8]
) -> None:
    found = feature_maps(small_detector, noise_images[0], channels=4)
    assert [stage.name for stage in found.stages] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert [stage.shape for stage in found.stages] == [
        (64, 64, 32),
        (32, 32, 64),
        (16, 16, 128),
        (8, 8, 256),
        (4, 4, 512),
    ]


def test_a_deep_network_shows_the_last_layer_before_each_shrinking(
    make_detector: Any, noise_images: NDArray[np.uint8]
) -> None:
    found = feature_maps(make_detector("mobilenet_v2", 64), noise_images[0])
    assert [stage.shape[0] for stage in found.stages] == [32, 16, 8, 4, 2]
    assert found.stages[-1].name == "feature_map"


def test_the_last_stage_is_what_the_head_reads_and_its_most_active_channels_come_first(
    small_detector: Detector, noise_images: NDArray[np.uint8]
) -> None:
    found = feature_maps(small_detector, noise_images[0], channels=3)
    features = np.asarray(small_detector.trunk(found.image[None].astype(np.float32), training=False))[0]
    means = np.abs(features).mean(axis=(0, 1))
    last = found.stages[-1]
    np.testing.assert_array_equal(last.channels, np.argsort(-means, kind="stable")[:3])
    np.testing.assert_allclose(last.planes, np.moveaxis(features[..., last.channels], -1, 0), atol=1e-6)


def test_at_least_one_channel_is_shown(small_detector: Detector, noise_images: NDArray[np.uint8]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        feature_maps(small_detector, noise_images[0], channels=0)
