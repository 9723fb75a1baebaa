"""The one flat network that every detector is: image, feature map, head, logit."""

import os
import sys
from importlib import import_module
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict

from fakeimg.config import Backbone as BackboneName
from fakeimg.config import ClassNames, Experiment, Framing, Head, Side
from fakeimg.errors import ConfigError, ModelError, did_you_mean
from fakeimg.models import five_conv
from fakeimg.models.backbones import Backbone, get_backbone

FEATURE_MAP = "feature_map"
POOL = "pool"
LOGIT = "logit"


class Architecture(BaseModel):
    """What a network is rebuilt from; two equal architectures take each other's weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: BackboneName
    image_size: tuple[Side, Side]
    framing: Framing
    head: Head
    class_names: ClassNames

    @classmethod
    def of(cls, experiment: Experiment) -> "Architecture":
        """The architecture that an experiment asks for."""
        return cls(
            backbone=experiment.backbone,
            image_size=experiment.image_size,
            framing=experiment.framing,
            head=experiment.head,
            class_names=experiment.data.classes,
        )


def build_network(architecture: Architecture, *, seed: int = 0, most: int | None = None) -> Any:
    """A flat functional Keras model with random weights.

    Input "image": float32 (n, h, w, 3), RGB, 0 to 255. Layer "feature_map": (n, h', w', c). Output "logit": for two
    classes (n, 1), the log-odds of the second class; for k > 2 classes (n, k), unnormalised log-probabilities.
    Averaging backbones have a layer "pool", (n, c), between the two.

    Args:
        seed: of the random weights.
        most: refuse a head with more parameters than that, before memory is taken for it. A backbone has at most 24
            million whatever the architecture says; a head has as many as its widths and the image size make.
    Raises:
        ConfigError: unknown backbone, or an image size that it cannot take.
        ModelError: more than `most` parameters.
    """
    import_keras()
    import keras
    from keras import layers

    backbone = get_backbone(architecture.backbone)
    height, width = architecture.image_size
    if min(height, width) < backbone.smallest:
        raise ConfigError(
            f"{architecture.backbone} needs images of {backbone.smallest} x {backbone.smallest} pixels or more, "
            f"not {height} x {width}"
        )
    keras.utils.set_random_seed(seed)
    image = keras.Input((height, width, 3), name="image")
    x = backbone.convolve(backbone.preprocess(image))
    x = layers.Activation("linear", name=FEATURE_MAP)(x)
    x = _summarise(x, backbone, architecture.backbone)
    classes = len(architecture.class_names)
    widths = [x.shape[-1], *architecture.head.units, classes if classes > 2 else 1]
    needed = sum(inputs * outputs for inputs, outputs in pairwise(widths))
    if most is not None and needed > most:
        raise ModelError(f"the head described in fakeimg.json has {needed:,} weights, but the weights file {most:,}")
    logit = _head(x, architecture.head, classes, seed)
    return keras.Model(image, logit, name="detector")


def import_keras() -> None:
    """Import Keras and TensorFlow without the notices that TensorFlow's C++ prints on stderr while it starts.

    They cannot be switched off; `TF_CPP_MIN_LOG_LEVEL=0` lets them through.
    """
    if "tensorflow" in sys.modules or os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import_module("keras")
        import_module("tensorflow").constant(0)  # the last notices come with the first tensor
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def trunk_of(model: Any) -> Any:
    """The part from the image to the feature map, sharing the model's layers."""
    import keras

    return keras.Model(model.input, model.get_layer(FEATURE_MAP).output, name="trunk")


def head_of(model: Any, *, pooled: bool = False) -> Any:
    """The part from the feature map to the logit, sharing the model's layers; with `pooled`, from its spatial average.

    Raises:
        ConfigError: `pooled` on a network whose head reads the whole feature map.
    """
    import keras

    boundary = POOL if pooled else FEATURE_MAP
    if pooled and not has_pool(model):
        raise ConfigError("this network's head reads the whole feature map, so it has no pooled features")
    return keras.Model(model.get_layer(boundary).output, model.output, name="head")


def has_pool(model: Any) -> bool:
    """Whether the head reads the feature map's spatial average only."""
    return any(layer.name == POOL for layer in model.layers)


def with_embedding(model: Any) -> Any:
    """The network with two outputs: the embedding (n, c), the feature map's spatial average, and the logit."""
    import keras
    from keras import ops

    if has_pool(model):
        embedding = model.get_layer(POOL).output
    else:
        embedding = ops.mean(model.get_layer(FEATURE_MAP).output, axis=(1, 2))
    return keras.Model(model.input, [embedding, model.output], name="scorer")


def at_size(model: Any, size: tuple[int, int]) -> Any:
    """The same network, sharing its layers, for images of another height and width.

    Raises:
        ConfigError: the head reads every position of the feature map, so the size is fixed.
    """
    import keras

    if not has_pool(model):
        raise ConfigError("train.patch needs a network that averages its feature map; five_conv flattens it")
    image = keras.Input((*size, 3), name="image")
    return keras.models.clone_model(model, input_tensors=image, clone_function=lambda layer: layer)


def without_optimizer(model: Any) -> Any:
    """The same network, sharing its layers, without what `compile` added: a saved detector is for scoring."""
    import keras

    return keras.Model(model.input, model.output, name=model.name)


def set_trainable(model: Any, trainable: str) -> None:
    """Choose what is trained: "head", "all", or everything from the backbone layer of that name on.

    Batch normalisation in a frozen layer keeps its statistics (Keras runs it in inference mode).

    Raises:
        ConfigError: no layer has that name.
    """
    names = [layer.name for layer in model.layers]
    first = {"head": FEATURE_MAP, "all": names[0]}.get(trainable, trainable)
    if first not in names:
        raise ConfigError(
            f'trainable = {trainable!r} is neither "head" nor "all" nor the name of a layer{did_you_mean(first, names)}'
        )
    for layer in model.layers:
        layer.trainable = names.index(layer.name) >= names.index(first)


def _summarise(x: Any, backbone: Backbone, name: str) -> Any:
    from keras import layers

    if backbone.summary == "average":
        return layers.GlobalAveragePooling2D(name=POOL)(x)
    return five_conv.flatten(x, five_conv.VARIANTS[name])


def _head(x: Any, head: Head, classes: int, seed: int) -> Any:
    from keras import layers, regularizers

    penalty = regularizers.L2(head.l2) if head.l2 else None
    for i, (units, rate) in enumerate(zip(head.units, head.rates, strict=True), 1):
        x = layers.Dense(units, activation="relu", kernel_regularizer=penalty, name=f"dense{i}")(x)
        if rate:
            x = layers.Dropout(rate, seed=seed + i, name=f"dropout{i}")(x)
    if classes > 2:
        return layers.Dense(classes, name=LOGIT)(x)
    if head.kind == "two_way":
        scores = layers.Dense(2, name="scores")(x)
        # A softmax over two scores is a sigmoid of their difference: same probabilities, same gradients.
        return layers.Activation("linear", name=LOGIT)(scores[:, 1:] - scores[:, :1])
    return layers.Dense(1, name=LOGIT)(x)
