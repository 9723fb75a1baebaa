"""What a frozen trunk says of images: it runs once an image, weights, preprocessing and view, and that is kept."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Augment, Truncated
from fakeimg.data.augment import augment_batch
from fakeimg.data.images import decode, read_batches
from fakeimg.errors import ImageError
from fakeimg.files import sha256
from fakeimg.models.artifact import WEIGHTS_FILE
from fakeimg.models.backbones import BUNDLED
from fakeimg.models.engines import (
    Engine,
    EngineName,
    OpenVINOEngine,
    TensorFlowEngine,
    choose_engine,
    exported_graph,
)
from fakeimg.models.feature_store import SHARD_ROWS, FeatureStore, digest
from fakeimg.models.network import FEATURE_MAP, POOL, Architecture

if TYPE_CHECKING:
    from fakeimg.data.dataset import Dataset

BATCH = 32


@dataclass(frozen=True)
class TrunkFeatures:
    """The features of a data set's images.

    Attributes:
        values: one read-only memory-mapped array a view, float32: pooled (n, c), or whole maps (n, h', w', c).
        errors: images that could not be read, by row, and why; their features are NaN.
    """

    values: tuple[NDArray[np.float32], ...]
    errors: dict[int, str]


def trunk_features(
    model: Any,
    architecture: Architecture,
    dataset: "Dataset",
    *,
    trunk_sha256: str | None = None,
    augment: Augment | None = None,
    views: int = 1,
    seed: int = 0,
    truncated: Truncated = "refuse",
    engine: EngineName = "auto",
    pooled: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> TrunkFeatures:
    """The trunk's features of every image, from the cache where it has them.

    What is missing is computed in shards of 512 images, each kept as soon as it is done: a run that was interrupted
    goes on with the first missing shard, and processes that share the cache divide the shards between them.

    Args:
        model: the flat Keras model of `build_network`, or a function without arguments that builds it, which is called
            only when something is missing.
        architecture: what `model` was built from; its head plays no part.
        dataset: the images; only these are opened, and none whose features are cached and whose file is unchanged.
        trunk_sha256: what stands for the trunk's weights (`trunk_identity`); needed when `model` is a function.
        augment: change the images of every view, view v as in epoch v (`augmentation_index` is the images' index).
            None, or one with nothing switched on: the plain images, once.
        views: how many variants of each image.
        seed: of the augmentation.
        truncated: "tolerate" takes what there is of files that end too early.
        engine: "openvino" and "tensorflow" agree to about 1e-3 and are cached apart.
        pooled: the spatial average of each feature map; else whole maps.
        progress: called with (images done, images to do), over all views, when something has to be computed.
    Raises:
        ConfigError: no such engine, or one that is not installed.
    """
    hashes = dataset.content_hashes()
    rows = [row for row, image in enumerate(hashes) if image is not None]
    images = [image for image in hashes if image is not None]
    errors = {row: _reason(dataset.paths[row], truncated) for row in set(range(len(hashes))) - set(rows)}
    build = model if trunk_sha256 is not None and not hasattr(model, "layers") else lambda: model
    trunk = trunk_sha256 or _weights_digest(build())
    engine = choose_engine(engine)
    shared: dict[str, Any] = {
        "trunk": trunk,
        "backbone": architecture.backbone,
        "image_size": list(architecture.image_size),
        "pooled": pooled,
        "engine": engine,
    }
    plain = augment is None or not augment.active
    changes: list[dict[str, Any] | None] = [None]
    if augment is not None and augment.active:
        strengths = augment.model_dump(mode="json", exclude={"views"})
        changes = [{"augment": strengths, "seed": seed, "view": view} for view in range(views)]
    stores = [
        FeatureStore({**shared, "framing": architecture.framing, "truncated": truncated, "view": change})
        for change in changes
    ]
    extraction = _Extraction(
        dict(zip(images, (dataset.paths[row] for row in rows), strict=True)),
        architecture,
        truncated,
        lambda: _engine(engine, build, digest(shared), pooled),
        None if plain else augment,
        seed,
    )
    extraction.total = sum(len(store.missing(images)) for store in stores)
    values = []
    for view, store in enumerate(stores):
        features, reasons = _complete(store, images, partial(extraction.run, view=view, progress=progress))
        errors.update({row: reasons[image] for row, image in zip(rows, images, strict=True) if image in reasons})
        values.append(features if len(rows) == len(hashes) else _spread(features, rows, len(hashes)))
    return TrunkFeatures(tuple(values), dict(sorted(errors.items())))


def trunk_identity(backbone: str, weights: str, seed: int) -> str:
    """What stands for a trunk's weights without building it, for `trunk_features`.

    Args:
        backbone: its name.
        weights: as in the experiment; a file counts by its content.
        seed: decides random weights.
    """
    file = BUNDLED / WEIGHTS_FILE if backbone == "bundled" else Path(weights)
    stands_for: Any = ["random", seed] if weights == "none" else weights
    if file.is_file():
        stands_for = sha256(file)
    versions = {name: version(name) for name in ("fakeimg", "keras")}
    return digest({"backbone": backbone, "weights": stands_for, **versions})


def augmentation_index(image_sha256: str) -> int:
    """The index that decides an image's augmentation: its content, so that neither order nor split plays a part."""
    return int(image_sha256[:15], 16)


class _Extraction:
    """Runs the trunk over images, starting its engine when the first is needed."""

    def __init__(
        self,
        paths: dict[str, Path],
        architecture: Architecture,
        truncated: Truncated,
        start: Callable[[], Engine],
        augment: Augment | None,
        seed: int,
    ) -> None:
        self.paths, self.architecture, self.truncated = paths, architecture, truncated
        self.start, self.augment, self.seed = start, augment, seed
        self.engine: Engine | None = None
        self.done = self.total = 0

    def run(
        self, images: list[str], view: int, progress: Callable[[int, int], None] | None
    ) -> tuple[NDArray[np.float32], dict[str, str]]:
        """Features of the images with these hashes, and why some have none."""
        if self.engine is None:
            self.engine = self.start()
        values: NDArray[np.float32] | None = None
        errors: dict[str, str] = {}
        batches = read_batches(
            [self.paths[image] for image in images],
            self.architecture.image_size,
            framing=self.architecture.framing,
            batch_size=BATCH,
            truncated=self.truncated,
        )
        for places, pixels, unread in batches:
            errors.update({images[place]: str(error) for place, error in unread.items()})
            if self.augment is not None:
                indices = [augmentation_index(images[place]) for place in places]
                pixels = augment_batch(pixels, self.augment, self.seed, indices, view)
            features = self.engine(pixels)[0]
            if values is None:
                values = np.full((len(images), *features.shape[1:]), np.nan, np.float32)
            values[places] = features
            self.done += len(places) + len(unread)
            if progress is not None:
                progress(min(self.done, self.total), self.total)
        return np.empty((len(images), 0), np.float32) if values is None else values, errors


def _complete(
    store: FeatureStore,
    images: list[str],
    extract: Callable[[list[str]], tuple[NDArray[np.float32], dict[str, str]]],
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Rows of all `images`; those that no shard holds are extracted first."""
    while True:
        values, errors, absent = store.gather(images)
        if not absent:
            return values, errors
        chunks = [absent[start : start + SHARD_ROWS] for start in range(0, len(absent), SHARD_ROWS)]
        busy = [chunk for chunk in chunks if not _extract_shard(store, chunk, extract, wait=False)]
        for chunk in busy:  # another process is at work on these; should it die, its lock goes with it
            _extract_shard(store, chunk, extract, wait=True)


def _extract_shard(
    store: FeatureStore,
    images: list[str],
    extract: Callable[[list[str]], tuple[NDArray[np.float32], dict[str, str]]],
    *,
    wait: bool,
) -> bool:
    """Make sure that the shard exists; False when another process is making it."""
    from filelock import Timeout

    with ExitStack() as stack:
        try:
            stack.enter_context(store.lock(images).acquire(timeout=-1 if wait else 0))
        except Timeout:
            return False
        if not store.has_shard(images):
            store.write(images, *extract(images))
    return True


def _engine(name: EngineName, build: Callable[[], Any], key: str, pooled: bool) -> Engine:
    def trunk() -> Any:
        import keras

        model = build()
        return keras.Model(model.input, model.get_layer(POOL if pooled else FEATURE_MAP).output, name="trunk")

    return TensorFlowEngine(trunk()) if name == "tensorflow" else OpenVINOEngine(exported_graph(key, trunk))


def _weights_digest(model: Any) -> str:
    from fakeimg.models.network import trunk_of

    content = hashlib.sha256()
    for weight in trunk_of(model).get_weights():
        content.update(np.ascontiguousarray(weight).data)
    return content.hexdigest()


def _spread(values: NDArray[np.float32], rows: list[int], n: int) -> NDArray[np.float32]:
    spread = np.full((n, *values.shape[1:]), np.nan, np.float32)
    spread[rows] = values
    spread.flags.writeable = False
    return spread


def _reason(path: Path, truncated: Truncated) -> str:
    try:
        decode(path, truncated=truncated)
    except ImageError as error:
        return str(error)
    return f"{path} could not be read"
