"""kill -9 at random moments of a cold search, then start it again: the table must be that of a search left alone."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from search_common import NO_AUGMENTATION, arguments, grid, record

from fakeimg.data.dataset import Dataset

PROGRAM = """
import sys
from fakeimg.config import Experiment
from fakeimg.training.search import search
search(Experiment.read(sys.argv[1]), sys.argv[2], out=sys.argv[3])
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    weights = options.weights if not Path(options.weights).is_file() else str(Path(options.weights).absolute())
    experiment = grid("duke_mobilenet_v2_grid", weights, **NO_AUGMENTATION)
    dataset = Dataset.open(options.data)
    dataset = dataset.take(np.linspace(0, len(dataset) - 1, options.images).astype(int))
    moments = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "grid.toml").write_text(experiment.to_toml())
        dataset.write(folder / "manifest.csv")
        started = time.perf_counter()
        expected = finished(folder, "undisturbed")
        whole = time.perf_counter() - started
        rows = []
        for kill in range(options.kills):
            moment = moments.uniform(0.1, whole)
            process = begin(folder, f"killed{kill}")
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.wait()
            shards = len(list((folder / f"killed{kill}-cache").glob("features/*/*.npy")))
            cells = len(list((folder / f"killed{kill}").glob("cells/[!.]*.json")))
            same = finished(folder, f"killed{kill}").equals(expected)
            rows.append({"killed_after": round(moment, 2), "shards": shards, "cells": cells, "same_table": same})
            print(rows[-1], file=sys.stderr)
    same = sum(row["same_table"] for row in rows)
    record("search_kill", options.out, {"seconds_undisturbed": round(whole, 1), "same_table": same, "kills": rows})


def begin(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "FAKEIMG_CACHE": str(folder / f"{name}-cache")}
    command = [sys.executable, "-c", PROGRAM, folder / "grid.toml", folder / "manifest.csv", folder / name]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def finished(folder: Path, name: str) -> pd.DataFrame:
    if begin(folder, name).wait():
        raise SystemExit(f"{name} failed")
    table = pd.read_csv(folder / name / "results.csv").drop(columns="seconds")
    if (table["status"] != "ok").any():
        raise SystemExit(str(table["error"]))
    return table


if __name__ == "__main__":
    main()
