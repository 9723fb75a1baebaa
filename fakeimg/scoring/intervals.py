"""How far a measured number may lie from the true one: two-sided 95 % intervals, never of zero width."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.errors import DatasetError
from fakeimg.scoring.ranking import Ranking

LEVEL = 0.95
Z = 1.959963984540054  # the normal quantile at (1 + LEVEL) / 2
RESAMPLES = 1000
_ELEMENTS = 1_000_000  # resample counts held at a time


@dataclass(frozen=True)
class Interval:
    """A number measured on `n` items and its 95 % interval; `value` is NaN where nothing could be measured."""

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """The four fields; NaN, which JSON cannot name, becomes null."""
        return {
            "value": _number(self.value),
            "low": _number(self.low),
            "high": _number(self.high),
            "n": self.n,
        }

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n:,}"


def wilson(k: float, n: int) -> Interval:
    """The rate `k / n` with its score interval; `k` may be a fraction of a count (an effective one).

    Source: Wilson 1927, JASA 22:209-212.
    """
    if n == 0:
        return Interval(nan, 0.0, 1.0, 0)
    rate = k / n
    centre = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Interval(rate, 0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half, n)


def newcombe(k1: int, n1: int, k2: int, n2: int) -> Interval:
    """The difference `k1 / n1 - k2 / n2` of two independent rates; `n` is both samples together.

    Source: Newcombe 1998, Statistics in Medicine 17:873-890, method 10.
    """
    if n1 == 0 or n2 == 0:
        return Interval(nan, -1.0, 1.0, n1 + n2)
    a, b = wilson(k1, n1), wilson(k2, n2)
    difference = a.value - b.value
    low = difference - sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    high = difference + sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Interval(difference, max(low, -1.0), min(high, 1.0), n1 + n2)


def newcombe_paired(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """The difference of two rates measured on the same items: (only_first - only_second) / n.

    Source: Newcombe 1998, Statistics in Medicine 17:2635-2650, method 10.
    """
    n = both + only_first + only_second + neither
    if n == 0:
        return Interval(nan, -1.0, 1.0, 0)
    a, b = wilson(both + only_first, n), wilson(both + only_second, n)
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    cross: float = both * neither - only_first * only_second
    if cross > 0:
        cross = max(cross - n / 2, 0.0)  # Newcombe's continuity correction
    correlation = cross / sqrt(margins) if margins else 0.0

    def spread(near: float, far: float) -> float:
        return sqrt(max(near**2 - 2 * correlation * near * far + far**2, 0.0))

    difference = (only_first - only_second) / n
    low = difference - spread(a.value - a.low, b.high - b.value)
    high = difference + spread(a.high - a.value, b.value - b.low)
    return Interval(difference, max(low, -1.0), min(high, 1.0), n)


def f1_interval(true_positives: int, false_positives: int, false_negatives: int) -> Interval:
    """F1 with an interval; `n` counts the items that enter it (everything but the true negatives).

    F1 = 2J / (1 + J) rises with J = TP / (TP + FP + FN), which is a plain rate: J's Wilson interval is carried over.
    Source: Lam, Gopal and Qian 2023, "Confidence intervals for the F1 score" (the indirect Wilson method).
    """
    overlap = wilson(true_positives, true_positives + false_positives + false_negatives)
    value, low, high = (2 * j / (1 + j) for j in (overlap.value, overlap.low, overlap.high))
    return Interval(value, low, high, overlap.n)


def mean_of_rates(rates: Sequence[Interval]) -> Interval:
    """The plain mean of independent rates, as in balanced accuracy.

    Source: Zou and Donner 2008, Statistics in Medicine 27:1693-1702 (variance recovered from each rate's own bounds).
    """
    value = sum(rate.value for rate in rates) / len(rates)
    if isnan(value):
        return Interval(nan, 0.0, 1.0, sum(rate.n for rate in rates))
    low = value - sqrt(sum((rate.value - rate.low) ** 2 for rate in rates)) / len(rates)
    high = value + sqrt(sum((rate.high - rate.value) ** 2 for rate in rates)) / len(rates)
    return Interval(value, max(low, 0.0), min(high, 1.0), sum(rate.n for rate in rates))


def mcnemar(b: int, c: int) -> float:
    """Two-sided exact p-value that `b` and `c`, the items only one of two models gets wrong, differ by chance alone.

    Source: McNemar 1947, Psychometrika 12:153-157; the exact form is the sign test on the discordant pairs.
    """
    from scipy.stats import binomtest

    return float(binomtest(b, b + c, 0.5).pvalue) if b + c else 1.0


def auc_bounds(value: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    """Score bounds of an AUC; unlike the bootstrap's and DeLong's they stay apart when the classes separate perfectly.

    Source: Newcombe 2006, Statistics in Medicine 25:559-573, method 5; variance of Hanley and McNeil 1982.
    """
    weight = (n_positive + n_negative) / 2 - 1

    def inside(theta: float) -> bool:
        spread = 1 + weight * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (theta - value) ** 2 <= Z**2 * theta * (1 - theta) * spread / (n_positive * n_negative)

    def edge(outer: float) -> float:
        inner = value
        for _ in range(60):
            middle = (inner + outer) / 2
            inner, outer = (middle, outer) if inside(middle) else (inner, middle)
        return inner

    return (0.0 if value == 0 else edge(0.0)), (1.0 if value == 1 else edge(1.0))


def auc_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """The area under the ROC curve, by a bootstrap of whole groups, widened to `auc_bounds` where it is narrower.

    Args:
        labels: (n,), true or 1 for the positive class; both classes must occur.
        scores: (n,), higher means more positive; only their order counts.
        groups: (n,) images of one group are not independent and are drawn together; a missing value is its own group.
    Raises:
        DatasetError: only one class occurs.
    Source: Field and Welsh 2007, JRSS B 69:369-390 (cluster bootstrap); `auc_bounds`.
    """
    positive = np.asarray(labels).astype(bool)
    codes = group_codes(groups, positive.size)
    counts = class_counts(positive, codes)
    if min(counts) == 0:
        raise DatasetError(f"an AUC needs both classes, got {positive.sum()} positive of {positive.size} images")
    ranking = Ranking(positive, np.asarray(scores, float))
    value = float(ranking.auc(np.ones((1, positive.size)))[0])
    low, high = bootstrap_bounds(ranking.auc, codes, seed, resamples)
    floor, ceiling = auc_bounds(value, *counts)
    return Interval(value, float(min(low, floor)), float(max(high, ceiling)), positive.size)


def bootstrap(
    statistic: Callable[..., float],
    arrays: Sequence[ArrayLike],
    groups: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """`statistic(*arrays)` with its bootstrap interval: BCa, or percentiles over whole groups where `groups` is given.

    The statistic is taken to lie in [0, 1]: where no resample moves it, Wilson's bounds stand in for a zero width.

    Args:
        arrays: each (n, …); their rows belong together.
        groups: (n,) images of one group are drawn together.
    Source: Efron 1987, JASA 82:171-185 (BCa); Field and Welsh 2007 (cluster bootstrap).
    """
    columns = [np.asarray(array) for array in arrays]
    n = len(columns[0])
    value = float(statistic(*columns))
    codes = group_codes(groups, n)
    independent = int(codes.max()) + 1
    if groups is None:
        from scipy.stats import DegenerateDataWarning
        from scipy.stats import bootstrap as resample

        rows = np.arange(n)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", DegenerateDataWarning)  # answered below
            result: Any = resample(
                (rows,),
                lambda chosen: statistic(*(column[chosen] for column in columns)),
                n_resamples=resamples,
                vectorized=False,
                method="BCa",
                rng=np.random.default_rng(seed),
            )
        low, high = float(result.confidence_interval.low), float(result.confidence_interval.high)
    else:
        members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        rng = np.random.default_rng(seed)
        draws = []
        for _ in range(resamples):
            rows = np.concatenate([members[code] for code in rng.integers(independent, size=independent)])
            draws.append(statistic(*(column[rows] for column in columns)))
        low, high = (float(bound) for bound in np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    if not low < high:
        stand_in = wilson(value * independent, independent)
        low, high = stand_in.low, stand_in.high
    return Interval(value, min(low, value), max(high, value), n)


def group_codes(groups: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Group numbers 0, 1, … of shape (n,); an image without a group (none, NaN or empty) is a group of its own."""
    if groups is None:
        return np.arange(n)
    import pandas as pd

    names = pd.Series(np.asarray(groups, object)).replace("", None)
    if len(names) != n:
        raise DatasetError(f"got {len(names)} groups for {n} images")
    codes = pd.factorize(names)[0].astype(np.int64)
    missing = codes < 0
    codes[missing] = codes.max(initial=-1) + 1 + np.arange(missing.sum())
    return codes


def class_counts(positive: NDArray[np.bool_], codes: NDArray[np.int64]) -> tuple[int, int]:
    """How many independent groups show the positive class, and how many the negative one."""
    return len(np.unique(codes[positive])), len(np.unique(codes[~positive]))


def bootstrap_counts(codes: NDArray[np.int64], seed: int, resamples: int = RESAMPLES) -> Iterator[NDArray[np.float64]]:
    """How often each image occurs in each bootstrap resample of whole groups, (resamples, n) in blocks of rows.

    A resample *is* these counts, so that a statistic that takes weights is computed for a block at once.
    """
    rng = np.random.default_rng(seed)
    groups = int(codes.max()) + 1
    block = max(1, _ELEMENTS // max(groups, codes.size))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
        yield counts[:, codes].astype(np.float64)


def bootstrap_bounds(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    codes: NDArray[np.int64],
    seed: int,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Percentile bounds, shape (2, …), of a statistic that takes (r, n) counts to (r, …) values; NaN is left out."""
    draws = np.concatenate([statistic(counts) for counts in bootstrap_counts(codes, seed, resamples)])
    bounds: NDArray[np.float64] = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return bounds


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)
