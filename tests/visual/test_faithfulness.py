"""The checks of heatmaps: each one must be able to fail."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.errors import ImageError
from fakeimg.models.detector import Detector
from fakeimg.visual.deletion import BASELINES, GAMES, deletion_and_insertion
from fakeimg.visual.faithfulness import faithfulness
from fakeimg.visual.gradcam import network_view
from fakeimg.visual.randomisation import randomisation, rank_correlation, reinitialise


def test_fresh_weights_differ_even_where_nothing_was_ever_trained(make_detector: Any) -> None:
    model = make_detector("mobilenet_v2", 32).model
    for layer in model.layers:
        before = [np.asarray(weight) for weight in layer.weights]
        if not before:
            continue
        reinitialise(layer, seed=1)
        kernel, fresh = before[0], np.asarray(layer.weights[0])
        if kernel.std() == 0:  # batch normalisation starts from ones, and so it does again
            np.testing.assert_array_equal(fresh, kernel)
        else:
            assert not np.allclose(fresh, kernel)
            assert fresh.std() == pytest.approx(kernel.std(), rel=0.35)  # the layer's own scale


def test_the_check_covers_every_layer_and_leaves_the_detector_alone(
    small_detector: Detector, noise_images: NDArray[np.uint8]
) -> None:
    before = small_detector.model.get_weights()
    views = np.stack([network_view(small_detector, image) for image in noise_images[:2]])
    found = randomisation(small_detector, views, ["fake", "real"])
    for old, new in zip(before, small_detector.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    layers = found.drop_duplicates("step")["layer"].tolist()
    assert layers == ["logit", "dense1", "conv5", "conv4", "conv3", "conv2", "conv1"]


def test_a_map_that_ranks_nothing_correlates_with_nothing() -> None:
    ramp = np.arange(6.0).reshape(2, 3)
    assert rank_correlation(ramp, 10 * ramp**3) == pytest.approx(1)
    assert rank_correlation(ramp, -ramp) == pytest.approx(-1)
    assert rank_correlation(ramp, np.zeros((2, 3))) == 0


def corner_detector() -> Any:
    """Its log-odds are the brightness of the upper left quarter, wherever a heatmap may point."""
    return SimpleNamespace(logits=lambda images, *, engine: images[:, :16, :16].mean(axis=(1, 2, 3)))


@pytest.mark.parametrize(("sign", "corner_first"), [(1, True), (1, False), (-1, True), (-1, False)])
def test_deletion_and_insertion_favour_the_map_that_points_at_what_matters(sign: int, corner_first: bool) -> None:
    rng = np.random.default_rng(0)
    views = rng.integers(0, 60, (6, 32, 32, 3), np.uint8)
    # For "fake" the corner is bright, for "real" it is dark, so that it speaks for the target.
    views[:, :16, :16] += np.uint8(180) if sign > 0 else np.uint8(0)
    views[:, 16:] += np.uint8(0) if sign > 0 else np.uint8(180)
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[:2, :2] = 1
    heatmaps = np.stack([heatmap if corner_first else 1 - heatmap] * 6)
    curves = deletion_and_insertion(corner_detector(), views, heatmaps, np.full(6, sign))
    for game in GAMES:
        for baseline in BASELINES:
            advantage = curves.advantage(game, baseline, "random")
            assert (advantage > 0).all() if corner_first else (advantage < 0).all(), (game, baseline)


def test_curves_start_and_end_where_they_must() -> None:
    views = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8)
    curves = deletion_and_insertion(corner_detector(), views, np.ones((3, 4, 4), np.float32), np.ones(3, np.int64))
    whole = views[:, :16, :16].mean(axis=(1, 2, 3))
    for order in ("heatmap", "random", "centre"):
        deleted = curves.log_odds["deletion", "mean colour", order]
        inserted = curves.log_odds["insertion", "mean colour", order]
        np.testing.assert_allclose(deleted[:, 0], whole)
        np.testing.assert_allclose(inserted[:, -1], whole)
        np.testing.assert_allclose(deleted[:, -1], inserted[:, 0])
        np.testing.assert_allclose(deleted[:, -1], views.mean(axis=(1, 2, 3)), atol=0.6)


def test_the_table_holds_every_check_with_its_interval(
    small_detector: Detector, noise_images: NDArray[np.uint8]
) -> None:
    proof = faithfulness(small_detector, list(noise_images), engine="tensorflow")
    assert len(proof.frame) == 14
    spread = proof.frame.dropna(subset=["low"])
    assert len(spread) >= 8
    assert (spread["low"] < spread["value"]).all()
    assert (spread["value"] < spread["high"]).all()
    assert set(proof.frame["n"]) == {4}
    printed = str(proof).splitlines()
    assert len(printed) == 2 + 14
    assert max(map(len, printed)) <= 120


def test_one_image_proves_nothing(small_detector: Detector, noise_images: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match="at least 2"):
        faithfulness(small_detector, [noise_images[0]])
