"""How far an annotator can be trusted: agreement with given values, and what its errors do to a breakdown.

Two facts carry a breakdown by annotated values. Let PPV be the share of those called v that are v, NPV the share of the
others that are not, and let the detector's errors not depend on the annotator's, given the true value. Then a true gap
g between v and the rest shows up as g · (PPV + NPV - 1), the *attenuation* (Bross 1954, "Misclassification in 2 x 2
tables"). Without that assumption: a rate measured over those called v differs from the rate over those that are v by at
most 1 - min(precision, recall), reached when all errors of one fall on the images that the two sets do not share.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fakeimg.data.judgements import Judgement

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Agreement:
    """One annotator against given values of one attribute; 95 % Wilson intervals.

    Attributes:
        attribute: the column.
        annotator: its name.
        n: images with a given value that the annotator answered.
        unanswered: images with a given value that it did not answer; they are not in `n`.
        value: the share of `n` on which both say the same.
        low: of its interval.
        high: of its interval.
        confusion: counts, a row for each given value and a column for each that the annotator said.
        by_value: one row a value: value, given, said, precision and recall with their intervals, attenuation (of a gap
            between this value and the rest, in a breakdown by the annotator's values), worst_case (how far a rate over
            those called so may lie from the rate over those that are so, whatever the errors).
    """

    attribute: str
    annotator: str
    n: int
    unanswered: int
    value: float
    low: float
    high: float
    confusion: "pd.DataFrame"
    by_value: "pd.DataFrame"

    @property
    def frame(self) -> "pd.DataFrame":
        """One row: attribute, annotator, n, unanswered, agreement, low, high."""
        import pandas as pd

        names = ("attribute", "annotator", "n", "unanswered")
        row = {name: getattr(self, name) for name in names}
        return pd.DataFrame([{**row, "agreement": self.value, "low": self.low, "high": self.high}])

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The confusion: rows are what was given; counts, and shares of their row as colour."""
        from matplotlib.figure import Figure

        if ax is None:
            side = 1.6 + 0.7 * max(self.confusion.shape)
            ax = Figure(figsize=(side, side), layout="constrained").subplots()
        counts = self.confusion.to_numpy()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(shares, cmap="Greens", vmin=0, vmax=1)
        ax.set_xticks(range(counts.shape[1]), self.confusion.columns.astype(str), rotation=45, ha="right")
        ax.set_yticks(range(counts.shape[0]), self.confusion.index.astype(str))
        for i, j in np.ndindex(*counts.shape):
            ax.text(
                j, i, f"{counts[i, j]:,}", ha="center", va="center", color="white" if shares[i, j] > 0.6 else "black"
            )
        ax.set(xlabel=self.annotator, ylabel=f"{self.attribute}, given", title=_worded(self.value, self.low, self.high))
        return ax

    def __str__(self) -> str:
        rate = _worded(self.value, self.low, self.high)
        return f"{self.attribute} by {self.annotator}: {rate} of {self.n:,} agree, {self.unanswered:,} unanswered"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>{self.confusion.to_html()}{self.by_value.to_html(index=False)}"


def compare_values(
    given: "pd.Series[Any]", said: Mapping[int, Judgement], *, attribute: str, annotator: str
) -> Agreement:
    """Compare what an annotator said, by row, with what was given; whether letters are capitals does not matter."""
    import pandas as pd

    known = given[given.notna()].astype(str).str.strip()
    answered = known[known.index.isin(list(said))]
    calls = pd.Series([said[row].value.strip() for row in answered.index], answered.index, dtype=object)
    spelling = {value.casefold(): value for value in [*calls, *answered]}
    calls, answered = (column.map(lambda value: spelling[value.casefold()]) for column in (calls, answered))
    values = sorted(set(answered) | set(calls))
    confusion = pd.crosstab(answered, calls).reindex(index=values, columns=values, fill_value=0)
    confusion.index.name, confusion.columns.name = "given", annotator
    table = confusion.to_numpy()
    right = int(np.trace(table))
    low, high = _wilson(right, len(answered))
    return Agreement(
        attribute,
        annotator,
        len(answered),
        len(known) - len(answered),
        right / len(answered) if len(answered) else float("nan"),
        low,
        high,
        confusion,
        pd.DataFrame([_by_value(table, i, value) for i, value in enumerate(values)]),
    )


def _by_value(table: Any, i: int, value: str) -> dict[str, Any]:
    both, given, said, n = int(table[i, i]), int(table[i].sum()), int(table[:, i].sum()), int(table.sum())
    precision = both / said if said else float("nan")
    recall = both / given if given else float("nan")
    others_right = (n - given - said + both) / (n - said) if n > said else float("nan")
    row: dict[str, Any] = {"value": value, "given": given, "said": said}
    for name, rate, total in (("precision", precision, said), ("recall", recall, given)):
        low, high = _wilson(both, total)
        row |= {name: rate, f"{name}_low": low, f"{name}_high": high}
    return {**row, "attenuation": precision + others_right - 1, "worst_case": 1 - min(precision, recall)}


def _wilson(k: int, n: int) -> tuple[float, float]:
    if n == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(k, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _worded(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
