"""Two evaluations of the same images: which is better, by how much, and whether that is noise."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import DatasetError
from fakeimg.evaluation.predictions import ScoredImages
from fakeimg.scoring.intervals import (
    RESAMPLES,
    Interval,
    auc_interval,
    bootstrap_bounds,
    group_codes,
    mcnemar,
    newcombe_paired,
    wilson,
)
from fakeimg.scoring.ranking import Ranking

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two evaluations, `a` and `b`, of the same `n` images; differences are b minus a, so above 0 `b` is better.

    Attributes:
        names: what a and b are called.
        accuracy_a, accuracy_b: each with its Wilson interval.
        difference: of the accuracies, with the paired interval.
        only_a_wrong, only_b_wrong, both_wrong: counts of images.
        p_value: exact McNemar, two-sided.
        auc_a, auc_b, auc_difference: None where only one class occurs; the difference is bootstrapped in pairs.
        frame: path, label, probability_a, probability_b, correct_a, correct_b, one row an image.
    """

    names: tuple[str, str]
    n: int
    accuracy_a: Interval
    accuracy_b: Interval
    difference: Interval
    only_a_wrong: int
    only_b_wrong: int
    both_wrong: int
    p_value: float
    auc_a: Interval | None
    auc_b: Interval | None
    auc_difference: Interval | None
    frame: "pd.DataFrame"

    @property
    def sentence(self) -> str:
        """The result in words: errors, who is better and by how much, or that it is noise."""
        a, b = self.names
        wrong_a, wrong_b = self.both_wrong + self.only_a_wrong, self.both_wrong + self.only_b_wrong
        counts = f"{a} is wrong on {wrong_a:,} and {b} on {wrong_b:,} of {self.n:,} images"
        test = f"{self.only_a_wrong:,} only {a}, {self.only_b_wrong:,} only {b}; McNemar p = {self.p_value:.2g}"
        if self.p_value > SIGNIFICANT:
            return f"{counts}: a difference that may well be noise ({test})."
        better = b if self.difference.value > 0 else a
        size = " to ".join(f"{100 * abs(bound):.2g}" for bound in self._distance())
        points = f"{100 * abs(self.difference.value):.2g} points ({size})"
        return f"{counts}: {better} is better by {points}, more than noise ({test})."

    def _distance(self) -> tuple[float, float]:
        low, high = self.difference.low, self.difference.high
        return (low, high) if self.difference.value > 0 else (high, low)

    def to_json(self) -> dict[str, Any]:
        """Everything but the frame."""
        intervals = ("accuracy_a", "accuracy_b", "difference", "auc_a", "auc_b", "auc_difference")
        content: dict[str, Any] = {"names": list(self.names), "n": self.n}
        for name in intervals:
            interval = getattr(self, name)
            content[name] = interval.to_json() if interval else None
        for name in ("only_a_wrong", "only_b_wrong", "both_wrong", "p_value", "sentence"):
            content[name] = getattr(self, name)
        return content

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Each image's two probabilities of fake, coloured by who is wrong about it."""
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(figsize=(5.4, 5), layout="constrained").add_subplot()
        a, b = self.names
        right_a, right_b = self.frame["correct_a"], self.frame["correct_b"]
        for chosen, colour, text in (
            (right_a & right_b, "#9aa0a6", "both right"),
            (~right_a & ~right_b, "#5f3dc4", "both wrong"),
            (~right_a & right_b, "#d9480f", f"only {a} wrong"),
            (right_a & ~right_b, "#1971c2", f"only {b} wrong"),
        ):
            points = self.frame[chosen]
            label = f"{text} ({len(points):,})"
            ax.scatter(points["probability_a"], points["probability_b"], s=9, c=colour, alpha=0.6, lw=0, label=label)
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        ax.set(xlabel=f"probability of fake, {a}", ylabel=f"probability of fake, {b}")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False, markerscale=2)
        return ax

    def _repr_html_(self) -> str:
        rows = [("accuracy", self.accuracy_a, self.accuracy_b, self.difference)]
        if self.auc_a and self.auc_b and self.auc_difference:
            rows.append(("AUC", self.auc_a, self.auc_b, self.auc_difference))
        body = "".join(
            f"<tr><th>{name}</th>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
            for name, *cells in rows
        )
        head = "".join(f"<th>{escape(name)}</th>" for name in ("", *self.names, "difference"))
        return f"<p>{escape(self.sentence)}</p><table><tr>{head}</tr>{body}</table>"


def compare(
    a: Any,
    b: Any,
    *,
    names: tuple[str, str] = ("a", "b"),
    negative: str | None = None,
    threshold: float = 0.5,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two evaluations image by image; a column `group` makes the bootstrap draw whole groups.

    Args:
        a, b: what `ScoredImages.open` reads: an Evaluation, a DataFrame, a file, or a folder that `evaluate` wrote.
            Both need `path`, and the same images with the same labels, in any order.
    Raises:
        DatasetError: the images or their labels differ, or a path occurs twice.
    """
    first, second = (_indexed(source, name, negative, threshold) for source, name in zip((a, b), names, strict=True))
    paths = _same_paths(first.frame["path"].tolist(), second.frame["path"].tolist(), names)
    order = second.frame.reset_index().set_index("path").loc[paths, "index"].to_numpy()
    scores = first.scores, second.scores[order]
    correct = first.correct, second.correct[order]
    labels = first.frame["label"].astype(str).to_numpy(object)
    unequal = labels != second.frame["label"].astype(str).to_numpy(object)[order]
    if unequal.any():
        example = paths[int(unequal.argmax())]
        raise DatasetError(f"{unequal.sum()} images are labelled differently in {' and '.join(names)}, as {example}")

    both, neither = int((correct[0] & correct[1]).sum()), int((~correct[0] & ~correct[1]).sum())
    only_a_wrong, only_b_wrong = int((~correct[0] & correct[1]).sum()), int((correct[0] & ~correct[1]).sum())
    groups = first.frame["group"].to_numpy(object) if "group" in first.frame.columns else None
    aucs: tuple[Interval | None, ...] = (None, None, None)
    if 0 < first.fake.sum() < first.fake.size:
        aucs = _aucs(first.fake, scores, groups, seed, resamples)
    frame = first.frame[["path", "label"]].assign(
        probability_a=scores[0], probability_b=scores[1], correct_a=correct[0], correct_b=correct[1]
    )
    return Comparison(
        names=names,
        n=len(paths),
        accuracy_a=wilson(both + only_b_wrong, len(paths)),
        accuracy_b=wilson(both + only_a_wrong, len(paths)),
        difference=newcombe_paired(both, only_a_wrong, only_b_wrong, neither),
        only_a_wrong=only_a_wrong,
        only_b_wrong=only_b_wrong,
        both_wrong=neither,
        p_value=mcnemar(only_a_wrong, only_b_wrong),
        auc_a=aucs[0],
        auc_b=aucs[1],
        auc_difference=aucs[2],
        frame=frame,
    )


def _indexed(source: Any, name: str, negative: str | None, threshold: float) -> ScoredImages:
    images = ScoredImages.open(source, negative=negative, threshold=threshold)
    if "path" not in images.frame.columns:
        raise DatasetError(f"{name} has no column 'path' to match images by")
    repeated = images.frame["path"][images.frame["path"].duplicated()]
    if len(repeated):
        raise DatasetError(f"{name} holds {repeated.iloc[0]} more than once; images are matched by path")
    return images


def _same_paths(a: list[str], b: list[str], names: tuple[str, str]) -> list[str]:
    """`a`, if `b` holds the same paths."""
    missing, extra = sorted(set(a) - set(b)), sorted(set(b) - set(a))
    if missing or extra:
        told = [
            f"{len(paths):,} only in {name} (as {paths[0]})"
            for name, paths in zip(names, (missing, extra), strict=True)
            if paths
        ]
        shared = len(set(a) & set(b))
        raise DatasetError(f"the evaluations are not of the same images: {', '.join(told)}, {shared:,} in both")
    return a


def _aucs(
    fake: NDArray[np.bool_],
    scores: tuple[NDArray[np.float64], NDArray[np.float64]],
    groups: NDArray[np.object_] | None,
    seed: int,
    resamples: int,
) -> tuple[Interval, Interval, Interval]:
    """Both AUCs and their difference; the same resamples go through both rankings."""
    a, b = (auc_interval(fake, score, groups, seed, resamples) for score in scores)
    rankings = [Ranking(fake, score) for score in scores]

    def difference(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return rankings[1].auc(counts) - rankings[0].auc(counts)

    value = b.value - a.value
    low, high = bootstrap_bounds(difference, group_codes(groups, fake.size), seed, resamples)
    if not low < high:
        # Every resample agrees (two perfect models): each AUC's own bounds say how far the truth may be from that.
        low = value - np.hypot(b.value - b.low, a.high - a.value)
        high = value + np.hypot(b.high - b.value, a.value - a.low)
    return a, b, Interval(value, float(min(low, value)), float(max(high, value)), fake.size)
