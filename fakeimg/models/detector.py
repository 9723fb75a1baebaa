"""A detector: a network, the point at which it decides, and everything that is known of how it was made."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.images import read_batches, resize
from fakeimg.errors import ConfigError, ImageError
from fakeimg.models.artifact import (
    GRAPH_FILE,
    GUARD_FILE,
    WEIGHTS_FILE,
    DetectorSpec,
    read_spec,
    verify,
    write_artifact,
)
from fakeimg.models.decision import OperatingPoint, calibrated, verdict
from fakeimg.models.domain import DomainGuard
from fakeimg.models.engines import (
    Engine,
    EngineName,
    OpenVINOEngine,
    Precision,
    TensorFlowEngine,
    choose_engine,
    exported_graph,
)
from fakeimg.models.predictions import Predictions
from fakeimg.models.pretrained import Pretrained

if TYPE_CHECKING:
    from fakeimg.data.dataset import Dataset

    Images = Dataset | NDArray[np.uint8] | str | Path | Sequence[str | Path | NDArray[np.uint8]]


class Detector(Pretrained):
    """Scores images.

    Make one with `fakeimg.load` or `fakeimg.train`. The Keras model is built when it is first needed: scoring through
    OpenVINO never imports TensorFlow.
    """

    def __init__(
        self,
        spec: DetectorSpec,
        build: Callable[[], Any],
        weights_sha256: str,
        *,
        name: str,
        guard: DomainGuard | None = None,
        graph: Path | None = None,
    ) -> None:
        """Use `Detector.of` for a Keras model at hand and `Detector.open` for a folder."""
        self.spec = spec
        self.name = name
        self.weights_sha256 = weights_sha256
        self.guard = guard
        self._build = build
        self._graph = graph
        self._engines: dict[tuple[str, str], Engine] = {}

    @classmethod
    def of(
        cls, model: Any, spec: DetectorSpec, *, guard: DomainGuard | None = None, name: str = "unsaved"
    ) -> "Detector":
        """A detector around a Keras model that `build_network` made from `spec.architecture`."""
        digest = hashlib.sha256()
        for weight in model.get_weights():
            digest.update(np.ascontiguousarray(weight).data)
        return cls(spec, lambda: model, digest.hexdigest(), name=name, guard=guard)

    @classmethod
    def open(cls, folder: Path | str, *, name: str | None = None, own_graph: bool = False) -> "Detector":
        """Open a model folder after checking every file of it against `fakeimg.json`.

        Nothing in the folder is executed: the network is rebuilt by fakeimg's own code from names and sizes.

        Args:
            folder: what `save` wrote.
            name: how predictions call the model; the folder when absent.
            own_graph: score with the exported graph that lies in the folder. For the bundled model alone: with a
                stranger's folder the graph is made from the checked weights, so that it cannot be another network.
        Raises:
            ModelError: missing, damaged, changed, or not safe to open.
        """
        root = Path(folder)
        spec = read_spec(root)
        verify(root, spec)
        guard = DomainGuard.read(root / GUARD_FILE) if GUARD_FILE in spec.files else None
        key = spec.files[WEIGHTS_FILE].sha256
        graph = root / GRAPH_FILE if own_graph and GRAPH_FILE in spec.files else None
        return cls(spec, lambda: _rebuild(spec, root), key, name=name or str(folder), guard=guard, graph=graph)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; the first is the photographs'."""
        return self.spec.architecture.class_names

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return self.spec.architecture.image_size

    @property
    def operating_point(self) -> OperatingPoint:
        """The thresholds and the temperature that verdicts are given with."""
        return self.spec.decision

    @cached_property
    def model(self) -> Any:
        """The flat Keras model, from "image" to "logit"."""
        return self._build()

    @cached_property
    def trunk(self) -> Any:
        """The Keras model from the image to the feature map."""
        from fakeimg.models.network import trunk_of

        return trunk_of(self.model)

    @cached_property
    def head(self) -> Any:
        """The Keras model from the feature map to the logit."""
        from fakeimg.models.network import head_of

        return head_of(self.model)

    def engine(self, name: EngineName = "auto", precision: Precision = "float32") -> Engine:
        """What scores: a function from images (n, h, w, 3) to embeddings (n, c) and logits (n, 1) or (n, k)."""
        chosen = choose_engine(name)
        key = (chosen, precision)
        if key not in self._engines:
            from fakeimg.models.network import with_embedding

            if chosen == "tensorflow":
                if precision != "float32":
                    raise ConfigError("the TensorFlow engine scores in float32; bfloat16 needs --engine openvino")
                self._engines[key] = TensorFlowEngine(with_embedding(self.model))
            else:
                graph = self._graph or exported_graph(self._graph_key(), lambda: with_embedding(self.model))
                self._engines[key] = OpenVINOEngine(graph, precision)
        return self._engines[key]

    def trunk_engine(self, name: EngineName = "auto") -> Engine:
        """What runs the trunk: a function from images (n, h, w, 3) to one output, feature maps (n, h', w', c)."""
        key = ("trunk", choose_engine(name))
        if key not in self._engines:
            if key[1] == "tensorflow":
                self._engines[key] = TensorFlowEngine(self.trunk)
            else:
                graph = exported_graph(f"trunk-{self._graph_key()}", lambda: self.trunk)
                self._engines[key] = OpenVINOEngine(graph)
        return self._engines[key]

    def logits(self, images: NDArray[Any], *, engine: EngineName = "auto") -> NDArray[np.float64]:
        """Logits of images that already have the network's size.

        Args:
            images: (n, h, w, 3), RGB, 0 to 255, uint8 or float.
            engine: which engine scores.
        Returns:
            (n,) log-odds of the second class, or (n, k) for k > 2 classes.
        """
        _, logits = self.engine(engine)(images)
        return _squeeze(logits)

    def predict(
        self,
        images: "Images",
        *,
        batch_size: int = 32,
        engine: EngineName = "auto",
        precision: Precision = "float32",
        truncated: Any = "refuse",
    ) -> Predictions:
        """Score images.

        Args:
            images: a path, a list of paths, a `Dataset`, one uint8 RGB array (h, w, 3), a list of those of any sizes,
                or an array (n, h, w, 3).
            batch_size: images decoded together.
            engine: "auto", "tensorflow" or "openvino".
            precision: "float32", or "bfloat16" (OpenVINO): faster, but scores move by about a hundredth.
            truncated: "refuse" lists files that end too early as errors; "tolerate" scores what there is of them.
        Returns:
            One row an image, in order; files that cannot be read are listed with their reason.
        Raises:
            ImageError: an array is not uint8 RGB. A file never raises.
        """
        from fakeimg.data import dataset as dataset_module

        if isinstance(images, dataset_module.Dataset):
            parts = self.stream(
                images.paths, batch_size=batch_size, engine=engine, precision=precision, truncated=truncated
            )
            found = Predictions.concatenate(parts)
            return found.with_columns(images.frame)
        listed = _as_list(images)
        if not listed:
            raise ImageError("no images were given")
        if all(isinstance(item, str | Path) for item in listed):
            parts = self.stream(listed, batch_size=batch_size, engine=engine, precision=precision, truncated=truncated)
            return Predictions.concatenate(parts)
        return Predictions.concatenate(self._predict_arrays(listed, batch_size, self.engine(engine, precision)))

    def stream(
        self,
        paths: Iterable[str | Path],
        *,
        batch_size: int = 32,
        engine: EngineName = "auto",
        precision: Precision = "float32",
        truncated: Any = "refuse",
    ) -> Iterator[Predictions]:
        """Score files batch by batch, in order, with flat memory; decoding overlaps with the network."""
        listed = list(paths)
        score = self.engine(engine, precision)
        batches = read_batches(
            listed, self.image_size, framing=self.spec.architecture.framing, batch_size=batch_size, truncated=truncated
        )
        for indices, images, errors in batches:
            scored = dict(zip(indices.tolist(), range(len(indices)), strict=True))
            members = sorted([*scored, *errors])
            embeddings, logits = score(images)
            yield self._predictions(
                [str(listed[i]) for i in members],
                [str(errors[i]) if i in errors else None for i in members],
                np.array([scored.get(i, -1) for i in members]),
                embeddings,
                logits,
            )

    def save(self, folder: Path | str) -> "Detector":
        """Write a model folder and return the detector that it now holds.

        Raises:
            OSError: the disk is full, or the folder cannot be written; an older model in it stays as it was
                until its own file is replaced.
        """
        root = Path(folder)
        guard = self.guard.to_arrays() if self.guard is not None else None
        write_artifact(root, self.spec, self.model, guard, self.describe())
        return Detector.open(root)

    def describe(self) -> str:
        """A short model card; `fakeimg.hub.card` writes the full one."""
        shape = " x ".join(map(str, self.image_size))
        return f"# {self.name}\n\n{self.spec.architecture.backbone} at {shape}, made with fakeimg.\n"

    def __repr__(self) -> str:
        height, width = self.image_size
        backbone = self.spec.architecture.backbone
        return f"Detector({self.name!r}, {backbone}, {height}x{width}, {'/'.join(self.class_names)})"

    def _predict_arrays(self, images: Sequence[Any], batch_size: int, score: Engine) -> Iterator[Predictions]:
        for start in range(0, len(images), batch_size):
            batch = np.stack(
                [
                    resize(_checked(image), self.image_size, self.spec.architecture.framing)
                    for image in images[start : start + batch_size]
                ]
            )
            embeddings, logits = score(batch)
            yield self._predictions([""] * len(batch), [None] * len(batch), np.arange(len(batch)), embeddings, logits)

    def _predictions(
        self,
        paths: list[str],
        reasons: list[str | None],
        rows: NDArray[Any],
        embeddings: NDArray[Any],
        logits: NDArray[Any],
    ) -> Predictions:
        """`rows[i]` is the row of image i among those scored, or -1."""
        read = rows >= 0
        point = self.operating_point
        outside = self.guard.is_outside(embeddings) if self.guard is not None and len(embeddings) else None
        probabilities = _probabilities(logits, point.temperature)
        scores = 1.0 - probabilities[:, 0] if probabilities.shape[1] > 2 else probabilities[:, 1]
        calls = verdict(scores, point, outside)
        return Predictions(
            paths=tuple(paths),
            reasons=tuple(reasons),
            logits=_squeeze(_spread(logits.astype(np.float64), rows)),
            probabilities=_spread(probabilities, rows),
            verdicts=tuple(str(calls[row]) if ok else None for row, ok in zip(rows, read, strict=True)),
            embeddings=_spread(embeddings, rows),
            class_names=self.class_names,
            thresholds=(point.threshold_fake, point.threshold_real),
            model=self.name,
            model_sha256=self.weights_sha256,
        )

    def _graph_key(self) -> str:
        architecture = self.spec.architecture.model_dump_json()
        return hashlib.sha256(f"{architecture}\n{self.weights_sha256}".encode()).hexdigest()


def _rebuild(spec: DetectorSpec, folder: Path) -> Any:
    from fakeimg.models.network import build_network
    from fakeimg.models.weights_file import load_checked, stored_numbers

    file = folder / WEIGHTS_FILE
    model = build_network(spec.architecture, most=stored_numbers(file))
    load_checked(model, file)
    return model


def _as_list(images: Any) -> Sequence[Any]:
    if isinstance(images, str | Path):
        return [images]
    if isinstance(images, np.ndarray) and images.ndim == 3:
        return [images]
    return list(images)


def _checked(image: Any) -> NDArray[np.uint8]:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
        received = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"an image is a uint8 RGB array of shape (h, w, 3), not {received}")
    return image


def _probabilities(logits: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """(n, 1) or (n, k) logits to (n, 2) or (n, k) probabilities."""
    if logits.shape[1] == 1:
        positive = calibrated(logits[:, 0], temperature)
        return np.stack([1.0 - positive, positive], axis=1)
    scaled = logits.astype(np.float64) / temperature
    exponents = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
    normalised: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return normalised


def _squeeze(logits: NDArray[Any]) -> NDArray[np.float64]:
    return logits[:, 0].astype(np.float64) if logits.shape[1] == 1 else logits.astype(np.float64)


def _spread(values: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """Row `rows[i]` of `values` at place i; NaN where there is none."""
    spread = np.full((len(rows), *values.shape[1:]), np.nan, values.dtype)
    spread[rows >= 0] = values[rows[rows >= 0]]
    return spread
