"""One experiment on several training sets, and what each of the detectors says of every image."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.splits import assign_splits
from fakeimg.errors import ConfigError, DatasetError, FakeimgError, did_you_mean
from fakeimg.models.backbones import get_backbone
from fakeimg.models.decision import OperatingPoint, calibrated
from fakeimg.models.features import trunk_identity
from fakeimg.scoring.calibration import fit_temperature
from fakeimg.scoring.operating_point import choose_operating_point
from fakeimg.training.bundles import Bundle
from fakeimg.training.grid import Run
from fakeimg.training.prepare import class_weights, drawing_weights
from fakeimg.training.stacked import HeadRun, train_heads
from fakeimg.training.train import train

Progress = Callable[[str, int, int], None]
NO_PART = ""


@dataclass(frozen=True)
class Scored:
    """What one detector says of the images.

    Attributes:
        probability_fake: (n,), NaN for images that were not asked for or cannot be read.
        point: its operating point, chosen on its own validation images.
    """

    probability_fake: NDArray[np.float64]
    point: OperatingPoint


@dataclass(frozen=True)
class TrainingSet:
    """One training set.

    Attributes:
        split: (n,) of "train", "validation" or `NO_PART`.
        score: (n,) which images to score.
    """

    split: NDArray[np.str_]
    score: NDArray[np.bool_]


def divided(experiment: Experiment, data: Dataset | Path | str) -> Dataset:
    """The experiment's images, each with a part: the data's own split, or one drawn as the experiment says.

    Raises:
        ConfigError: three classes or more.
    """
    chosen = experiment.data
    if len(chosen.classes) != 2:
        raise ConfigError(f"transfer between sources is measured for two classes, not {len(chosen.classes)}")
    if not isinstance(data, Dataset):
        dataset = Dataset.open(data, classes=chosen.classes, sources=chosen.sources)
    elif chosen.sources is not None:
        dataset = data.take(data.frame["source"].isin(chosen.sources).to_numpy())
    else:
        dataset = data
    strata = [name for name in experiment.split.stratify if dataset.frame[name].notna().any()] or ["label"]
    return assign_splits(dataset, experiment.split.fractions, seed=experiment.seed, stratify=strata)


def without_test(dataset: Dataset) -> NDArray[np.str_]:
    """The split with the test part trained on: where whole sources are held out, nothing else needs to be."""
    split = dataset.frame["split"].to_numpy(str)
    return np.where(split == "test", "train", split)


def known_sources(dataset: Dataset, sources: Sequence[str] | None = None) -> list[str]:
    """`sources`, or all of them in the data's order, those of photographs first.

    Raises:
        DatasetError: one is unknown, some images have none, or there is only one.
    """
    frame = dataset.frame
    if frame["source"].isna().any():
        raise DatasetError(f"{int(frame['source'].isna().sum())} images have no source; fill the column in")
    order = np.argsort(dataset.labels, kind="stable")
    have = list(dict.fromkeys(frame["source"].iloc[order]))
    if len(have) < 2:
        raise DatasetError(f"transfer needs two sources or more; this data has {', '.join(have)}")
    for name in sources or ():
        if name not in have:
            raise DatasetError(f"this data has no source {name!r}; it has {', '.join(have)}{did_you_mean(name, have)}")
    return have if sources is None else list(sources)


def score_by_training_set(
    experiment: Experiment,
    dataset: Dataset,
    training_sets: Mapping[str, TrainingSet],
    *,
    progress: Progress | None = None,
) -> Iterator[tuple[str, Scored]]:
    """Train the experiment on each training set and score images with the result.

    With a frozen, averaging backbone the trunk runs once an image, from the feature store, and all heads are trained
    on that: seconds. Otherwise each training set is a training of its own.

    Raises:
        DatasetError: a training set lacks a class, or has no validation image.
        ModelError: a training whose loss is no longer a number.
    """
    for name, part in training_sets.items():
        for split in ("train", "validation"):
            present = set(dataset.frame["label"][part.split == split])
            if missing := [label for label in dataset.class_names if label not in present]:
                raise DatasetError(f"the training set {name!r} has no image of class {missing[0]!r} for {split}")
    frozen = experiment.trainable == "head" and get_backbone(experiment.backbone).summary == "average"
    score = _by_heads if frozen else _by_trainings
    yield from score(experiment, dataset, training_sets, progress)


def _by_heads(
    experiment: Experiment, dataset: Dataset, training_sets: Mapping[str, TrainingSet], progress: Progress | None
) -> Iterator[tuple[str, Scored]]:
    trunk = trunk_identity(experiment.backbone, experiment.weights, experiment.seed)
    run = Run(0, experiment, dataset, "", trunk, experiment.seed, 0)
    plain, views = Bundle((run,)).features(progress=progress)
    readable = ~np.isin(np.arange(len(dataset)), [*plain.errors, *views.errors])
    features, labels = plain.values[0], dataset.labels
    runs = []
    for part in training_sets.values():
        rows = np.flatnonzero(readable & (part.split == "train"))
        runs.append(
            HeadRun(
                head=experiment.head,
                train=experiment.train,
                seed=experiment.seed,
                rows=rows,
                weights=class_weights(experiment, labels[rows]),
                validation=np.flatnonzero(readable & (part.split == "validation")),
                stops=(experiment.train.epochs,),
                draw=drawing_weights(experiment, dataset.take(rows)),
            )
        )
    names = list(training_sets)
    for number, outcome in train_heads(runs, views.values, features, labels):
        if isinstance(outcome, FakeimgError):
            raise outcome
        head, part = outcome[0], training_sets[names[number]]
        point = _operating_point(head.logits[:, 0], labels[runs[number].validation])
        scores = np.full(len(dataset), np.nan)
        wanted = np.flatnonzero(readable & part.score)
        scores[wanted] = calibrated(_logits(features[wanted], head.weights), point.temperature)
        yield names[number], Scored(scores, point)


def _by_trainings(
    experiment: Experiment, dataset: Dataset, training_sets: Mapping[str, TrainingSet], progress: Progress | None
) -> Iterator[tuple[str, Scored]]:
    for number, (name, part) in enumerate(training_sets.items()):
        takes_part = np.isin(part.split, ("train", "validation"))
        data = dataset.take(takes_part).assign(split=part.split[takes_part])
        detector = train(experiment.with_values({"data.sources": None}), data).detector
        scores = np.full(len(dataset), np.nan)
        predictions = detector.predict(dataset.take(part.score), truncated=experiment.data.truncated)
        scores[part.score] = predictions.probability_fake
        if progress is not None:
            progress("trainings", number + 1, len(training_sets))
        yield name, Scored(scores, detector.operating_point)


def _operating_point(logits: NDArray[Any], labels: NDArray[np.int64]) -> OperatingPoint:
    temperature = fit_temperature(logits, labels)
    return choose_operating_point(labels, calibrated(logits, temperature), temperature=temperature)


def _logits(features: NDArray[np.float32], weights: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(k,) log-odds of fake by a head of dense layers, ReLU between them."""
    values = np.asarray(features, np.float32)
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = np.maximum(values @ kernel + bias, 0)
    scores = values @ weights[-2] + weights[-1]
    return np.asarray(scores[:, -1] - scores[:, 0] if scores.shape[1] == 2 else scores[:, 0], np.float64)
