"""From an experiment with a grid to its cells, and from each cell to its runs: folds and repeats."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.splits import assign_folds
from fakeimg.errors import ConfigError, DatasetError, FakeimgError
from fakeimg.models.feature_store import digest
from fakeimg.models.features import trunk_identity
from fakeimg.training.prepare import prepare_data

# Part of every cell's key: raise it when the same experiment would give another result.
CELL_VERSION = 1


@dataclass(frozen=True)
class Cell:
    """One point of the grid.

    Attributes:
        values: axis to value.
        experiment: with those values; None when they are not allowed.
        error: why not.
    """

    values: dict[str, Any]
    experiment: Experiment | None
    error: str | None = None


@dataclass(frozen=True)
class Run:
    """One training: a cell, or one of its folds and repeats.

    Attributes:
        cell: its number.
        experiment: the cell's, with this run's seed.
        data: the images of training and validation, by their column `split`; the test part is not among them.
        data_key: stands for those images, their labels and their order.
        trunk: stands for the frozen trunk's weights; repeats share it.
        feature_seed: of random trunk weights and of cached augmentation; repeats share it.
        repeat: its number.
        fold: which fold validates, or None.
        fold_numbers: (n,) the fold of each image.
    """

    cell: int
    experiment: Experiment
    data: Dataset
    data_key: str
    trunk: str
    feature_seed: int
    repeat: int
    fold: int | None = None
    fold_numbers: NDArray[np.int64] | None = None

    @cached_property
    def head_key(self) -> str:
        """Stands for everything that decides the result but the number of epochs."""
        settings = self.experiment.model_dump(
            mode="json", exclude={"name", "description", "weights", "search", "grid", "data", "split"}
        )
        del settings["train"]["epochs"]
        return digest(
            {
                "version": CELL_VERSION,
                "experiment": settings,
                "truncated": self.experiment.data.truncated,
                "trunk": self.trunk,
                "feature_seed": self.feature_seed,
                "data": self.data_key,
                "fold": self.fold,
                "folds": None if self.fold_numbers is None else digest(self.fold_numbers.tolist()),
            }
        )

    @property
    def key(self) -> str:
        """The name of the file that holds the result."""
        return digest([self.head_key, self.experiment.train.epochs])

    @property
    def validates(self) -> NDArray[np.bool_]:
        """(n,) which images validate; the others are trained on."""
        if self.fold_numbers is None:
            return (self.data.frame["split"] == "validation").to_numpy(dtype=bool)
        return np.asarray(self.fold_numbers == self.fold)


def grid_cells(experiment: Experiment) -> list[Cell]:
    """The cells of the grid, or the sample of them that a random search draws; one without axes is a single cell.

    A sample depends on the axes, their values and the seed, not on the order in which they are written.
    """
    axes = experiment.grid
    size = prod(len(values) for values in axes.values())
    samples = experiment.search.samples
    if experiment.search.kind == "grid" or samples is None or samples >= size:
        points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    else:
        ordered = {axis: sorted(axes[axis], key=canonical) for axis in sorted(axes)}
        drawn = np.random.default_rng(experiment.seed).choice(size, samples, replace=False)
        places = np.unravel_index(np.sort(drawn), [len(values) for values in ordered.values()])
        columns = [[values[i] for i in place] for values, place in zip(ordered.values(), places, strict=True)]
        drawn_points = [dict(zip(ordered, point, strict=True)) for point in zip(*columns, strict=True)]
        points = [{axis: point[axis] for axis in axes} for point in drawn_points]
    return [_cell(experiment, values) for values in points]


def cell_runs(cells: list[Cell], data: Dataset | Path | str) -> tuple[list[Run], dict[int, str]]:
    """The runs of all cells, and the errors of those that have none, by number."""
    runs: list[Run] = []
    errors = {number: cell.error for number, cell in enumerate(cells) if cell.error is not None}
    prepared: dict[str, tuple[Dataset, str] | FakeimgError] = {}
    trunks: dict[tuple[str, str, int], str] = {}
    divided: dict[tuple[str, int, int], NDArray[np.int64]] = {}
    for number, cell in enumerate(cells):
        experiment = cell.experiment
        if experiment is None:
            continue
        part = digest([experiment.model_dump(mode="json", include={"data", "split"}), experiment.seed])
        if part not in prepared:
            prepared[part] = _prepare(experiment, data)
        found = prepared[part]
        if isinstance(found, FakeimgError):
            errors[number] = str(found)
            continue
        origin = (experiment.backbone, experiment.weights, experiment.seed)
        if origin not in trunks:
            trunks[origin] = trunk_identity(*origin)
        folds = experiment.search.folds
        for repeat in range(experiment.search.repeats):
            seeded = experiment.with_values({"seed": experiment.seed + repeat})
            run = Run(number, seeded, *found, trunks[origin], experiment.seed, repeat)
            if folds is None:
                runs.append(run)
                continue
            if (part, folds, repeat) not in divided:
                strata = _strata(found[0], experiment)
                divided[part, folds, repeat] = assign_folds(found[0], folds, seed=seeded.seed, stratify=strata)
            numbers = divided[part, folds, repeat]
            runs += [replace(run, fold=fold, fold_numbers=numbers) for fold in range(folds)]
    return runs, errors


def canonical(value: Any) -> str:
    """A text by which values of any kind can be compared and sorted."""
    return json.dumps(value, sort_keys=True, default=str)


def _cell(experiment: Experiment, values: Mapping[str, Any]) -> Cell:
    try:
        return Cell(dict(values), experiment.with_values({**values, "grid": {}}))
    except ConfigError as error:
        return Cell(dict(values), None, str(error))


def _prepare(experiment: Experiment, data: Dataset | Path | str) -> tuple[Dataset, str] | FakeimgError:
    """The images of training and validation, and what stands for them."""
    try:
        dataset = prepare_data(experiment, data)
        dataset = dataset.take(dataset.frame["split"].isin(("train", "validation")).to_numpy(dtype=bool))
        if experiment.search.folds is None:
            dataset.split("validation")
    except (ConfigError, DatasetError) as error:
        return error
    frame = dataset.frame
    if experiment.search.folds is not None:
        frame = frame.assign(split="")  # all of it is divided anew
    rows = zip(dataset.content_hashes(), frame["label"], frame["split"], frame["group"].astype(str), strict=True)
    return dataset, digest([list(row) for row in rows])


def _strata(dataset: Dataset, experiment: Experiment) -> list[str]:
    return [name for name in experiment.split.stratify if dataset.frame[name].notna().any()] or ["label"]
