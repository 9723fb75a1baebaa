"""Reading a `.keras` file that somebody else made: its convolutions and their weights, and nothing that runs.

Keras would build whatever the file's configuration names, at any size. Here it is rewritten first: layers and settings
from a short list, float32, and every weight counted against those that the file really holds before memory is taken.
"""

import math
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from fakeimg.errors import ModelError
from fakeimg.models import layer_config, strict_json
from fakeimg.models.weights_file import load_checked, stored_numbers

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MAX_CONFIG_BYTES = 5_000_000
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_LAYERS = 2_000
MAX_NUMBER = 65_536
# Of training alone, or set anew: how weights start, what penalises them, in which precision they are kept.
_LEFT_OUT = ("dtype", "trainable", "seed", "activity_regularizer", "lora_rank", "lora_alpha", "quantization_config")
_ENDINGS = ("_initializer", "_regularizer", "_constraint")
_KEPT = frozenset(
    (
        *("name", "batch_shape", "filters", "units", "kernel_size", "strides", "padding", "dilation_rate", "groups"),
        *("use_bias", "activation", "depth_multiplier", "pool_size", "data_format", "cropping", "target_shape"),
        *("axis", "axes", "momentum", "epsilon", "center", "scale", "offset", "synchronized", "renorm_momentum"),
        *(
            "max_value",
            "negative_slope",
            "threshold",
            "rate",
            "noise_shape",
            "keepdims",
            "sparse",
            "ragged",
            "optional",
            "size",
            "interpolation",
        ),
    )
)
_ACTIVATIONS = frozenset(
    (
        *("linear", "relu", "relu6", "silu", "swish", "sigmoid", "hard_sigmoid", "hard_silu", "hard_swish"),
        *("softmax", "softplus", "tanh", "elu", "selu", "gelu", "leaky_relu", "mish"),
    )
)


def open_trunk(path: Path | str) -> Any:
    """The convolutional part of the network in a `.keras` file, up to its last feature map, with its weights.

    Only convolutional networks of ordinary layers can be opened (`layer_config.LAYERS`), nested ones included, as they
    come from `keras.applications` with or without a head of one's own. For an experiment give the file as its
    `weights`, beside the backbone that the network is.

    Args:
        path: what `model.save("FILE.keras")` wrote, with Keras 3.
    Returns:
        A Keras model from images (n, h, w, 3), scaled as that network wants them, to a feature map (n, h', w', c).
    Raises:
        ModelError: not such a file; layers that are not on the list, such as Lambda; more weights than it holds.
    """
    from fakeimg.models.network import import_keras

    file = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / WEIGHTS
        config = _unpack(file, weights)
        stored = stored_numbers(weights)
        import_keras()
        try:
            model = _build(config, _Budget(stored))
        except ModelError as error:
            raise ModelError(f"{file.name}: {error}") from None
        except Exception as error:  # what Keras raises for a configuration that makes no sense
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{file.name} does not describe a network: {reason[:200]}") from None
        if not model.built:
            raise ModelError(f"{file.name} was saved before its network had ever seen an image")
        load_checked(model, weights)
    return _up_to_feature_map(model, file.name)


class _Budget:
    """An initialiser for every weight of a network: zeros, while there are still as many in the file."""

    def __init__(self, numbers: int) -> None:
        self.left = numbers

    def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
        from keras import ops

        self.left -= math.prod(shape)
        if self.left < 0:
            raise ModelError(f"it describes more weights than it holds: another {math.prod(shape):,} are one too many")
        return ops.zeros(shape, dtype)


def _unpack(file: Path, weights: Path) -> Any:
    """The parsed configuration; the weights are copied out. Members have fixed names, and none is compressed."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {member.filename: member for member in archive.infolist()}
            if len(members) != len(archive.infolist()) or not {CONFIG, WEIGHTS} <= members.keys():
                raise ModelError(f"{file.name} is no .keras file: it lacks {CONFIG} or {WEIGHTS}, or has them twice")
            for name, member in members.items():
                if name not in (CONFIG, METADATA, WEIGHTS) or member.compress_type != zipfile.ZIP_STORED:
                    raise ModelError(f"{file.name} holds {name!r}, or holds it compressed, as Keras never writes it")
                if member.file_size > (MAX_WEIGHTS_BYTES if name == WEIGHTS else MAX_CONFIG_BYTES):
                    raise ModelError(f"{file.name} holds a {name} of {member.file_size:,} bytes, which is too large")
            config = strict_json.parse(archive.read(CONFIG), f"{CONFIG} of {file.name}")
            with archive.open(WEIGHTS) as source, weights.open("wb") as copy:
                shutil.copyfileobj(source, copy)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelError(f"{file.name} cannot be read as a .keras file: {error}") from None
    if not isinstance(config, dict):
        raise ModelError(f"{CONFIG} of {file.name} describes no network")
    config.pop("compile_config", None)  # how it was trained: not needed, and never built
    layer_config.check_classes(config, f"{CONFIG} of {file.name}")
    return config


def _build(config: dict[str, Any], budget: _Budget) -> Any:
    import keras

    if config.get("class_name") not in layer_config.MODELS:
        raise ModelError(
            f"it is neither a Functional nor a Sequential model but {str(config.get('class_name'))[:60]!r}"
        )
    return keras.saving.deserialize_keras_object(_layer(config, budget, []), safe_mode=True)


def _layer(item: Any, budget: _Budget, seen: list[None]) -> dict[str, Any]:
    """A layer's configuration, rewritten; nested models layer by layer. `seen` counts them all."""
    seen.append(None)
    if len(seen) > MAX_LAYERS:
        raise ModelError(f"it has more than {MAX_LAYERS:,} layers")
    if not isinstance(item, dict) or item.get("class_name") not in layer_config.LAYERS:
        raise ModelError("one of its layers is none")
    kind, inner = item["class_name"], item.get("config")
    if not isinstance(inner, dict):
        raise ModelError(f"its {kind} has no settings")
    if kind in layer_config.MODELS:
        layers = [_layer(each, budget, seen) for each in _listed(inner.get("layers"))]
        cleaned = {"name": _plain(inner.get("name")), "layers": layers}
        cleaned |= {key: _plain(inner[key]) for key in ("input_layers", "output_layers") if key in inner}
    else:
        cleaned = {key: _setting(key, value) for key, value in inner.items() if not _is_left_out(key)}
        cleaned |= {f"{weight}_initializer": budget for weight in layer_config.WEIGHTS.get(kind, ())}
    made = {"module": item["module"], "class_name": kind, "config": cleaned, "registered_name": None}
    if "inbound_nodes" in item:
        made |= {"name": _plain(item.get("name")), "inbound_nodes": _arguments(item["inbound_nodes"])}
    return made


def _is_left_out(key: str) -> bool:
    return key in _LEFT_OUT or key.endswith(_ENDINGS)


def _setting(key: str, value: Any) -> Any:
    if key not in _KEPT and value is not None and value is not False:
        raise ModelError(f"it sets {key[:60]!r}, which no layer of fakeimg's networks has")
    if key == "activation" and value not in _ACTIVATIONS:
        raise ModelError(f"its activation {str(value)[:60]!r} is none of Keras' own")
    return _plain(value)


def _plain(value: Any) -> Any:
    """Numbers, words and lists of them; no number larger than any layer needs."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise ModelError(f"it sets something to {value:,}; no layer needs more than {MAX_NUMBER:,}")
    if isinstance(value, dict) or (isinstance(value, str) and len(value) > 200):
        raise ModelError("a setting is neither a number nor a word")
    return value


def _arguments(value: Any) -> Any:
    """What a layer is called with: tensors by the name of the layer they come from, and plain values."""
    if isinstance(value, list):
        return [_arguments(each) for each in value]
    if not isinstance(value, dict):
        return _plain(value)
    if value.get("class_name") in layer_config.SETTINGS or value.get("class_name") in layer_config.LAYERS:
        raise ModelError("a layer is called with an object")
    return {key: each if key == "shape" else _arguments(each) for key, each in value.items()}


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ModelError("its layers are not a list")
    return value


def _up_to_feature_map(model: Any, name: str) -> Any:
    import keras

    # A nested model's own `output` belongs to a graph of its own; what its last call gave belongs to this one.
    outputs = [
        layer._inbound_nodes[-1].output_tensors[0]
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    maps = [output for output in outputs if len(output.shape) == 4]
    if len(model.inputs) != 1 or not maps:
        raise ModelError(f"{name} holds no convolutional network with one image as its input")
    return keras.Model(model.inputs[0], maps[-1], name="trunk")
