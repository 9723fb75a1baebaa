"""One picture from the shell to its verdict, against `import tensorflow`; and many pictures, against the bare engine.

    python experiments/benchmarks/detect_speed.py DATA

Every pair is measured in turn, so what disturbs the machine disturbs both. The first run of each is not counted: it
fills the system's file cache. A verdict must not import TensorFlow, which Python itself is asked (`-X importtime`).
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from search_common import RESULTS, median, record

from fakeimg.data.dataset import Dataset
from fakeimg.hub.pull import load
from fakeimg.models.detector import Detector

DETECT = [str(Path(sys.executable).with_name("fakeimg")), "detect"]
TENSORFLOW = [sys.executable, "-c", "import tensorflow"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled images: class folders or a manifest")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    dataset = Dataset.open(options.data)
    dataset = dataset.take(np.linspace(0, len(dataset) - 1, min(options.images, len(dataset))).astype(int))
    picture = str(dataset.paths[0])

    shell: dict[str, list[float]] = {"detect": [], "import_tensorflow": []}
    for turn in range(options.rounds + 1):
        for name, command in (("detect", [*DETECT, picture]), ("import_tensorflow", TENSORFLOW)):
            seconds = elapsed(command)
            if turn:
                shell[name].append(seconds)

    detector = load("bundled")
    images = decoded(detector, dataset)
    engine = detector.engine()
    rates: dict[str, list[float]] = {"detect": [], "bare_engine": []}
    for turn in range(4):
        started = time.perf_counter()
        for start in range(0, len(images), 32):
            engine(images[start : start + 32])
        bare = len(images) / (time.perf_counter() - started)
        started = time.perf_counter()
        found = detector.predict(dataset.paths)
        whole = len(images) / (time.perf_counter() - started)
        if found.failed:
            raise SystemExit(f"{found.failed} images cannot be read")
        if turn:
            rates["bare_engine"].append(bare)
            rates["detect"].append(whole)

    record(
        "detect_speed",
        options.out,
        {
            "seconds": {name: [round(value, 3) for value in values] for name, values in shell.items()},
            "detect_over_import_tensorflow": round(median(shell["detect"]) / median(shell["import_tensorflow"]), 3),
            "tensorflow_imported": imports_tensorflow(picture),
            "images": len(images),
            "images_per_second": {name: [round(value, 1) for value in values] for name, values in rates.items()},
            "detect_over_bare_engine": median(
                [a / b for a, b in zip(rates["detect"], rates["bare_engine"], strict=True)]
            ),
        },
    )


def elapsed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def imports_tensorflow(picture: str) -> bool:
    run = [sys.executable, "-X", "importtime", *DETECT, picture]
    return "| tensorflow" in subprocess.run(run, check=True, capture_output=True, text=True).stderr


def decoded(detector: Detector, dataset: Dataset) -> np.ndarray:
    """All images as the network gets them, uint8 (n, h, w, 3)."""
    from fakeimg.data.images import read_batches

    images = np.empty((len(dataset), *detector.image_size, 3), np.uint8)
    for rows, batch, errors in read_batches(
        dataset.paths, detector.image_size, framing=detector.spec.architecture.framing
    ):
        if errors:
            raise SystemExit(f"cannot be read: {errors}")
        images[rows] = batch
    return images


if __name__ == "__main__":
    main()
