"""Two engines that score the same network: OpenVINO, which starts in a blink, and TensorFlow, which trains."""

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ConfigError
from fakeimg.files import cache_folder, write_bytes

EngineName = Literal["auto", "tensorflow", "openvino"]
Precision = Literal["float32", "bfloat16"]
Floats = NDArray[np.float32]

# Part of every cached graph's name: raise it when what is exported changes.
GRAPH_VERSION = 1


class Engine(Protocol):
    """Runs a network on a batch: float32 or uint8 (n, h, w, 3) in, one float32 array for each output."""

    def __call__(self, images: NDArray[Any]) -> list[Floats]: ...


def choose_engine(name: EngineName) -> Literal["tensorflow", "openvino"]:
    """The engine that `name` stands for here: "auto" is OpenVINO where it is installed.

    Raises:
        ConfigError: no such engine, or OpenVINO asked for by name and not installed.
    """
    if name not in ("auto", "tensorflow", "openvino"):
        raise ConfigError(f"no engine {name!r}; there are auto, tensorflow, openvino")
    installed = find_spec("openvino") is not None
    if name == "openvino" and not installed:
        raise ConfigError("the OpenVINO engine is not installed: pip install openvino, or use --engine tensorflow")
    return "openvino" if installed and name != "tensorflow" else "tensorflow"


class TensorFlowEngine:
    """Runs a Keras model through one compiled function, whatever the batch size."""

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        signature = [tf.TensorSpec([None, *model.input.shape[1:]], tf.float32)]
        self._run = tf.function(lambda images: model(images, training=False), input_signature=signature)

    def __call__(self, images: NDArray[Any]) -> list[Floats]:
        outputs = self._run(images.astype(np.float32, copy=False))
        return [np.asarray(output) for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]


class OpenVINOEngine:
    """Runs an exported graph one image at a time, which on a CPU is faster than batches: they spill its cache.

    Args:
        graph: an OpenVINO `.xml` file with its `.bin` beside it.
        precision: "float32", or "bfloat16": about twice as fast where the processor has it, at a cost in accuracy.
    """

    def __init__(self, graph: Path, precision: Precision = "float32") -> None:
        import openvino

        hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
        model = openvino.Core().read_model(graph)
        shape = model.input(0).partial_shape
        shape[0] = 1
        model.reshape(shape)
        self._compiled = openvino.compile_model(
            model, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        )
        # One request is reused: it owns its buffers, so two threads must take turns.
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()

    def __call__(self, images: NDArray[Any]) -> list[Floats]:
        outputs = [np.empty((len(images), *port.shape[1:]), np.float32) for port in self._compiled.outputs]
        with self._lock:
            for i, image in enumerate(images):
                self._request.infer({0: image[None].astype(np.float32)})
                for j, output in enumerate(outputs):
                    output[i] = self._request.get_output_tensor(j).data[0]
        return outputs


def exported_graph(key: str, build: Callable[[], Any]) -> Path:
    """The cached OpenVINO graph called `key`; exported from the Keras model that `build` returns when there is none.

    `key` must stand for the network and its weights by content, as nothing else is compared.
    """
    folder = cache_folder("graphs") / f"v{GRAPH_VERSION}-{key}"
    graph = folder / "model.xml"
    if not graph.is_file():
        export_graph(build(), folder)
    return graph


def export_graph(model: Any, folder: Path) -> Path:
    """Write `model` as an OpenVINO graph, `model.xml` and `model.bin`, into `folder`; returns the `.xml`.

    The `.bin` is put in place first, so a graph whose `.xml` exists is whole.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "model.xml"
        model.export(str(made), format="openvino", verbose=False)
        write_bytes(folder / "model.bin", made.with_suffix(".bin").read_bytes())
        write_bytes(folder / "model.xml", made.read_bytes())
    return folder / "model.xml"
