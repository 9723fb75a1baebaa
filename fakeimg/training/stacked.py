"""Many heads on the same cached features, trained side by side: the price of a grid is the arithmetic of its heads.

Every head is trained by one thread, as many at a time as there are processors, each with its own learning rate,
dropout, penalty, rows, weights of the loss and seed; folds and repeats are heads like any other. A head's result is
that of the same head trained alone: neither the others nor the number of threads play a part.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Head, Train
from fakeimg.errors import FakeimgError, ModelError
from fakeimg.training.fitting import cross_entropy
from fakeimg.training.head_weights import initial_weights, layer_places, layer_widths, unpack

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

# Threads look up from the compiled loop after so many steps, to see whether they should stop.
_STEPS_AT_A_TIME = 512


@dataclass(frozen=True)
class HeadRun:
    """One head to train.

    Attributes:
        head: its layers.
        train: how it is trained; of its epochs, `stops` decide.
        seed: of the initial weights, the order of the rows and dropout.
        rows: (k,) rows of the features to train on.
        weights: (k,) weights of the loss.
        validation: (v,) rows that choose the best epoch.
        stops: numbers of epochs to report a result for; a shorter run is a prefix of the longest.
        draw: (k,) probabilities with which an epoch's k rows are drawn, with replacement; each row once when None.
    """

    head: Head
    train: Train
    seed: int
    rows: Integers
    weights: Floats
    validation: Integers
    stops: tuple[int, ...]
    draw: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class HeadResult:
    """What a head is after so many epochs.

    Attributes:
        epochs: how many it was allowed.
        best_epoch: whose weights were kept, from 1.
        history: a dict an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate.
        logits: (v, 1) or (v, k) of the validation rows, with the kept weights.
        weights: kernel (in, out) and bias (out,) of each dense layer in turn, as Keras orders them.
        seconds: spent on its epochs.
    """

    epochs: int
    best_epoch: int
    history: list[dict[str, float]]
    logits: Floats
    weights: list[Floats]
    seconds: float


def train_heads(
    runs: Sequence[HeadRun],
    views: Sequence[Floats],
    plain: Floats,
    labels: Integers,
    *,
    classes: int = 2,
    threads: int | None = None,
) -> Iterator[tuple[int, list[HeadResult] | FakeimgError]]:
    """Train heads and yield each as it is done.

    Args:
        runs: the heads.
        views: arrays (n, c) of features to train on; epoch e uses view e modulo their number.
        plain: (n, c) features of the unchanged images, for validation.
        labels: (n,) class indices.
        classes: how many there are.
        threads: heads trained at a time; by default one per processor.
    Yields:
        (number of the run, its results in the order of `stops`), or the error that ended it.
    """
    workers = min(threads or os.cpu_count() or 1, len(runs))
    done: Queue[tuple[int, list[HeadResult] | BaseException]] = Queue()
    line = _Line(runs, views, plain, labels, classes, workers, done)
    with _one_thread_each():
        crew = [threading.Thread(target=line.work, daemon=True) for _ in range(workers)]
        for thread in crew:
            thread.start()
        try:
            for _ in runs:
                number, outcome = done.get()
                if isinstance(outcome, BaseException) and not isinstance(outcome, FakeimgError):
                    raise outcome
                yield number, outcome
        finally:
            line.stop = True
            for thread in crew:
                thread.join()


def epoch_order(seed: int, epoch: int, n: int, draw: NDArray[np.float64] | None = None) -> Integers:
    """The n training rows of an epoch, counted from 0, in order; the same as `fakeimg.train` uses."""
    random = np.random.default_rng((seed, epoch))
    return random.permutation(n) if draw is None else random.choice(n, n, p=draw)


@dataclass
class _Training:
    """A head on its way: its weights, both moments and what is to be reported of it."""

    number: int
    run: HeadRun
    widths: Integers
    places: Integers
    weights: Floats
    first: Floats
    second: Floats
    steps: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: tuple[int, Floats, Floats] | None = None  # epoch, validation logits, weights
    results: dict[int, HeadResult] = field(default_factory=dict)

    @classmethod
    def start(cls, number: int, run: HeadRun, inputs: int, classes: int) -> "_Training":
        widths = layer_widths(run.head, inputs, classes)
        weights = np.concatenate([array.reshape(-1) for array in initial_weights(widths, run.seed)])
        places = layer_places(widths)
        second = np.zeros_like(weights) if run.train.optimizer == "adam" else np.zeros(0, np.float32)
        return cls(number, run, np.array(widths, np.int64), places, weights, np.zeros_like(weights), second)

    @property
    def stopped(self) -> bool:
        """Whether all epochs are done, or `patience` of them passed without a better one."""
        done, patience = len(self.history), self.run.train.patience
        waited = done - self.best[0] if self.best is not None else 0
        return done >= max(self.run.stops) or (patience is not None and waited >= patience)

    def report(self) -> None:
        """Note the results of the stops that are reached now."""
        done = len(self.history)
        if self.best is None:
            return
        epoch, logits, weights = self.best
        for stop in self.run.stops:
            if stop not in self.results and (stop == done or self.stopped):
                arrays = unpack(weights, self.widths.tolist())
                self.results[stop] = HeadResult(stop, epoch, list(self.history), logits, arrays, self.seconds)


class _Line:
    """Hands out epochs: one more head is under way than there are threads, and the one that is least far goes next.

    So the last heads end together instead of one by one, and all that are under way fit the processor's cache.
    """

    def __init__(
        self,
        runs: Sequence[HeadRun],
        views: Sequence[Floats],
        plain: Floats,
        labels: Integers,
        classes: int,
        workers: int,
        done: "Queue[tuple[int, list[HeadResult] | BaseException]]",
    ) -> None:
        self.views, self.plain, self.labels, self.classes = views, plain, labels, classes
        self.waiting = deque(enumerate(runs))
        self.ready: list[_Training] = []
        self.under_way = 0
        self.most = workers + 1
        self.done = done
        self.lock = threading.Lock()
        self.stop = False

    def work(self) -> None:
        """Train until nothing is left to take."""
        while not self.stop and (taken := self._take()) is not None:
            number, training = taken
            try:
                if isinstance(training, HeadRun):
                    training = _Training.start(number, training, self.plain.shape[1], self.classes)
                self._epoch(training)
            except BaseException as error:
                self._leave(number, error)
                continue
            if training.stopped:
                self._leave(number, [training.results[stop] for stop in training.run.stops])
            else:
                with self.lock:
                    self.ready.append(training)

    def _take(self) -> tuple[int, HeadRun | _Training] | None:
        with self.lock:
            if self.waiting and self.under_way < self.most:
                self.under_way += 1
                return self.waiting.popleft()
            if not self.ready:
                return None
            training = min(self.ready, key=lambda one: (len(one.history), one.number))
            self.ready.remove(training)
            return training.number, training

    def _leave(self, number: int, outcome: list[HeadResult] | BaseException) -> None:
        with self.lock:
            self.under_way -= 1
        self.done.put((number, outcome))

    def _epoch(self, training: _Training) -> None:
        from fakeimg.training.head_kernel import predict, train_rows

        started = time.perf_counter()
        run, train = training.run, training.run.train
        epoch = len(training.history)
        learning_rate = train.learning_rate * train.decay ** (epoch // train.decay_every)
        places = epoch_order(run.seed, epoch, len(run.rows), run.draw)
        features = self.views[epoch % len(self.views)]
        total = right = 0.0
        batch_size = min(train.batch_size, len(places))
        piece = batch_size * _STEPS_AT_A_TIME
        for start in range(0, len(places), piece):
            if self.stop:
                return
            here = places[start : start + piece]
            rows = run.rows[here]
            loss, correct = train_rows(
                features,
                rows,
                self.labels[rows],
                run.weights[here],
                batch_size,
                training.widths,
                training.places,
                training.weights,
                training.first,
                training.second,
                np.array(run.head.rates or (0.0,), np.float64),
                run.head.l2,
                train.optimizer == "adam",
                learning_rate,
                train.momentum,
                run.seed,
                training.steps,
            )
            training.steps += -(-len(here) // batch_size)
            total, right = total + loss, right + correct
        if not np.isfinite(total):
            cause = f"the learning rate {learning_rate:g} is too high"
            raise ModelError(f"the loss is {total / len(places)} after epoch {epoch + 1}: {cause}")
        logits = np.empty((len(run.validation), int(training.widths[-1])), np.float32)
        predict(self.plain, run.validation, training.widths, training.places, training.weights, logits)
        if self.classes == 2 and logits.shape[1] == 2:
            logits = logits[:, 1:] - logits[:, :1]
        row = {"epoch": epoch + 1, "loss": total / len(places), "accuracy": right / len(places)}
        row |= _validation_scores(logits, self.labels[run.validation])
        training.history.append({**row, "learning_rate": learning_rate})
        if _is_better(training):
            training.best = (epoch + 1, logits, training.weights.copy())
        training.seconds += time.perf_counter() - started
        training.report()


def _validation_scores(logits: Floats, labels: Integers) -> dict[str, float]:
    called = logits.argmax(axis=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(np.int64)
    return {"val_loss": float(cross_entropy(logits, labels).mean()), "val_accuracy": float((called == labels).mean())}


def _is_better(training: _Training) -> bool:
    monitor = training.run.train.monitor
    if training.best is None or monitor == "last":
        return True
    latest, best = training.history[-1][monitor], training.history[training.best[0] - 1][monitor]
    return latest < best if monitor == "val_loss" else latest > best


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep BLAS from starting threads of its own inside each of ours."""
    import scipy.linalg.cython_blas  # noqa: F401 — numba calls this library's BLAS, so it must be there to be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield
