"""What a head costs: 135 against 9 at a time, and against one Keras `fit` a head, on the same cached features.

Keras' accuracy is compared too: the same initial weights, other batches and dropout masks, 1,000 validation images.
Features are float32 (n, 1280) from the images given, or made by code; every head is 256-128-64, trained 10 epochs.
"""

import time
from typing import Any

import numpy as np
from search_common import NO_AUGMENTATION, arguments, grid, median, network, record

from fakeimg.data.dataset import Dataset
from fakeimg.models.features import trunk_features, trunk_identity
from fakeimg.models.network import Architecture, head_of
from fakeimg.training.head_weights import initial_weights, layer_widths
from fakeimg.training.stacked import HeadRun, train_heads


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, help="this many images, evenly taken; at least 2,031")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    experiment = grid("duke_mobilenet_v2_grid", options.weights, **NO_AUGMENTATION)
    dataset = Dataset.open(options.data)
    if options.images:
        dataset = dataset.take(np.linspace(0, len(dataset) - 1, options.images).astype(int))
    architecture = Architecture.of(experiment)
    identity = trunk_identity(experiment.backbone, experiment.weights, 0)
    features = trunk_features(lambda: network(experiment), architecture, dataset, trunk_sha256=identity)
    values, labels = features.values[0], dataset.labels
    order = np.random.default_rng(0).permutation(len(dataset))
    validation, rest = order[:1000], order[1000:]
    cells = [
        (rate, dropout)
        for rate in experiment.grid["train.learning_rate"]
        for dropout in experiment.grid["head.dropout"]
    ]

    def heads(rows: np.ndarray, validating: np.ndarray, seeds: int) -> list[HeadRun]:
        return [
            HeadRun(
                experiment.head.model_copy(update={"dropout": dropout}),
                experiment.train.model_copy(update={"learning_rate": rate}),
                seed,
                rows,
                np.ones(len(rows), np.float32),
                validating,
                (experiment.train.epochs,),
            )
            for seed in range(seeds)
            for rate, dropout in cells
        ]

    few = rest[:1031]
    dict(train_heads(heads(few[:64], validation[:64], 1), (values,), values, labels))  # compiles the kernel
    times: dict[str, list[float]] = {"9": [], "135": [], "keras_fit": []}
    for _ in range(options.rounds):
        for name, seeds in (("9", 1), ("135", 15)):
            runs = heads(few, validation[:129], seeds)
            started = time.perf_counter()
            dict(train_heads(runs, (values,), values, labels))
            times[name].append((time.perf_counter() - started) / len(runs))
        started = time.perf_counter()
        keras_fit(experiment, heads(few, validation[:129], 1)[0], values, labels)
        times["keras_fit"].append(time.perf_counter() - started)
    training = rest
    ours = dict(train_heads(heads(training, validation, 1), (values,), values, labels))
    rows = []
    for number, run in enumerate(heads(training, validation, 1)):
        expected = keras_fit(experiment, run, values, labels)
        result = ours[number][0]  # type: ignore[index]
        mine = result.history[result.best_epoch - 1]["val_accuracy"]
        rows.append({"cell": list(cells[number]), "keras": expected, "fakeimg": mine, "difference": mine - expected})
    record(
        "search_heads",
        options.out,
        {
            "rows": len(few),
            "epochs": experiment.train.epochs,
            "seconds_per_head": {name: [round(value, 4) for value in found] for name, found in times.items()},
            "135_over_9": median([a / b for a, b in zip(times["135"], times["9"], strict=True)]),
            "keras_fit_over_135": median([a / b for a, b in zip(times["keras_fit"], times["135"], strict=True)]),
            "agreement": {
                "training": len(training),
                "validation": len(validation),
                "largest_difference": max(abs(row["difference"]) for row in rows),
                "cells": rows,
            },
        },
    )


def keras_fit(experiment: Any, run: HeadRun, values: np.ndarray, labels: np.ndarray) -> float:
    """The validation accuracy of the epoch of the least validation loss, as fakeimg keeps it."""
    import keras

    architecture = Architecture.of(experiment.with_values({"head.dropout": run.head.dropout}))
    from fakeimg.models.network import build_network

    head = head_of(build_network(architecture, seed=run.seed), pooled=True)
    head.set_weights(initial_weights(layer_widths(run.head, values.shape[1], 2), run.seed))
    head.compile(
        keras.optimizers.Adam(run.train.learning_rate),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
    )
    target = labels.astype(np.float32)[:, None]
    history = head.fit(
        values[run.rows],
        target[run.rows],
        validation_data=(values[run.validation], target[run.validation]),
        batch_size=run.train.batch_size,
        epochs=max(run.stops),
        verbose=0,
    ).history
    # Keras adds the same penalty to every epoch's validation loss as its weights have, so the least one is compared.
    return float(history["val_accuracy"][int(np.argmin(history["val_loss"]))])


if __name__ == "__main__":
    main()
