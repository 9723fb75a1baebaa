"""Which classes a Keras configuration may name.

Keras imports what a configuration names, and its own safe mode guards against lambdas alone. fakeimg never builds from
a configuration in a model folder, but stock Keras does, so one that names anything else is refused in both places.
"""

from typing import Any

from fakeimg.errors import ModelError

MODELS = ("Functional", "Sequential")
# What a layer's weights are called, for those that have any: `kernel_initializer` and so on set them.
WEIGHTS = {
    "Conv2D": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise", "bias"),
    "SeparableConv2D": ("depthwise", "pointwise", "bias"),
    "BatchNormalization": ("beta", "gamma", "moving_mean", "moving_variance"),
}
WEIGHTLESS = (
    *("InputLayer", "Rescaling", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "Reshape", "Flatten"),
    *("Activation", "ReLU", "Softmax", "Dropout", "SpatialDropout2D"),
    *("Add", "Subtract", "Multiply", "Concatenate", "GetItem"),
    *("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
)
# What layers are described with; these allocate nothing by themselves.
SETTINGS = (
    *("Zeros", "Ones", "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunNormal", "LecunUniform"),
    *("VarianceScaling", "RandomNormal", "RandomUniform", "TruncatedNormal", "L1", "L2", "L1L2", "DTypePolicy"),
)
LAYERS = frozenset((*WEIGHTS, *WEIGHTLESS, *MODELS))
# Keras' own notation for values that JSON lacks.
NOTATION = frozenset(("__keras_tensor__", "__slice__", "__ellipsis__"))
_NAMES = LAYERS | frozenset(SETTINGS)


def check_classes(config: Any, name: str) -> None:
    """Make sure that every class in a parsed configuration is one of a network of fakeimg's kind.

    Args:
        config: as `strict_json.parse` returned it.
        name: of the file, for the error.
    Raises:
        ModelError: another class, a class from elsewhere than Keras, a registered name or a function.
    """
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            _check_class(item, name)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _check_class(item: dict[str, Any], name: str) -> None:
    if not item.keys() & {"class_name", "module", "registered_name"}:
        return
    said, module, registered = (item.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(said, str) or said not in _NAMES | NOTATION:
        raise ModelError(f"{name} asks Keras for {_shown(said)}, which no network of fakeimg has; it is not opened")
    if said in NOTATION and module is None and registered is None:
        return
    if not isinstance(module, str) or module.partition(".")[0] != "keras":
        raise ModelError(f"{name} takes {said} from {_shown(module)} instead of Keras; it is not opened")
    if registered not in (None, said):
        raise ModelError(f"{name} calls {said} by the registered name {_shown(registered)}; it is not opened")


def _shown(value: Any) -> str:
    return repr(value)[:60]
