"""From an experiment and a data set to the rows that each part of the split has."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.splits import assign_splits
from fakeimg.errors import DatasetError


def prepare_data(experiment: Experiment, data: Dataset | Path | str) -> Dataset:
    """The images that take part, each with its part of the split.

    A split that the data brings along is kept; otherwise it is drawn as `experiment.split` says.

    Raises:
        DatasetError: a source or class is missing, or a class has no image to train on.
    """
    chosen = experiment.data
    if isinstance(data, Dataset):
        dataset = data
        if dataset.class_names != chosen.classes:
            raise DatasetError(
                f"the experiment's classes are {', '.join(chosen.classes)}, the data's {', '.join(dataset.class_names)}"
            )
        if chosen.sources is not None:
            dataset = dataset.take(dataset.frame["source"].isin(chosen.sources))
            if absent := set(chosen.sources) - set(dataset.frame["source"]):
                raise DatasetError(f"this data has no source {min(absent)!r}")
    else:
        dataset = Dataset.open(data, classes=chosen.classes, sources=chosen.sources)
    present = [name for name in experiment.split.stratify if dataset.frame[name].notna().any()] if len(dataset) else []
    split = assign_splits(dataset, experiment.split.fractions, seed=experiment.seed, stratify=present or ["label"])
    training = split.frame.loc[split.frame["split"] == "train", "label"]
    if missing := [name for name in chosen.classes if name not in set(training)]:
        raise DatasetError(
            f"no image of class {missing[0]!r} is in the training split; there are {len(training)} others"
        )
    return split


def drawing_weights(experiment: Experiment, training: Dataset) -> NDArray[np.float64] | None:
    """(n,) probability of drawing each training image, or None to take every image once an epoch.

    With `train.balance = "source"` all classes are equally likely, and within a class all its sources: a detector that
    sees one source far more often learns that source.
    """
    if experiment.train.balance is None:
        return None
    sources = training.frame["source"].fillna("").to_numpy(str)
    pairs, members, counts = np.unique(
        np.stack([training.labels.astype(str), sources]), axis=1, return_inverse=True, return_counts=True
    )
    _, labels, sources_of_class = np.unique(pairs[0], return_inverse=True, return_counts=True)
    weights = 1 / (len(sources_of_class) * sources_of_class[labels] * counts)
    return np.asarray(weights[members.reshape(-1)])


def class_weights(experiment: Experiment, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n,) weight of each training image: 1, or so that all classes weigh the same, or as given by class name.

    Balanced weights are n / (k · count of the class), as in scikit-learn.

    Raises:
        DatasetError: a weight for a class that does not exist.
    """
    names = experiment.data.classes
    given = experiment.train.class_weights
    if given is None:
        by_class = np.ones(len(names))
    elif given == "balanced":
        counts = np.bincount(labels, minlength=len(names))
        by_class = len(labels) / (len(names) * np.maximum(counts, 1))
    else:
        if unknown := sorted(set(given) - set(names)):
            raise DatasetError(f"train.class_weights names {unknown[0]!r}; the classes are {', '.join(names)}")
        by_class = np.array([given.get(name, 1.0) for name in names])
    return by_class[labels].astype(np.float32)
