"""Asking again: other learning rates on warm features open no image, and a finished search answers at once.

The images opened are counted by the interpreter's own audit of `open`.
"""

import sys
import tempfile
import time

from search_common import NO_AUGMENTATION, arguments, empty_cache, grid, record

from fakeimg.data.dataset import Dataset
from fakeimg.training.search import search


def main() -> None:
    options = arguments(__doc__).parse_args()
    experiment = grid("duke_mobilenet_v2_grid", options.weights, **NO_AUGMENTATION)
    dataset = Dataset.open(options.data)
    opened: list[str] = []
    root = str(dataset.root)

    def audit(event: str, values: tuple[object, ...]) -> None:
        if event == "open" and str(values[0]).startswith(root) and not str(values[0]).endswith(".csv"):
            opened.append(str(values[0]))

    sys.addaudithook(audit)

    def timed(what: object, out: str | None = None) -> dict[str, float | int]:
        opened.clear()
        started = time.perf_counter()
        result = search(what, options.data, out=out)  # type: ignore[arg-type]
        seconds = time.perf_counter() - started
        heads = float(result.runs["seconds"].sum())
        return {"seconds": round(seconds, 2), "thread_seconds_of_heads": round(heads, 2), "images_opened": len(opened)}

    other = experiment.with_values({"grid": {**experiment.grid, "train.learning_rate": [2e-4, 3e-4, 2e-3]}})
    with empty_cache(), tempfile.TemporaryDirectory() as out:
        rows = {
            "cold": timed(experiment, out),
            "the same, finished": timed(experiment, out),
            "other learning rates, warm features": timed(other),
        }
    record("search_warm", options.out, {"images": len(dataset), "cells": 9, **rows})


if __name__ == "__main__":
    main()
