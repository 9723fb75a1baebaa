"""Backbones: from a tensor of uint8-range RGB to a feature map, and the weights they start from."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fakeimg.errors import ConfigError, did_you_mean
from fakeimg.files import sha256
from fakeimg.models import compact, five_conv, resnet
from fakeimg.models.foreign import open_trunk
from fakeimg.models.weights_file import load_whole, stored_numbers

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Means of the blue, green and red channel in the original Caffe ResNet50, which keras.applications keeps.
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
# The folder of the detector that fakeimg brings along.
BUNDLED = Path(__file__).parents[1] / "pretrained"


@dataclass(frozen=True)
class Backbone:
    """One named network, without its head.

    Attributes:
        preprocess: uint8-range RGB tensor (n, h, w, 3) to what `convolve` wants.
        convolve: to the feature map (n, h', w', c).
        summary: how the head reads the feature map: averaged over the plane, or flattened.
        smallest: the least height and width, in pixels.
        reference: the bare Keras model whose weight files fit, or None when Keras has no such model.
    """

    preprocess: Callable[[Any], Any]
    convolve: Callable[[Any], Any]
    summary: Literal["average", "flatten"]
    smallest: int
    reference: Callable[..., Any] | None = None


def get_backbone(name: str) -> Backbone:
    """The backbone called `name`.

    Raises:
        ConfigError: no backbone has this name.
    """
    try:
        return BACKBONES[name]
    except KeyError:
        raise ConfigError(
            f"no backbone {name!r}; there are {', '.join(BACKBONES)}{did_you_mean(name, BACKBONES)}"
        ) from None


def load_weights(trunk: Any, name: str, weights: str) -> str:
    """Set a trunk's weights and say where they come from, in words that go into the model's record.

    Args:
        trunk: the Keras model from image to feature map, freshly initialised.
        name: its backbone.
        weights: "none" keeps the random initialisation, or for "bundled" that detector's own weights; "imagenet"
            downloads (or finds in Keras' cache) the weights that Keras publishes; anything else is a Keras weights
            file of the bare backbone without its top, or a whole `.keras` model that begins with this backbone.
    Raises:
        ConfigError: no such file, a file that does not fit, or ImageNet weights that cannot be had. Never falls back
            to random weights: that would be a wrong result.
        ModelError: a file that is not safe to open.
    """
    if name == "bundled":
        return _load_bundled(trunk, weights)
    if weights == "none":
        return "random initialisation"
    reference = get_backbone(name).reference
    if weights == "imagenet":
        if reference is None:
            raise ConfigError(
                f'Keras publishes no ImageNet weights of {name}; give weights = "none", or a Keras weights file'
            )
        source = _imagenet_model(name, reference)
        words = "ImageNet weights of keras.applications"
    else:
        file = Path(weights)
        if not file.is_file():
            raise ConfigError(f'no weights file {weights!r}; give a path, "imagenet" or "none"')
        if file.suffix == ".keras":
            source = open_trunk(file)
            if [w.shape for w in source.weights] != [w.shape for w in trunk.weights]:
                raise ConfigError(f"{weights} does not begin with {name}: its layers have other sizes")
        else:
            source = reference(weights=None, include_top=False) if reference else _fresh_copy(trunk)
            stored_numbers(file)  # refuses what is not plain
            try:
                load_whole(source, file)
            except Exception as error:  # Keras raises whatever h5py does
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise ConfigError(f"{weights} does not hold weights of {name} without its top: {reason}") from None
        words = f"weights file {file.name} (sha256 {sha256(file)})"
    trunk.set_weights(source.get_weights())
    return words


def _load_bundled(trunk: Any, weights: str) -> str:
    from fakeimg.models.detector import Detector  # which is built from this module

    if weights != "none":
        raise ConfigError(f'backbone = "bundled" brings its own weights; leave weights = {weights!r} out')
    detector = Detector.open(BUNDLED)
    trunk.set_weights(detector.trunk.get_weights())
    return f"the bundled detector (weights sha256 {detector.weights_sha256})"


def _fresh_copy(trunk: Any) -> Any:
    import keras

    return keras.models.clone_model(trunk)


def _imagenet_model(name: str, reference: Callable[..., Any]) -> Any:
    cache = Path.home() / ".keras" / "models"
    if not any(cache.glob(f"{name}*no_top*")):
        try:
            socket.create_connection(("storage.googleapis.com", 443), timeout=4).close()
        except OSError:
            raise ConfigError(
                f"the ImageNet weights of {name} are not in {cache} and cannot be downloaded, as there is no network; "
                'give a weights file, or weights = "none" to start from random ones'
            ) from None
    try:
        return reference(weights="imagenet", include_top=False)
    except Exception as error:
        raise ConfigError(f"the ImageNet weights of {name} could not be downloaded: {error}") from None


def _resnet50_preprocess(x: Any) -> Any:
    from keras import layers

    return layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEAN_BGR], name="preprocess")(x[..., ::-1])


def _mobilenet_preprocess(x: Any) -> Any:
    from keras import layers

    return layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")(x)


def _imagenet_preprocess(x: Any) -> Any:
    from keras import layers

    return layers.Rescaling(
        [1 / (255 * std) for std in IMAGENET_STD],
        offset=[-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)],
        name="preprocess",
    )(x)


def _unit_preprocess(x: Any) -> Any:
    from keras import layers

    return layers.Rescaling(1 / 255, name="preprocess")(x)


def _resnet50_model(**options: Any) -> Any:
    import keras

    return keras.applications.ResNet50(**options)


def _mobilenet_v2_model(**options: Any) -> Any:
    import warnings

    import keras

    with warnings.catch_warnings():
        # Keras remarks that its weights were trained at 224 pixels; the published system runs them at 180.
        warnings.filterwarnings("ignore", message=".*input_shape.*")
        return keras.applications.MobileNetV2(**options)


def _compact_preprocess(x: Any) -> Any:
    from keras import layers

    return layers.Rescaling(1 / 64, offset=-2, name="preprocess")(x)


_TWO_SCALES = Backbone(_compact_preprocess, compact.two_scales, "average", 32)


def _application(model: Callable[..., Any]) -> Callable[[Any], Any]:
    # Built on our own tensor, so that the whole detector stays one flat graph.
    return lambda x: model(weights=None, include_top=False, input_tensor=x).output


BACKBONES = {
    "resnet50": Backbone(_resnet50_preprocess, _application(_resnet50_model), "average", 32, _resnet50_model),
    "mobilenet_v2": Backbone(
        _mobilenet_preprocess, _application(_mobilenet_v2_model), "average", 32, _mobilenet_v2_model
    ),
    "resnet18": Backbone(
        _imagenet_preprocess, lambda x: resnet.basic_block_resnet(x, resnet.BLOCKS["resnet18"]), "average", 32
    ),
    "resnet34": Backbone(
        _imagenet_preprocess, lambda x: resnet.basic_block_resnet(x, resnet.BLOCKS["resnet34"]), "average", 32
    ),
    "five_conv": Backbone(
        _unit_preprocess, lambda x: five_conv.convolutions(x, five_conv.VARIANTS["five_conv"]), "flatten", 32
    ),
    "five_conv_program": Backbone(
        _unit_preprocess, lambda x: five_conv.convolutions(x, five_conv.VARIANTS["five_conv_program"]), "flatten", 48
    ),
    "compact": Backbone(_compact_preprocess, compact.convolutions, "average", 32),
    "compact_plain": Backbone(_compact_preprocess, lambda x: compact.convolutions(x, residuals=False), "average", 32),
    "compact_two_scales": _TWO_SCALES,
    "bundled": _TWO_SCALES,
}
