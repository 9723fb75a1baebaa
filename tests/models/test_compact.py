"""Facts about the bundled detector's network."""

import keras
import numpy as np
import pytest

from fakeimg import ConfigError, Experiment
from fakeimg.models.network import FEATURE_MAP, Architecture, at_size, build_network, set_trainable


def network(size: int = 64, backbone: str = "compact") -> keras.Model:
    return build_network(Architecture.of(Experiment.parse({"backbone": backbone, "image_size": size})))


def test_every_cell_of_the_feature_map_stands_for_16_by_16_pixels() -> None:
    assert network(64).get_layer(FEATURE_MAP).output.shape[1:] == (4, 4, 128)
    assert network(72).get_layer(FEATURE_MAP).output.shape[1:] == (5, 5, 128)


def test_of_two_scales_one_sees_fine_texture_and_the_other_does_not() -> None:
    model = network(64, "compact_two_scales")
    outputs = [model.get_layer(f"{scale}_stage3_out").output for scale in ("fine", "coarse")]
    maps = keras.Model(model.input, outputs)
    board = 40.0 * ((np.indices((64, 64)).sum(axis=0) % 2) * 2 - 1)  # its mean over any 2 x 2 pixels is zero
    smooth = np.random.default_rng(0).uniform(60, 190, (1, 32, 32, 3)).repeat(2, axis=1).repeat(2, axis=2)
    plain, textured = (maps.predict(x.astype(np.float32), verbose=0) for x in (smooth, smooth + board[None, ..., None]))
    assert np.abs(plain[0] - textured[0]).max() > 1e-2
    np.testing.assert_allclose(plain[1], textured[1], atol=1e-4)


@pytest.mark.parametrize("size", [40, 72, 96])
def test_two_scales_have_one_feature_map_at_any_size(size: int) -> None:
    cells = -(-size // 16)
    assert network(size, "compact_two_scales").get_layer(FEATURE_MAP).output.shape[1:] == (cells, cells, 256)


def test_residuals_of_an_even_slope_are_zero_and_those_of_a_checkerboard_are_not() -> None:
    model = network(16 * 4)
    residuals = keras.Model(model.input, model.get_layer("residuals").output)
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    slope = np.repeat((rows + 2 * columns)[None, :, :, None], 3, axis=3)
    board = np.repeat(255 * ((rows + columns) % 2)[None, :, :, None], 3, axis=3)
    inner = (slice(None), slice(2, -2), slice(2, -2))
    assert np.abs(residuals.predict(slope, verbose=0)[inner]).max() < 1e-4
    assert np.abs(residuals.predict(board, verbose=0)[inner]).min() > 1


def test_a_network_at_another_size_has_the_very_same_layers() -> None:
    whole = network(64)
    patch = at_size(whole, (32, 32))
    assert {id(weight) for weight in patch.weights} == {id(weight) for weight in whole.weights}
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_array_equal(at_size(patch, (64, 64)).predict(image, verbose=0), whole.predict(image, verbose=0))


def test_what_is_trained_in_patches_is_the_network_itself() -> None:
    whole = network(64)
    set_trainable(whole, "all")
    patch = at_size(whole, (32, 32))
    patch.compile("adam", "mse")
    before = whole.get_weights()
    patch.train_on_batch(np.full((4, 32, 32, 3), 90.0, np.float32), np.ones((4, 1), np.float32))
    assert all(not np.array_equal(a, b) for a, b in zip(before, whole.get_weights(), strict=True) if a.ndim == 4)


def test_a_head_that_reads_every_position_has_one_size() -> None:
    with pytest.raises(ConfigError, match="five_conv"):
        at_size(network(64, "five_conv"), (32, 32))
