"""Accuracy and errors by attribute value, and whether any difference between values is more than chance."""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ConfigError, DatasetError, did_you_mean
from fakeimg.evaluation.predictions import ScoredImages
from fakeimg.scoring.intervals import newcombe, wilson

if TYPE_CHECKING:
    import pandas as pd

SUFFICIENT = 30
SIGNIFICANT = 0.05
MOST_VALUES = 20
MISSING = "(missing)"
CROSS = " × "
PERMUTATIONS = 10_000
_DISTINCT = 10  # a numeric attribute with more values than this is cut into quarters
_NOT_ATTRIBUTES = {
    *("path", "label", "source", "generator", "split", "group", "truncated"),
    *("status", "verdict", "reason", "loss", "correct"),
}
_LABEL_MIX = 0.1  # shares of fakes further apart than this are worth a note


def breakdown(
    predictions: Any,
    by: str | Sequence[str],
    *,
    within: str | Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    depth: int = 1,
    negative: str | None = None,
    threshold: float = 0.5,
) -> "pd.DataFrame":
    """How well each value of each attribute is judged, one row a value.

    Columns: attribute, value, n, n_real, n_fake; accuracy, fpr (reals called fake) and fnr (fakes called real) with
    Wilson bounds; `gap`, accuracy minus that of all other images, with Newcombe bounds; `p_value`, exact and two-sided,
    of its errors within each label against chance; `p_adjusted`, Holm's over all rows tested; `expected`, the accuracy
    that the value's mix of labels predicts; `omnibus_p`, of the whole attribute, by permutation within labels; note.

    Both tests hold the labels fixed, because values differ in their share of fakes and fakes may be harder than reals.
    They take images as independent. Values with fewer than 30 images, and missing ones, have a row but are not tested.

    Args:
        predictions: what `ScoredImages.open` reads: a DataFrame (label, probability_fake, …), a file, a folder.
        by: attribute columns; numeric ones with more than 10 values are cut into quarters.
        within: columns that the tests hold fixed besides the label. With "source", a value is not called worse only
            because its images come from a harder generator.
        sample: take this many images at random of each value (the published style), instead of all.
        depth: 2 adds every pair of attributes.
    Raises:
        DatasetError: an attribute is missing, or the predictions cannot be read.
        ConfigError: `depth` or `sample` is out of range.
    Source: Mantel and Haenszel 1959, JNCI 22:719-748, in its exact form; Holm 1979, Scand. J. Statistics 6:65-70.
    """
    import pandas as pd

    if depth not in (1, 2):
        raise ConfigError(f"depth is 1 (single attributes) or 2 (and their pairs), got {depth!r}")
    if sample is not None and sample < 1:
        raise ConfigError(f"sample is a number of images a value, got {sample}")
    images = ScoredImages.open(predictions, negative=negative, threshold=threshold)
    names = [by] if isinstance(by, str) else list(dict.fromkeys(by))
    values = {name: attribute_values(images.frame, name) for name in names}
    if depth == 2:
        for first, second in combinations(names, 2):
            pairs = zip(values[first], values[second], strict=True)
            values[first + CROSS + second] = np.array([a + CROSS + b for a, b in pairs], object)
    fixed = [within] if isinstance(within, str) else list(within)
    columns = [attribute_values(images.frame, name) for name in fixed]
    strata = pd.factorize(pd.MultiIndex.from_arrays([images.frame["label"].astype(str), *columns]))[0]
    rng = np.random.default_rng(seed)
    rows = [row for name in values for row in _rows(name, values[name], images, strata, sample, rng)]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["p_adjusted"] = holm(table["p_value"].to_numpy(np.float64))
    return table


def describe(table: "pd.DataFrame") -> str:
    """A sentence for each attribute; a worst value is named only where omnibus and adjusted p-value are at most .05."""
    return "\n".join(f"{name}: {_sentence(rows)}" for name, rows in table.groupby("attribute", sort=False))


def worst(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows that both tests allow to be called worse than their labels predict, furthest below first."""
    allowed = (table["omnibus_p"] <= SIGNIFICANT) & (table["p_adjusted"] <= SIGNIFICANT)
    below = (table["expected"] - table["accuracy"])[allowed & (table["accuracy"] < table["expected"])]
    return table.loc[below.sort_values(ascending=False, kind="stable").index]


def attribute_values(frame: "pd.DataFrame", name: str) -> NDArray[np.object_]:
    """The values of an attribute as text, (n,); quarters of a numeric one read "18-29"."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if name not in frame.columns:
        columns = [str(column) for column in frame.columns]
        had = ", ".join(columns) + did_you_mean(name, columns)
        raise DatasetError(f"no attribute {name!r}; these predictions have {had}")
    column = frame[name]
    present = column.notna() & (column.astype(str) != "")
    values = np.full(len(frame), MISSING, object)
    known = column[present]
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        if known.nunique() > _DISTINCT:
            quarter = pd.qcut(known, 4, duplicates="drop")
            edges = known.groupby(quarter, observed=True).agg(["min", "max"])
            named = {cut: f"{low:g}-{high:g}" for cut, low, high in edges.itertuples()}
            values[present] = [named[cut] for cut in quarter]
        else:
            values[present] = [f"{number:g}" for number in known]
    else:
        values[present] = known.astype(str)
    return values


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down adjustment, (m,); NaN stays NaN and is not counted."""
    adjusted = np.full(p_values.size, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * np.arange(order.size, 0, -1)), 1.0)
    return adjusted


_COLUMNS = (
    *("attribute", "value", "n", "n_real", "n_fake", "accuracy", "low", "high"),
    *("fpr", "fpr_low", "fpr_high", "fnr", "fnr_low", "fnr_high", "gap", "gap_low", "gap_high"),
    *("p_value", "p_adjusted", "expected", "omnibus_p", "note"),
)


def _rows(
    name: str,
    values: NDArray[np.object_],
    images: ScoredImages,
    strata: NDArray[np.int64],
    sample: int | None,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """The rows of one attribute."""
    order = sorted(set(values), key=_natural)
    available = {value: np.flatnonzero(values == value) for value in order}
    taken = available
    if sample is not None:
        taken = {value: rng.permutation(where)[:sample] for value, where in available.items()}
    chosen = np.concatenate([taken[value] for value in order])
    code = np.repeat(np.arange(len(order)), [len(taken[value]) for value in order])
    fake, wrong = images.fake[chosen], ~images.correct[chosen]
    _, stratum = np.unique(strata[chosen], return_inverse=True)
    sizes, errors = (np.zeros((len(order), stratum.max() + 1), np.int64) for _ in range(2))
    np.add.at(sizes, (code, stratum), 1)
    np.add.at(errors, (code, stratum), wrong)
    total_errors = errors.sum(axis=0)
    expected = (sizes * (total_errors / sizes.sum(axis=0))).sum(axis=1)
    tested = [i for i, v in enumerate(order) if MISSING not in v and sizes[i].sum() >= SUFFICIENT]
    tested = tested if len(tested) > 1 else []
    omnibus = _omnibus(sizes, errors, tested, rng) if tested else np.nan
    rows = []
    for i, value in enumerate(order):
        here, n = code == i, int(sizes[i].sum())
        right, n_fake = n - int(errors[i].sum()), int(fake[here].sum())
        rest, n_rest = int((~wrong[~here]).sum()), chosen.size - n
        row: dict[str, Any] = {
            "attribute": name,
            "value": value,
            "n": n,
            "n_real": n - n_fake,
            "n_fake": n_fake,
        }
        for rate, interval in (
            ("accuracy", wilson(right, n)),
            ("fpr", wilson(int((wrong & ~fake & here).sum()), n - n_fake)),
            ("fnr", wilson(int((wrong & fake & here).sum()), n_fake)),
            ("gap", newcombe(right, n, rest, n_rest)),
        ):
            prefix = "" if rate == "accuracy" else f"{rate}_"
            row |= {rate: interval.value, f"{prefix}low": interval.low, f"{prefix}high": interval.high}
        row["expected"] = 1 - expected[i] / n
        row["p_value"] = exact_p(sizes, errors, i) if i in tested else np.nan
        row["omnibus_p"] = omnibus
        row["note"] = "; ".join(_notes(value, n, n_fake, int(fake.sum()), chosen.size, len(available[value])))
        rows.append(row)
    return rows


def exact_p(sizes: NDArray[np.int64], errors: NDArray[np.int64], group: int) -> float:
    """Two-sided p-value of a group's errors, were they drawn at random among the images of the same label.

    Errors in each label are hypergeometric, their sum a convolution; outcomes no likelier than the one seen add up.

    Args:
        sizes, errors: (groups, labels) counts of images and of wrongly judged ones.
    """
    from scipy.stats import hypergeom

    likelihood, lowest = np.ones(1), 0
    for label in range(sizes.shape[1]):
        total, wrong, drawn = int(sizes[:, label].sum()), int(errors[:, label].sum()), int(sizes[group, label])
        support = np.arange(max(0, wrong + drawn - total), min(wrong, drawn) + 1)
        likelihood = np.convolve(likelihood, hypergeom.pmf(support, total, wrong, drawn))
        lowest += int(support[0])
    seen = likelihood[int(errors[group].sum()) - lowest]
    return min(1.0, float(likelihood[likelihood <= seen * (1 + 1e-7)].sum()))


def _omnibus(sizes: NDArray[np.int64], errors: NDArray[np.int64], tested: list[int], rng: np.random.Generator) -> float:
    """p-value of the spread between groups, from `PERMUTATIONS` shuffles of the errors within each label.

    Only the counts of such a shuffle matter; they are multivariate hypergeometric, so they are drawn directly.
    """
    totals, wrong = sizes.sum(axis=0), errors.sum(axis=0)
    rate = wrong / totals
    spread = rate * (1 - rate) * sizes * (totals - sizes) / np.maximum(totals - 1, 1)
    variance, mean = spread.sum(axis=1)[tested], (sizes * rate).sum(axis=1)[tested]
    drawn = sum(
        rng.multivariate_hypergeometric(sizes[:, label], int(wrong[label]), PERMUTATIONS, method="marginals")
        for label in range(totals.size)
    )

    def statistic(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        deviation = (counts - mean) ** 2
        result: NDArray[np.float64] = (deviation / np.where(variance > 0, variance, np.inf)).sum(axis=-1)
        return result

    as_large = statistic(np.asarray(drawn)[:, tested]) >= statistic(errors.sum(axis=1)[tested]) * (1 - 1e-9)
    return float((1 + as_large.sum()) / (1 + PERMUTATIONS))


def _notes(value: str, n: int, n_fake: int, all_fake: int, everything: int, available: int) -> list[str]:
    notes = []
    if n < SUFFICIENT:
        notes.append(f"insufficient: fewer than {SUFFICIENT} images")
    if n < available:
        notes.append(f"sample of {n:,} of {available:,}")
    if n_fake in (0, n):
        notes.append("only fake images" if n_fake else "only real images")
    elif everything > n:
        share, elsewhere = n_fake / n, (all_fake - n_fake) / (everything - n)
        if abs(share - elsewhere) > _LABEL_MIX:
            notes.append(f"{share:.0%} fakes, the rest {elsewhere:.0%}: read the gap beside `expected`")
    return notes


def _sentence(rows: "pd.DataFrame") -> str:
    tested = rows[rows["p_value"].notna()]
    if tested.empty:
        return f"too few images to compare; fewer than two values have {SUFFICIENT}."
    omnibus = _p(rows["omnibus_p"].iloc[0])
    named, values = worst(rows), f"its {len(tested)} values with {SUFFICIENT} images or more"
    if rows["omnibus_p"].iloc[0] > SIGNIFICANT:
        return f"no evidence of a gap between {values} ({omnibus})."
    if named.empty:
        return f"{values} may differ ({omnibus}), but none is worse beyond chance once all tests are counted."
    row = named.iloc[0]
    return (
        f"“{row['value']}” is judged worst: {row['accuracy']:.1%} [{row['low']:.1%}, {row['high']:.1%}] of "
        f"{row['n']:,} images right, where its mix of labels predicts {row['expected']:.1%} "
        f"(adjusted {_p(row['p_adjusted'])}); "
        f"{100 * row['gap']:+.1f} points [{100 * row['gap_low']:+.1f}, {100 * row['gap_high']:+.1f}] against the rest."
    )


def _natural(value: str) -> tuple[bool, list[tuple[int, str]]]:
    """Sorts "9-17" before "18-29", and missing values last."""
    parts = re.findall(r"\d+|\D+", value)
    return MISSING in value, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p = {value:.2g}".replace("0.", ".", 1)


def dividing_attributes(predictions: "pd.DataFrame") -> list[str]:
    """The columns that divide images into groups: numbers, which are binned, and what has at most 20 values."""
    from pandas.api.types import is_numeric_dtype

    def divides(name: str) -> bool:
        column = predictions[name]
        if name in _NOT_ATTRIBUTES or name.startswith("probability_") or not column.notna().any():
            return False
        if name.removesuffix("_annotator").removesuffix("_confidence") != name:  # who judged it, and how surely
            return False
        return bool(is_numeric_dtype(column)) or column.nunique() <= MOST_VALUES

    return [name for name in map(str, predictions.columns) if divides(name)]
