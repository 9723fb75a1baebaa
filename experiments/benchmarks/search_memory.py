"""Memory and time of a search on 20,000 and 200,000 cached features of 1,280 numbers, made by code.

The whole search runs, in a process of its own for each size: data set, hashes, feature store, heads, tables. The image
files hold a few bytes each, as their features are in the cache already and nothing opens them as pictures.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from search_common import RESULTS, record

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.models.feature_store import SHARD_ROWS, FeatureStore
from fakeimg.models.features import trunk_identity
from fakeimg.training.search import search

EXPERIMENT = Experiment.parse(
    {
        "backbone": "mobilenet_v2",
        "head": {"units": [256, 128, 64], "dropout": 0.1},
        "train": {"epochs": 2, "batch_size": 32},
        "split": {"train": 0.8, "validation": 0.2, "test": 0.0},
        "grid": {"train.learning_rate": [1e-4, 1e-3, 1e-2]},
    }
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    rows = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.environ["FAKEIMG_CACHE"] = str(folder / "cache")
            make(folder, size)
            measured = subprocess.run(
                [sys.executable, __file__, "--measure", folder], check=True, stdout=subprocess.PIPE, text=True
            )
            seconds, heads, megabytes = map(float, measured.stdout.split()[-3:])
            rows[str(size)] = {
                "seconds": seconds,
                "microseconds_per_row": round(seconds / size * 1e6, 2),
                "microseconds_per_row_of_heads": round(heads / size * 1e6, 2),
                "largest_resident_megabytes": megabytes,
            }
    per_row = [row["microseconds_per_row"] for row in rows.values()]
    record("search_memory", options.out, {"sizes": rows, "per_row_last_over_first": round(per_row[-1] / per_row[0], 3)})


def make(folder: Path, size: int) -> None:
    """A manifest, image files that hold their number, and their features in the store."""
    (folder / "images").mkdir()
    paths = [f"images/{i:06d}.png" for i in range(size)]
    for i, path in enumerate(paths):
        (folder / path).write_bytes(b"%d" % i)
    labels = np.arange(size) % 2
    frame = pd.DataFrame({"path": paths, "label": np.array(["real", "fake"])[labels]})
    frame.to_csv(folder / "manifest.csv", index=False)
    time.sleep(3)  # so that the hashes of the files are settled, as those of any collection are
    hashes = Dataset.open(folder / "manifest.csv").content_hashes()
    store = FeatureStore(
        {
            "trunk": trunk_identity("mobilenet_v2", "none", 0),
            "backbone": "mobilenet_v2",
            "image_size": [180, 180],
            "pooled": True,
            "engine": "openvino",
            "framing": "stretch",
            "truncated": "refuse",
            "view": None,
        }
    )
    label_of = dict(zip(hashes, labels, strict=True))
    random = np.random.default_rng(0)
    ordered = sorted(label_of)
    for start in range(0, size, SHARD_ROWS):
        images = ordered[start : start + SHARD_ROWS]
        values = random.standard_normal((len(images), 1280), dtype=np.float32)
        values[:, :20] += 0.5 * np.array([label_of[image] for image in images])[:, None]
        store.write(images, values, {})


def measure(folder: Path) -> None:
    warm_up = np.arange(64)
    dataset = Dataset.open(folder / "manifest.csv")
    search(EXPERIMENT, dataset.take(warm_up))  # loads the compiled kernel
    started = time.perf_counter()
    result = search(EXPERIMENT, folder / "manifest.csv", out=folder / "out")
    seconds = time.perf_counter() - started
    if (result.frame["status"] != "ok").any() or "tensorflow" in sys.modules:
        raise SystemExit(str(result.frame))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(round(seconds, 3), round(float(result.runs["seconds"].sum()) / (os.cpu_count() or 1), 3), round(resident))


if __name__ == "__main__":
    main()
