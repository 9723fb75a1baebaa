"""The training loop: epochs that depend on (seed, epoch) alone, so a run stopped anywhere ends as if never stopped."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.errors import ModelError
from fakeimg.files import replacing
from fakeimg.models.engines import Engine, TensorFlowEngine
from fakeimg.progress import Advance
from fakeimg.training.averaging import WeightAverage

Floats = NDArray[np.float32]
Inputs = Callable[[NDArray[np.int64], int], Floats]


@dataclass(frozen=True)
class Examples:
    """n labelled examples.

    Attributes:
        inputs: (row numbers (k,), view) to what the model is fed, float32 (k, …); every view is changed by chance anew.
        labels: (n,) class indices.
        weights: (n,) weights of the loss.
        draw: (n,) probabilities with which an epoch's n rows are drawn, with replacement; each row once when None.
        edited: (row numbers (k,), view) to (k,) which photographs were edited into fakes; none when None.
    """

    inputs: Inputs
    labels: NDArray[np.int64]
    weights: Floats
    draw: NDArray[np.float64] | None = None
    edited: Callable[[NDArray[np.int64], int], NDArray[np.bool_]] | None = None

    def targets(self, rows: NDArray[np.int64], view: int) -> NDArray[np.int64]:
        """(k,) what the network should say of `rows` in this view: their labels, but of an edited photograph, fake."""
        labels = self.labels[rows]
        return labels if self.edited is None else np.where(self.edited(rows, view), 1, labels)

    def batch(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
        """Inputs (k, …) and targets (k,) of `rows`, each in its own view."""
        parts = {int(view): np.flatnonzero(views == view) for view in np.unique(views)}
        order = np.argsort(np.concatenate(list(parts.values())))
        inputs = np.concatenate([self.inputs(rows[places], view) for view, places in parts.items()])
        targets = np.concatenate([self.targets(rows[places], view) for view, places in parts.items()])
        return inputs[order], targets[order]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Progress:
    """How far a fit is, the best weights so far, and the running average of the weights where one is kept."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: list[NDArray[Any]] = field(default_factory=list)
    average: WeightAverage | None = None

    def stopped(self, experiment: Experiment) -> bool:
        """Whether all epochs are done or `patience` epochs have passed without a better one."""
        done = len(self.history)
        patience = experiment.train.patience
        return done >= experiment.train.epochs or (patience is not None and done - self.best_epoch >= patience)


def compile_model(model: Any, experiment: Experiment) -> None:
    """Give `model` the experiment's optimizer and loss: cross-entropy on logits."""
    import keras

    train = experiment.train
    if train.optimizer == "adam":
        optimizer = keras.optimizers.Adam(train.learning_rate)
    else:
        optimizer = keras.optimizers.SGD(train.learning_rate, momentum=train.momentum)
    if len(experiment.data.classes) > 2:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    else:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
    # XLA compiles for a minute and then runs convolutions on a CPU more slowly than oneDNN does.
    model.compile(optimizer, loss, metrics=[accuracy], jit_compile=False)
    optimizer.build(model.trainable_variables)


def fit(
    model: Any,
    experiment: Experiment,
    training: Examples,
    validation: Examples | None,
    *,
    whole: Any = None,
    checkpoint: Path | None = None,
    advance: Advance = lambda steps=1, note="": None,
) -> Progress:
    """Train a compiled `model`, keep the best epoch's weights, and leave it with them.

    The order of the images, their augmentation and the dropout masks follow from the experiment's seed and the epoch.
    After every epoch `checkpoint` is replaced; when it exists, training goes on from it.

    Args:
        whole: the model that is validated, where `model` is `at_size(whole, …)` and sees patches of the images.
    Returns:
        The history, one dict an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds.
    """
    progress = _start(model, experiment)
    if checkpoint is not None and checkpoint.exists():
        _restore(model, progress, checkpoint)
    advance(len(progress.history))
    score = TensorFlowEngine(model if whole is None else whole)
    with ThreadPoolExecutor(1) as ahead:  # the next batch is made while the network works on this one
        while not progress.stopped(experiment):
            started = time.perf_counter()
            epoch = len(progress.history)
            row = {"epoch": epoch + 1, **_run_epoch(model, experiment, training, epoch, ahead, progress.average)}
            with progress.average or nullcontext():  # what is validated and kept is the average, where there is one
                if validation is not None:
                    row |= _validate(score, validation)
                row["seconds"] = time.perf_counter() - started
                progress.history.append(row)
                if _is_better(progress, experiment):
                    progress.best_epoch = epoch + 1
                    progress.best_weights = model.get_weights()
            if checkpoint is not None:
                _save(model, progress, checkpoint)
            shown = {key: value for key, value in row.items() if key in ("loss", "val_loss", "val_accuracy")}
            advance(1, "  ".join(f"{key} {value:.3f}" for key, value in shown.items()))
    model.set_weights(progress.best_weights)
    return progress


def predict_logits(score: Engine, examples: Examples, batch_size: int = 64) -> Floats:
    """(n, 1) or (n, k) logits of `examples` at their epoch 0, dropout off."""
    rows = np.arange(len(examples))
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return np.concatenate([score(examples.inputs(batch, 0))[0] for batch in batches])


def cross_entropy(logits: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) negative log-likelihood of the labels, from logits (n, 1) or (n, k)."""
    scores = logits.astype(np.float64)
    if scores.shape[1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    return np.asarray(np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(labels)), labels])


def _run_epoch(
    model: Any,
    experiment: Experiment,
    training: Examples,
    epoch: int,
    ahead: ThreadPoolExecutor,
    average: WeightAverage | None,
) -> dict[str, float]:
    train = experiment.train
    learning_rate = train.learning_rate * train.decay ** (epoch // train.decay_every)
    model.optimizer.learning_rate = learning_rate
    rng = np.random.default_rng((experiment.seed, epoch))
    n = len(training)
    order = rng.permutation(n) if training.draw is None else rng.choice(n, n, p=training.draw)
    # A row that is drawn again is seen as in an epoch after the last one: no epoch holds the same picture twice.
    views = epoch + train.epochs * times_before(order)
    starts = range(0, n, train.batch_size)
    batches = [(order[start : start + train.batch_size], views[start : start + train.batch_size]) for start in starts]
    sums = {"loss": 0.0, "accuracy": 0.0}
    following = ahead.submit(training.batch, *batches[0])
    for i, (batch, _) in enumerate(batches):
        inputs, targets = following.result()
        if i + 1 < len(batches):
            following = ahead.submit(training.batch, *batches[i + 1])
        labels = targets.astype(np.float32)[:, None]
        result = model.train_on_batch(inputs, labels, sample_weight=training.weights[batch], return_dict=True)
        if average is not None:
            average.update()
        for name in sums:  # Keras starts its own means anew in every batch
            sums[name] += float(result[name]) * len(batch)
    if not np.isfinite(sums["loss"]):
        raise ModelError(
            f"the loss is {sums['loss']} after epoch {epoch + 1}: the learning rate {learning_rate:g} is too high"
        )
    return {name: value / n for name, value in sums.items()} | {"learning_rate": learning_rate}


def times_before(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how often each entry of `order` (n,) has occurred before it."""
    places = np.argsort(order, kind="stable")
    ordered = order[places]
    times = np.empty(len(order), np.int64)
    times[places] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return times


def _validate(score: Engine, validation: Examples) -> dict[str, float]:
    logits = predict_logits(score, validation)
    called = logits.argmax(axis=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(np.int64)
    return {
        "val_loss": float(cross_entropy(logits, validation.labels).mean()),
        "val_accuracy": float((called == validation.labels).mean()),
    }


def _is_better(progress: Progress, experiment: Experiment) -> bool:
    latest = progress.history[-1]
    monitor = experiment.train.monitor
    if monitor not in latest or progress.best_epoch == 0:  # without validation the last epoch is kept
        return True
    best = progress.history[progress.best_epoch - 1][monitor]
    return latest[monitor] < best if monitor == "val_loss" else latest[monitor] > best


def _start(model: Any, experiment: Experiment) -> Progress:
    momentum = experiment.train.weight_average
    return Progress(average=WeightAverage(model, momentum) if momentum else None)


def _save(model: Any, progress: Progress, checkpoint: Path) -> None:
    arrays = {f"variable{i}": value.numpy() for i, value in enumerate(_state(model))}
    arrays |= {f"best{i}": value for i, value in enumerate(progress.best_weights)}
    record: dict[str, Any] = {"history": progress.history, "best_epoch": progress.best_epoch}
    if progress.average is not None:
        record["averaged_steps"] = progress.average.steps
        arrays |= {f"average{i}": value for i, value in enumerate(progress.average.values)}
    with replacing(checkpoint) as temporary, temporary.open("wb") as file:
        np.savez(file, record=np.array(json.dumps(record)), allow_pickle=False, **arrays)


def _restore(model: Any, progress: Progress, checkpoint: Path) -> None:
    with np.load(checkpoint, allow_pickle=False) as arrays:
        record = json.loads(str(arrays["record"]))
        for i, variable in enumerate(_state(model)):
            variable.assign(arrays[f"variable{i}"])
        progress.history, progress.best_epoch = record["history"], record["best_epoch"]
        numbers = range(len(model.get_weights()))
        progress.best_weights = [arrays[f"best{i}"] for i in numbers]
        if progress.average is not None:
            progress.average.steps = record["averaged_steps"]
            progress.average.values = [arrays[f"average{i}"] for i in numbers]


def _state(model: Any) -> list[Any]:
    """Every variable that the next epoch depends on: weights, dropout's random states, the optimizer's moments."""
    return [*model.variables, *model.optimizer.variables]
