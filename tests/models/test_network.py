"""Facts about the one flat network that every detector is."""

import keras
import numpy as np
import pytest

from fakeimg import ConfigError, Experiment
from fakeimg.models.backbones import BACKBONES, load_weights
from fakeimg.models.network import (
    Architecture,
    build_network,
    has_pool,
    head_of,
    set_trainable,
    trunk_of,
    with_embedding,
)

PROGRAM_HEAD = {"kind": "two_way", "units": [512, 256, 128], "dropout": [0.5, 0.3, 0.0]}
SIZE = 64


def network(backbone: str, size: int = SIZE, seed: int = 0, **keys: object) -> keras.Model:
    return build_network(
        Architecture.of(Experiment.parse({"backbone": backbone, "image_size": size, **keys})), seed=seed
    )


def images(n: int = 3, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (n, size, size, 3)).astype(np.float32)


def test_the_published_program_has_as_many_parameters_as_published() -> None:
    assert network("five_conv_program", 128, head=PROGRAM_HEAD).count_params() == 1_126_306


def test_the_article_doubles_its_filters_and_widens_its_kernels() -> None:
    layers = [layer for layer in network("five_conv").layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in layers] == [32, 64, 128, 256, 512]
    assert [layer.kernel_size[0] for layer in layers] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(("backbone", "published"), [("resnet18", 11_689_512), ("resnet34", 21_797_672)])
def test_basic_block_resnets_have_the_parameters_of_the_paper(backbone: str, published: int) -> None:
    # The usual count has a 1,000-way classifier; Keras counts the moving statistics of batch normalisation too.
    model = network(backbone)
    trunk = sum(int(np.prod(weight.shape)) for weight in trunk_of(model).trainable_weights)
    assert trunk + 512 * 1000 + 1000 == published


@pytest.mark.parametrize("backbone", BACKBONES)
def test_cutting_at_the_feature_map_changes_nothing(backbone: str) -> None:
    model = network(backbone, head={"units": [8], "dropout": 0.3})
    whole = model.predict(images(), verbose=0)
    cut = head_of(model).predict(trunk_of(model).predict(images(), verbose=0), verbose=0)
    np.testing.assert_array_equal(whole, cut)
    assert whole.shape == (3, 1)


def test_the_pooled_head_takes_the_average_of_the_feature_map() -> None:
    model = network("mobilenet_v2")
    pooled = trunk_of(model).predict(images(), verbose=0).mean(axis=(1, 2))
    embedding, logit = with_embedding(model).predict(images(), verbose=0)
    np.testing.assert_allclose(pooled, embedding, atol=1e-5)
    np.testing.assert_allclose(head_of(model, pooled=True).predict(pooled, verbose=0), logit, atol=1e-5)


def test_a_flattening_network_has_no_pooled_head() -> None:
    model = network("five_conv")
    assert not has_pool(model)
    with pytest.raises(ConfigError, match="whole feature map"):
        head_of(model, pooled=True)


def test_a_two_way_head_gives_the_log_odds_of_its_softmax() -> None:
    model = network("five_conv_program", head={"kind": "two_way"})
    scores = keras.Model(model.input, model.get_layer("scores").output).predict(images(), verbose=0)
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    sigmoid = 1 / (1 + np.exp(-model.predict(images(), verbose=0)[:, 0]))
    np.testing.assert_allclose(sigmoid, softmax[:, 1], rtol=1e-5)


def test_three_classes_give_three_scores() -> None:
    model = network("five_conv_program", data={"classes": ["real", "edited", "generated"]})
    assert model.predict(images(), verbose=0).shape == (3, 3)


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("mobilenet_v2", lambda x: x / 127.5 - 1),
        ("resnet50", lambda x: x[..., ::-1] - np.array([103.939, 116.779, 123.68])),
        ("resnet18", lambda x: (x / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])),
        ("five_conv", lambda x: x / 255),
    ],
)
def test_preprocessing_is_the_one_the_weights_were_trained_with(backbone: str, expected) -> None:
    model = network(backbone)
    inside = keras.Model(model.input, model.get_layer("preprocess").output).predict(images(), verbose=0)
    np.testing.assert_allclose(inside, expected(images().astype(np.float64)), atol=1e-4)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, again, other = network("resnet18"), network("resnet18"), network("resnet18", seed=1)
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_freezing_leaves_the_head_alone_to_train() -> None:
    model = network("mobilenet_v2", head={"units": [4]})
    set_trainable(model, "head")
    assert [weight.path.split("/")[0] for weight in model.trainable_weights] == ["dense1", "dense1", "logit", "logit"]
    set_trainable(model, "Conv_1")
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {
        "Conv_1", "Conv_1_bn", "dense1", "logit",
    }  # fmt: skip
    set_trainable(model, "all")
    assert len(model.trainable_weights) > 100
    with pytest.raises(ConfigError, match="did you mean 'Conv1'"):
        set_trainable(model, "Conv1_")


def test_a_weights_file_is_copied_exactly(tmp_path) -> None:
    reference = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    reference.save_weights(tmp_path / "given.weights.h5")
    model = network("mobilenet_v2")
    words = load_weights(trunk_of(model), "mobilenet_v2", str(tmp_path / "given.weights.h5"))
    for a, b in zip(trunk_of(model).get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "given.weights.h5 (sha256 " in words


def test_weights_that_cannot_be_had_are_an_error_and_never_random_ones(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no weights in Keras' cache
    monkeypatch.setattr("socket.create_connection", _refuse)
    model = network("mobilenet_v2")
    before = model.get_weights()[0].copy()
    with pytest.raises(ConfigError, match="no network"):
        load_weights(trunk_of(model), "mobilenet_v2", "imagenet")
    with pytest.raises(ConfigError, match="publishes no ImageNet weights of resnet18"):
        load_weights(trunk_of(network("resnet18")), "resnet18", "imagenet")
    with pytest.raises(ConfigError, match="no weights file"):
        load_weights(trunk_of(model), "mobilenet_v2", "missing.weights.h5")
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_weights_of_another_network_are_refused(tmp_path) -> None:
    network("five_conv_program").save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ConfigError, match="does not hold weights of mobilenet_v2"):
        load_weights(trunk_of(network("mobilenet_v2")), "mobilenet_v2", str(tmp_path / "other.weights.h5"))


def test_unknown_backbones_and_impossible_sizes_are_named() -> None:
    with pytest.raises(ConfigError, match="resnet5"):
        Experiment.parse({"backbone": "resnet5"})
    with pytest.raises(ConfigError, match="or more"):
        network("five_conv_program", size=32)


def _refuse(*_: object, **__: object) -> None:
    raise OSError("no network in this test")
