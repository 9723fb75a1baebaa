"""Heatmaps: against an independent implementation, against theory, and at the edges."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.config import Head
from fakeimg.errors import ConfigError, ImageError
from fakeimg.models.backbones import load_weights
from fakeimg.models.detector import Detector
from fakeimg.visual.gradcam import Evidence, Heatmap, gradcam, gradcams, network_view, signed_gradcam


def independent(detector: Detector, image: NDArray[np.uint8], sign: int, kind: str = "gradcam") -> NDArray[np.float32]:
    """tf-keras-vis' map of the same network: unresized, unnormalised."""
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.layercam import Layercam

    visualiser = {"gradcam": Gradcam, "layercam": Layercam}[kind](detector.model, clone=False)
    view = network_view(detector, image)[None].astype(np.float32)
    cam = visualiser(
        lambda logits: sign * logits[:, 0],
        view,
        penultimate_layer="feature_map",
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    values: NDArray[np.float32] = np.asarray(cam[0] if isinstance(cam, list) else cam)[0]
    return values


@pytest.mark.parametrize(
    ("backbone", "size", "head"),
    [
        ("five_conv", 64, Head(units=(64,), dropout=0.3)),
        ("five_conv_program", 64, Head(kind="two_way", units=(64,))),
        ("resnet50", 64, Head(units=(32,), dropout=0.5)),
    ],
)
def test_it_equals_an_independent_implementation(
    make_detector: Any, noise_images: NDArray[np.uint8], backbone: str, size: int, head: Head
) -> None:
    detector = make_detector(backbone, size, head)
    peaks = []
    for target, sign in (("fake", 1), ("real", -1)):
        found = gradcam(detector, noise_images[0], target=target)
        expected = independent(detector, noise_images[0], sign)
        np.testing.assert_allclose(found.values, expected, atol=min(1e-5, 1e-4 * expected.max()), rtol=1e-5)
        peaks.append(found.peak)
    assert max(peaks) > 0


def test_it_equals_an_independent_implementation_on_the_given_weights(
    make_detector: Any, given_weights: Path, noise_images: NDArray[np.uint8]
) -> None:
    detector = make_detector("mobilenet_v2", 96, Head(units=(32, 16), dropout=0.2, l2=0.001))
    load_weights(detector.trunk, "mobilenet_v2", str(given_weights))
    for target, sign in (("fake", 1), ("real", -1)):
        for method in ("gradcam", "layercam"):
            found = gradcam(detector, noise_images[0], target=target, method=method)
            expected = independent(detector, noise_images[0], sign, method)
            np.testing.assert_allclose(found.values, expected, atol=min(1e-5, 1e-4 * expected.max()), rtol=1e-5)


def test_with_one_dense_layer_on_the_averaged_map_it_is_cam_over_the_number_of_cells(
    make_detector: Any, noise_images: NDArray[np.uint8]
) -> None:
    detector = make_detector("resnet18", 64)
    view = network_view(detector, noise_images[0])[None].astype(np.float32)
    features = np.asarray(detector.trunk(view, training=False))[0]
    kernel, bias = detector.model.get_layer("logit").get_weights()
    cam = features @ kernel[:, 0]
    found = gradcam(detector, noise_images[0])
    np.testing.assert_allclose(found.values, np.maximum(cam, 0) / cam.size, rtol=1e-4, atol=1e-7)
    # Which is why "logit units" means something: before the ReLU the cells add up to the logit.
    assert cam.sum() / cam.size + bias[0] == pytest.approx(found.log_odds, rel=1e-4)


def test_evidence_for_real_is_the_evidence_against_fake(
    small_detector: Detector, noise_images: NDArray[np.uint8]
) -> None:
    evidence = Evidence(small_detector, "tensorflow")
    views = np.stack([network_view(small_detector, image) for image in noise_images])
    maps = evidence.maps(views)
    fake, fake_odds = evidence.heatmaps(maps, ["fake"] * 4)
    real, real_odds = evidence.heatmaps(maps, ["real"] * 4)
    mixed, _ = evidence.heatmaps(maps, ["fake", "real", "real", "fake"])
    np.testing.assert_array_equal(np.minimum(fake, real), 0)
    np.testing.assert_allclose(fake_odds, -real_odds)
    np.testing.assert_array_equal(mixed, np.stack([fake[0], real[1], real[2], fake[3]]))


def test_a_saturated_sigmoid_does_not_hide_the_evidence(make_detector: Any, noise_images: NDArray[np.uint8]) -> None:
    detector = make_detector("five_conv", 32)
    layer = detector.model.get_layer("logit")
    kernel, bias = layer.get_weights()
    small = gradcam(detector, noise_images[0])
    layer.set_weights([kernel * 1e6, bias])
    large = gradcam(detector, noise_images[0], target="fake" if small.log_odds > 0 else "real")
    assert 1 / (1 + np.exp(-large.log_odds)) == 1.0
    assert large.peak > 0


def test_no_positive_evidence_is_said_and_not_stretched(make_detector: Any, noise_images: NDArray[np.uint8]) -> None:
    detector = make_detector("resnet18", 64)
    layer = detector.model.get_layer("logit")
    kernel, bias = layer.get_weights()
    layer.set_weights([-np.abs(kernel), bias])  # the feature map is never negative, so nothing speaks for "fake"
    found = gradcam(detector, noise_images[0])
    assert found.empty
    assert found.note == "no positive evidence for 'fake'"
    overlay = found.overlay()
    assert (overlay == overlay[..., :1]).all()
    assert "No positive evidence" in found.plot().get_title(loc="left")
    assert not gradcam(detector, noise_images[0], target="real").empty


def test_many_heatmaps_are_the_same_as_one_by_one(small_detector: Detector, noise_images: NDArray[np.uint8]) -> None:
    images = [noise_images[0], noise_images[1][:30], noise_images[2], noise_images[3][:, :25]]
    together = gradcams(small_detector, images, batch_size=3, engine="tensorflow")
    for heatmap, image in zip(together, images, strict=True):
        np.testing.assert_allclose(heatmap.values, gradcam(small_detector, image).values, atol=1e-7)


def test_the_fast_engine_draws_the_same_map(small_detector: Detector, noise_images: NDArray[np.uint8]) -> None:
    exact, fast = (gradcam(small_detector, noise_images[0], engine=engine) for engine in ("tensorflow", "auto"))
    np.testing.assert_allclose(fast.values, exact.values, atol=1e-5 * max(exact.peak, 1))


def test_with_three_classes_the_log_odds_of_each_are_explained(
    make_detector: Any, noise_images: NDArray[np.uint8]
) -> None:
    detector = make_detector("five_conv", 32, classes=("real", "edited", "generated"))
    probabilities = detector.predict(noise_images[0]).probabilities[0]
    for target, probability in [
        ("real", probabilities[0]),
        ("edited", probabilities[1]),
        ("generated", probabilities[2]),
        ("fake", 1 - probabilities[0]),
    ]:
        odds = np.log(probability / (1 - probability))
        assert gradcam(detector, noise_images[0], target=target).log_odds == pytest.approx(odds, abs=1e-4)


def test_class_names_are_targets_too(make_detector: Any, noise_images: NDArray[np.uint8]) -> None:
    detector = make_detector("five_conv", 32, classes=("photograph", "stylegan"))
    named, plain = (gradcam(detector, noise_images[0], target=target) for target in ("stylegan", "fake"))
    np.testing.assert_array_equal(named.values, plain.values)
    assert named.target == "fake"


def test_grad_cam_before_its_relu_weighs_channels_by_their_mean_gradient() -> None:
    maps = np.array([[[[1.0, 10.0], [2.0, 20.0]]]], np.float32)
    gradients = np.array([[[[1.0, 0.0], [3.0, -1.0]]]], np.float32)
    np.testing.assert_allclose(signed_gradcam(maps, gradients), [[[2 * 1 - 0.5 * 10, 2 * 2 - 0.5 * 20]]])


def test_one_scale_gives_equal_values_equal_colours() -> None:
    picture = np.full((8, 8, 3), 90, np.uint8)
    weak = Heatmap(np.full((2, 2), 1.0, np.float32), picture, "fake", 1.0)
    strong = Heatmap(np.full((2, 2), 2.0, np.float32), picture, "fake", 1.0)
    np.testing.assert_array_equal(weak.overlay(), strong.overlay())  # each at its own peak: not to be compared
    assert (weak.overlay(limit=2.0) != strong.overlay(limit=2.0)).any()
    mixed = Heatmap(np.repeat([[1.0, 2.0]], 4, axis=1).astype(np.float32), picture, "fake", 1.0)
    np.testing.assert_array_equal(mixed.overlay(limit=2.0)[0, 0], weak.overlay(limit=2.0)[0, 0])
    np.testing.assert_array_equal(mixed.overlay(limit=2.0)[0, 7], strong.overlay(limit=2.0)[0, 7])


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), 7, Path("no-such-file.png")]
)
def test_what_is_no_picture_is_refused(small_detector: Detector, image: Any) -> None:
    with pytest.raises(ImageError):
        gradcam(small_detector, image)


def test_a_misspelt_target_or_method_names_the_right_one(
    small_detector: Detector, noise_images: NDArray[np.uint8]
) -> None:
    with pytest.raises(ConfigError, match="did you mean 'fake'"):
        gradcam(small_detector, noise_images[0], target="fakes")
    with pytest.raises(ConfigError, match="did you mean 'layercam'"):
        gradcam(small_detector, noise_images[0], method="layer_cam")  # type: ignore[arg-type]


def test_drawing_leaves_matplotlib_as_it_was(small_detector: Detector, noise_images: NDArray[np.uint8]) -> None:
    import matplotlib.pyplot as plt

    before, figures = plt.rcParams.copy(), plt.get_fignums()
    html = gradcam(small_detector, noise_images[0], target="real")._repr_html_()
    assert html.startswith("<img alt=")
    assert plt.rcParams == before
    assert plt.get_fignums() == figures
