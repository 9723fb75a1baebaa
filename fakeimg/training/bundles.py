"""Running cells: those with a frozen trunk together, on one pass over the images, and each of the others on its own."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from fakeimg.errors import DatasetError, FakeimgError
from fakeimg.models.backbones import get_backbone, load_weights
from fakeimg.models.engines import EngineName
from fakeimg.models.features import TrunkFeatures, trunk_features
from fakeimg.models.network import Architecture, build_network, trunk_of
from fakeimg.training.cell_record import Record, failed_record, run_record
from fakeimg.training.grid import Run
from fakeimg.training.prepare import class_weights, drawing_weights
from fakeimg.training.stacked import HeadRun, train_heads

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Bundle:
    """Runs whose heads read the same features."""

    runs: tuple[Run, ...]

    def features(
        self, engine: EngineName = "auto", progress: Progress | None = None
    ) -> tuple[TrunkFeatures, TrunkFeatures]:
        """Of the plain images, and of the views to train on (the same when nothing is augmented)."""
        run = self.runs[0]
        experiment = run.experiment
        architecture = Architecture.of(experiment)

        def build() -> Any:
            model = build_network(architecture, seed=run.feature_seed)
            load_weights(trunk_of(model), experiment.backbone, experiment.weights)
            return model

        options: dict[str, Any] = {
            "trunk_sha256": run.trunk,
            "truncated": experiment.data.truncated,
            "engine": engine,
            "progress": None if progress is None else lambda done, total: progress("features", done, total),
        }
        plain = trunk_features(build, architecture, run.data, **options)
        if not experiment.augment.active:
            return plain, plain
        views = trunk_features(
            build,
            architecture,
            run.data,
            augment=experiment.augment,
            views=experiment.augment.views,
            seed=run.feature_seed,
            **options,
        )
        return plain, views


def is_frozen(run: Run) -> bool:
    """Whether the run trains a head on pooled features, so that it can share them with others."""
    with suppress(FakeimgError):
        return run.experiment.trainable == "head" and get_backbone(run.experiment.backbone).summary == "average"
    return False


def bundles(runs: Sequence[Run]) -> list[Bundle]:
    """Those of `runs` with a frozen trunk, by the features that they need."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if is_frozen(run):
            experiment = run.experiment
            images = (run.data_key, experiment.image_size, experiment.framing, experiment.data, experiment.augment)
            groups.setdefault((run.trunk, run.feature_seed, *images), []).append(run)
    return [Bundle(tuple(group)) for group in groups.values()]


def run_bundle(
    bundle: Bundle, *, engine: EngineName = "auto", threads: int | None = None, progress: Progress | None = None
) -> Iterator[Record]:
    """The records of a bundle's runs, each as soon as it is there; what goes wrong becomes the record of an error."""
    try:
        plain, views = bundle.features(engine, progress)
    except (FakeimgError, OSError, MemoryError) as error:
        yield from (failed_record(run, _one_line(error)) for run in bundle.runs)
        return
    if plain.values[0].shape[1:] == (0,):
        reason = next(iter(plain.errors.values()))
        yield from (failed_record(run, f"no image can be read: {reason}") for run in bundle.runs)
        return
    unreadable = set(plain.errors) | set(views.errors)
    readable = ~np.isin(np.arange(len(bundle.runs[0].data)), list(unreadable))
    labels = bundle.runs[0].data.labels
    groups: dict[str, list[Run]] = {}
    for run in bundle.runs:
        groups.setdefault(run.head_key, []).append(run)
    prepared: list[tuple[HeadRun, list[Run]]] = []
    for group in groups.values():
        try:
            prepared.append((_head_run(group, labels, readable), group))
        except FakeimgError as error:
            yield from (failed_record(run, _one_line(error)) for run in group)
    heads = train_heads(
        [head for head, _ in prepared],
        views.values,
        plain.values[0],
        labels,
        classes=len(bundle.runs[0].experiment.data.classes),
        threads=threads,
    )
    for number, outcome in heads:
        head, group = prepared[number]
        if isinstance(outcome, FakeimgError):
            yield from (failed_record(run, _one_line(outcome)) for run in group)
            continue
        by_stop = dict(zip(head.stops, outcome, strict=True))
        for run in group:
            result = by_stop[run.experiment.train.epochs]
            yield run_record(
                run, result.logits, labels[head.validation], result.history, result.best_epoch, result.seconds
            )


def train_whole(run: Run, folder: Any = None) -> Record:
    """The record of a run that trains more than a head on pooled features; `folder` keeps it while it is unfinished."""
    from fakeimg.training.train import train

    started = time.perf_counter()
    try:
        data = run.data.assign(split=np.where(run.validates, "validation", "train").astype(object))
        result = train(run.experiment, data, out=folder)
        validation = data.split("validation")
        predictions = result.detector.predict(validation, truncated=run.experiment.data.truncated)
    except (FakeimgError, OSError, MemoryError) as error:
        return failed_record(run, _one_line(error))
    logits = np.asarray(predictions.logits, np.float32).reshape(len(validation), -1)
    read = ~np.isnan(logits).any(axis=1)
    history: list[dict[str, Any]] = json.loads(result.history.to_json(orient="records"))
    seconds = time.perf_counter() - started
    return run_record(run, logits[read], validation.labels[read], history, result.best_epoch, seconds)


def _head_run(group: Sequence[Run], labels: Any, readable: Any) -> HeadRun:
    run = group[0]
    rows, validation = np.flatnonzero(readable & ~run.validates), np.flatnonzero(readable & run.validates)
    if len(np.unique(labels[rows])) < len(run.experiment.data.classes) or not len(validation):
        raise DatasetError("after leaving out what cannot be read, a class has no image to train on, or none validates")
    stops = tuple(sorted({member.experiment.train.epochs for member in group}))
    experiment = run.experiment
    weights = class_weights(experiment, labels[rows])
    draw = drawing_weights(experiment, run.data.take(rows))
    return HeadRun(experiment.head, experiment.train, experiment.seed, rows, weights, validation, stops, draw)


def _one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
