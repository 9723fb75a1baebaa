"""What the benchmarks of the search share: the two systems' grids, stock Keras, and how a figure is written down."""

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.images import read_batches
from fakeimg.files import write_json
from fakeimg.models.backbones import load_weights
from fakeimg.models.network import Architecture, build_network, set_trainable, trunk_of

EXPERIMENTS = Path(__file__).resolve().parents[1]
RESULTS = EXPERIMENTS / "results" / "benchmarks"
NO_AUGMENTATION = {"augment.flip": 0.0, "augment.rotation": 0.0, "augment.zoom": 0.0, "augment.views": 1}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with the images and the weights that every benchmark of the search takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled images: class folders or a manifest")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, or a weights file of MobileNetV2")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the result")
    return parser


def grid(name: str, weights: str, **changes: Any) -> Experiment:
    """An experiment of this folder, with other weights."""
    return Experiment.read(EXPERIMENTS / f"{name}.toml").with_values({"weights": weights, **changes})


@contextmanager
def empty_cache() -> Iterator[Path]:
    """Run with a cache of its own, empty at first."""
    before = os.environ.get("FAKEIMG_CACHE")
    folder = tempfile.mkdtemp(prefix="fakeimg-bench-")
    os.environ["FAKEIMG_CACHE"] = folder
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if before is None:
            del os.environ["FAKEIMG_CACHE"]
        else:
            os.environ["FAKEIMG_CACHE"] = before


def pictures(dataset: Dataset, experiment: Experiment) -> np.ndarray:
    """All images decoded, uint8 (n, h, w, 3)."""
    images = np.empty((len(dataset), *experiment.image_size, 3), np.uint8)
    for rows, batch, errors in read_batches(dataset.paths, experiment.image_size):
        if errors:
            raise SystemExit(f"cannot be read: {errors}")
        images[rows] = batch
    return images


def network(experiment: Experiment) -> Any:
    """The Keras model, its trunk frozen and with its weights."""
    model = build_network(Architecture.of(experiment), seed=experiment.seed)
    load_weights(trunk_of(model), experiment.backbone, experiment.weights)
    set_trainable(model, "head")
    return model


def stock_epoch(
    experiment: Experiment, images: np.ndarray, labels: np.ndarray, training: np.ndarray, validation: np.ndarray
) -> list[float]:
    """Seconds of two epochs of plain `model.fit` on decoded images: the loop that every Keras tutorial shows."""
    import keras
    import tensorflow as tf

    model = network(experiment)
    model.compile(
        keras.optimizers.Adam(experiment.train.learning_rate),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def batches(rows: np.ndarray) -> Any:
        data = tf.data.Dataset.from_tensor_slices((images[rows], labels[rows].astype(np.float32)[:, None]))
        return data.batch(experiment.train.batch_size).prefetch(2)

    marks = [time.perf_counter()]
    mark = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: marks.append(time.perf_counter()))
    model.fit(batches(training), validation_data=batches(validation), epochs=2, verbose=0, callbacks=[mark])
    return [b - a for a, b in pairwise(marks)]


def median(values: list[float]) -> float:
    """The median, to four digits."""
    return float(f"{statistics.median(values):.4g}")


def record(name: str, out: Path, content: dict[str, Any]) -> None:
    """Print a result and write it, with the machine and the versions, to `out/NAME.json`."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    machine = {
        "processor": model,
        "processors": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        **{package: version(package) for package in ("tensorflow", "keras", "openvino", "numba", "numpy", "fakeimg")},
    }
    result = {**content, "machine": machine}
    write_json(out / f"{name}.json", result)
    print(json.dumps(content, indent=2))
