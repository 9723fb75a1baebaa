"""What a detector is worth on sources that it was not trained on: one left out, and trained-on × tested-on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.evaluation.measurements import measure
from fakeimg.evaluation.shortcuts import KINDS, balanced_classifier
from fakeimg.evaluation.training_sets import (
    NO_PART,
    Progress,
    Scored,
    TrainingSet,
    divided,
    known_sources,
    score_by_training_set,
    without_test,
)
from fakeimg.files import replacing, write_json
from fakeimg.models.decision import verdict
from fakeimg.scoring.intervals import Interval, mean_of_rates, wilson

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SHORTCUTS: Mapping[str, str] = {"thumbnail": "8×8 thumbnail", "framing": "face framing"}
"""What is measured beside a detector, and the feature of `measure` that it looks at."""


@dataclass(frozen=True)
class LeaveOneSourceOut:
    """An experiment repeated once a source, without it, and judged on it.

    Attributes:
        frame: one row a source: source, label, n; accuracy at a probability of one half; at the detector's own
            operating point `right`, `wrong` (given the other verdict), the rest being inconclusive; each with low and
            high. On the same images, the accuracy of shortcuts trained on the same sources: `thumbnail`, logistic
            regression on 8×8 thumbnails; `framing`, boosted trees on the size and place of the face.
        mean: of the accuracies, each source counting the same. Its interval is about these sources' images; how much
            another source would differ is seen in the spread of the rows.
        mean_right: of `right`.
        mean_thumbnail: of `thumbnail`; None where it was not measured.
        mean_framing: of `framing`; None where it was not measured.
        experiment: the experiment's name.
    """

    frame: "pd.DataFrame"
    mean: Interval
    mean_right: Interval
    mean_thumbnail: Interval | None
    mean_framing: Interval | None
    experiment: str

    @property
    def worst(self) -> "pd.Series[Any]":
        """The row of the source with the lowest accuracy."""
        return self.frame.iloc[int(self.frame["accuracy"].argmin())]

    @property
    def sentence(self) -> str:
        """Mean and worst source in plain words, and what shortcuts score."""
        row = self.worst
        beside = ""
        if self.mean_thumbnail and self.mean_framing:
            beside = (
                f"; an 8×8 thumbnail scores {self.mean_thumbnail.value:.1%}, "
                f"size and place of the face {self.mean_framing.value:.1%}"
            )
        return (
            f"On a source it never saw, {self.experiment} judges {_percent(self.mean)} of images right on average over "
            f"{len(self.frame)} sources{beside}; the worst is {row['source']} ({row['label']}) with "
            f"{row['accuracy']:.1%} ({row['low']:.1%}–{row['high']:.1%})."
        )

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "experiment": self.experiment,
            "sentence": self.sentence,
            "mean": self.mean.to_json(),
            "mean_right_at_operating_point": self.mean_right.to_json(),
            "mean_thumbnail": self.mean_thumbnail.to_json() if self.mean_thumbnail else None,
            "mean_framing": self.mean_framing.to_json() if self.mean_framing else None,
            "sources": _records(self.frame),
        }

    def write(self, out: Path | str) -> None:
        """Write `leave_one_source_out.json`, `.csv` and `.png` into the folder `out`."""
        _write(Path(out), "leave_one_source_out", self.to_json(), self.frame, self.plot())

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Each source's accuracy with its interval, the shortcuts' as grey marks, and the mean."""
        from fakeimg.evaluation.transfer_figure import plot_sources

        return plot_sources(self, ax)

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence)}</p>{self.frame.to_html(index=False, float_format='{:.3f}'.format)}"


@dataclass(frozen=True)
class TransferMatrix:
    """An experiment trained on several sets of sources and tested on every source.

    Attributes:
        frame: one row a training set and source: trained_on, tested_on, label, seen (the source was trained on; then
            its test part alone is scored), n, accuracy, low, high.
        experiment: the experiment's name.
    """

    frame: "pd.DataFrame"
    experiment: str

    @property
    def sentence(self) -> str:
        """Mean accuracy on sources seen in training, and on the others."""
        means = self.frame.groupby("seen")["accuracy"].mean()
        known, unknown = means.get(True, np.nan), means.get(False, np.nan)
        return f"{self.experiment}: {known:.1%} on sources seen in training, {unknown:.1%} on the others."

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {"experiment": self.experiment, "sentence": self.sentence, "cells": _records(self.frame)}

    def write(self, out: Path | str) -> None:
        """Write `transfer_matrix.json`, `.csv` and `.png` into the folder `out`."""
        _write(Path(out), "transfer_matrix", self.to_json(), self.frame, self.plot())

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Trained on (rows) × tested on (columns); sources seen in training are framed."""
        from fakeimg.evaluation.transfer_figure import plot_matrix

        return plot_matrix(self, ax)

    def _repr_html_(self) -> str:
        table = self.frame.pivot(index="trained_on", columns="tested_on", values="accuracy")
        return f"<p>{escape(self.sentence)}</p>{table.to_html(float_format='{:.3f}'.format)}"


def leave_one_source_out(
    experiment: Experiment,
    data: Dataset | Path | str,
    *,
    sources: Sequence[str] | None = None,
    shortcuts: bool = True,
    progress: Progress | None = None,
) -> LeaveOneSourceOut:
    """Train an experiment once a source, on all the others, and judge each detector on the source it never saw.

    Validation images come from the other sources too: neither the weights nor the operating point know the source.

    Args:
        sources: those to leave out in turn; all when absent.
        shortcuts: also measure what an 8×8 thumbnail scores, and size and place of the face.
        progress: called with (what, done, total).
    Raises:
        DatasetError: fewer than two sources, or a class of which one source alone is left.
        ConfigError: three classes or more.
    """
    dataset = divided(experiment, data)
    chosen = known_sources(dataset, sources)
    names = dataset.frame["source"].to_numpy(str)
    parts = {
        source: TrainingSet(np.where(names == source, NO_PART, without_test(dataset)), names == source)
        for source in chosen
    }
    scored = dict(score_by_training_set(experiment, dataset, parts, progress=progress))
    guesses = shortcut_guesses(dataset, parts) if shortcuts else {}
    import pandas as pd

    frame = pd.DataFrame([_source_row(dataset, source, parts, scored[source], guesses) for source in chosen])
    return LeaveOneSourceOut(
        frame=frame,
        mean=_mean(frame, "accuracy", ""),
        mean_right=_mean(frame, "right", "right_"),
        mean_thumbnail=_mean(frame, "thumbnail", "thumbnail_") if shortcuts else None,
        mean_framing=_mean(frame, "framing", "framing_") if shortcuts else None,
        experiment=experiment.name,
    )


def transfer_matrix(
    experiment: Experiment,
    data: Dataset | Path | str,
    *,
    trained_on: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> TransferMatrix:
    """Train an experiment on several sets of sources, and test each detector on every source.

    Args:
        trained_on: name of each training set to its sources; by default every pair of a source of photographs and one
            of fakes.
        progress: called with (what, done, total).
    Raises:
        DatasetError: a source is unknown, or a training set lacks a class.
    """
    import pandas as pd

    dataset = divided(experiment, data)
    names, split = (dataset.frame[column].to_numpy(str) for column in ("source", "split"))
    everything = known_sources(dataset)
    sets = trained_on or _pairs(dataset)
    parts = {}
    for name, members in sets.items():
        seen = np.isin(names, known_sources(dataset, members))
        part = np.where(seen & (split != "test"), split, NO_PART)
        parts[name] = TrainingSet(part, ~seen | (split == "test"))
    rows = []
    for name, scored in score_by_training_set(experiment, dataset, parts, progress=progress):
        for source in everything:
            here = (names == source) & ~np.isnan(scored.probability_fake)
            right = wilson(int(_right(dataset, scored)[here].sum()), int(here.sum()))
            cell = {"trained_on": name, "tested_on": source, "label": _label(dataset, source)}
            numbers = {"n": right.n, "accuracy": right.value, "low": right.low, "high": right.high}
            rows.append({**cell, "seen": source in sets[name], **numbers})
    order = {name: i for i, name in enumerate(sets)}
    frame = pd.DataFrame(rows).sort_values("trained_on", key=lambda column: column.map(order), kind="stable")
    return TransferMatrix(frame.reset_index(drop=True), experiment.name)


def _pairs(dataset: Dataset) -> dict[str, list[str]]:
    labels = {source: _label(dataset, source) for source in known_sources(dataset)}
    real = dataset.class_names[0]
    reals = [source for source, label in labels.items() if label in (real, "mixed")]
    fakes = [source for source, label in labels.items() if label != real]
    return {f"{a} + {b}": [a, b] for a, b in product(reals, fakes) if a != b}


def _label(dataset: Dataset, source: str) -> str:
    labels = dataset.frame["label"][dataset.frame["source"] == source].unique()
    return str(labels[0]) if len(labels) == 1 else "mixed"


def _right(dataset: Dataset, scored: Scored) -> NDArray[np.bool_]:
    return np.asarray((scored.probability_fake >= 0.5) == (dataset.labels > 0))


def _source_row(
    dataset: Dataset,
    source: str,
    parts: Mapping[str, TrainingSet],
    scored: Scored,
    guesses: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> dict[str, Any]:
    here = parts[source].score & ~np.isnan(scored.probability_fake)
    n, truth = int(here.sum()), np.where(dataset.labels[here] > 0, "fake", "real")
    calls = verdict(scored.probability_fake[here], scored.point)
    decided = calls != "inconclusive"
    intervals = {
        "": wilson(int(_right(dataset, scored)[here].sum()), n),
        "right_": wilson(int((calls == truth).sum()), n),
        "wrong_": wilson(int((decided & (calls != truth)).sum()), n),
    }
    for shortcut, by_source in guesses.items():
        known = parts[source].score & ~np.isnan(by_source[source])
        judged = (by_source[source] >= 0.5) == (dataset.labels > 0)
        intervals[f"{shortcut}_"] = wilson(int(judged[known].sum()), int(known.sum()))
    row: dict[str, Any] = {"source": source, "label": _label(dataset, source), "n": n}
    for prefix, interval in intervals.items():
        name = prefix.removesuffix("_") or "accuracy"
        row |= {name: interval.value, f"{prefix}low": interval.low, f"{prefix}high": interval.high}
    return row


def shortcut_guesses(dataset: Dataset, parts: Mapping[str, TrainingSet]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Shortcut → training set → (n,) the probability of fake that it gives the images to score; NaN elsewhere.

    "thumbnail" is logistic regression on 8×8 thumbnails, "framing" boosted trees on the size and place of the face.
    Both weigh the classes alike.
    """
    measured = measure(dataset, fingerprints=False)
    readable, fake = np.zeros(len(dataset), bool), dataset.labels > 0
    readable[measured.rows] = True
    guesses: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in SHORTCUTS}
    for shortcut, feature in SHORTCUTS.items():
        values = np.full((len(dataset), measured.features[feature].shape[1]), np.nan, np.float32)
        values[measured.rows] = measured.features[feature]
        for name, part in parts.items():
            train, test = readable & (part.split == "train"), readable & part.score
            guesses[shortcut][name] = np.full(len(dataset), np.nan)
            model = balanced_classifier(KINDS[feature]).fit(values[train], fake[train])
            guesses[shortcut][name][test] = model.predict_proba(values[test])[:, 1]
    return guesses


def _mean(frame: "pd.DataFrame", name: str, prefix: str) -> Interval:
    rows = frame[[name, f"{prefix}low", f"{prefix}high", "n"]].to_numpy(float)
    return mean_of_rates([Interval(value, low, high, int(n)) for value, low, high, n in rows])


def _percent(rate: Interval) -> str:
    return f"{rate.value:.1%} ({rate.low:.1%}–{rate.high:.1%})"


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    return [
        {str(key): None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _write(folder: Path, name: str, content: dict[str, Any], frame: "pd.DataFrame", axes: "Axes") -> None:
    write_json(folder / f"{name}.json", content)
    with replacing(folder / f"{name}.csv") as temporary:
        frame.to_csv(temporary, index=False)
    with replacing(folder / f"{name}.png") as temporary:
        axes.figure.savefig(temporary, dpi=120)  # type: ignore[union-attr]
