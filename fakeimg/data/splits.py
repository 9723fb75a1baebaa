"""Dividing a data set into train, validation and test, or into folds: stratified, seeded, and groups kept whole.

Both depend on the paths, labels, strata, groups and the seed alone, never on the order of the rows.

Without groups the division is exact: the totals are the largest-remainder rounding of n · fraction, and every class
and every stratum gets its share rounded down or up (controlled rounding, Cox 1987, "A constructive procedure for
unbiased controlled rounding"). So a stratum with fewer rows than there are parts is in some of them only, which the
seed decides; many such strata are together divided as the fractions say.

With groups, which cannot be cut, the groups are placed from the largest to the smallest, each where the shares of its
strata, its classes and of the whole come nearest to the fractions (after Sechidis et al. 2011, "On the stratification
of multi-label data"). Sizes are then as close as the groups allow.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.layouts import SPLITS
from fakeimg.errors import ConfigError, DatasetError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from fakeimg.data.dataset import Dataset

STRATIFY = ("label", "source")


def assign_splits(
    dataset: "Dataset", fractions: Mapping[str, float], *, seed: int, stratify: Sequence[str] = STRATIFY
) -> "Dataset":
    """The same data with every row in "train", "validation" or "test".

    A division that the data brings along is kept as it is.

    Args:
        dataset: rows that share a `group` go to one side; a row without one is on its own.
        fractions: the share of each split, together 1; a split that is not named, or 0, gets nothing.
        seed: another seed gives another division.
        stratify: columns whose combinations are divided alike; an empty cell is a value of its own.
    Raises:
        ConfigError: the fractions are no division, or a column to stratify by does not exist.
        DatasetError: only some rows have a split.
    """
    for name, fraction in fractions.items():
        if name not in SPLITS:
            raise ConfigError(f"no split {name!r}; the splits are {', '.join(SPLITS)}{did_you_mean(name, SPLITS)}")
        if not 0 <= fraction <= 1:
            raise ConfigError(f"the fraction of {name} is {fraction}; give a number from 0 to 1")
    shares = np.array([fractions.get(name, 0.0) for name in SPLITS])
    if abs(shares.sum() - 1) > 1e-6:
        raise ConfigError(f"the split fractions {dict(fractions)} add up to {shares.sum():g}; they must add up to 1")
    given = int(dataset.frame["split"].notna().sum())
    if given == len(dataset):
        return dataset
    if given:
        raise DatasetError(
            f"{given} of {len(dataset)} rows have a split; fill in the others, or empty the whole column"
        )
    parts = _divide(dataset, shares / shares.sum(), seed, stratify)
    return dataset.assign(split=np.array(SPLITS, dtype=object)[parts])


def assign_folds(dataset: "Dataset", k: int, *, seed: int, stratify: Sequence[str] = STRATIFY) -> NDArray[np.int64]:
    """The fold of each row, 0 to k - 1, shape (n,), by the rules of `assign_splits`; a `split` column is not looked at.

    Raises:
        ConfigError: fewer than two folds, or a column to stratify by does not exist.
        DatasetError: there are fewer groups than folds.
    """
    if k < 2:
        raise ConfigError(f"{k} folds were asked for; give 2 or more")
    if (units := len(np.unique(_units(dataset.frame)))) < k:
        raise DatasetError(f"{units} groups cannot fill {k} folds; ask for fewer folds")
    return _divide(dataset, np.full(k, 1 / k), seed, stratify)


def _divide(dataset: "Dataset", shares: NDArray[np.float64], seed: int, stratify: Sequence[str]) -> NDArray[np.int64]:
    """The part of each row, an index into `shares`."""
    for name in stratify:
        if name not in dataset.frame:
            have = list(dataset.frame.columns)
            raise ConfigError(
                f"no column {name!r} to stratify by; this data has {', '.join(have)}{did_you_mean(name, have)}"
            )
    order = np.argsort(dataset.frame["path"].to_numpy(dtype=str), kind="stable")
    frame = dataset.frame.iloc[order]
    labels = dataset.labels[order]
    cells = [frame[name].fillna("").astype(str).to_numpy(dtype=str) for name in stratify]
    # The class always belongs to the stratum, so that the strata of a class add up to it.
    strata = np.unique(np.stack([labels.astype(str), *cells]), axis=1, return_inverse=True)[1].reshape(-1)
    units = _units(frame)
    random = np.random.default_rng(seed)
    whole = np.bincount(units).max() == 1
    divide = _divide_rows if whole else _divide_groups
    parts = np.empty(len(order), dtype=np.int64)
    parts[order] = divide(units, strata, labels, shares, random)
    return parts


def _units(frame: "pd.DataFrame") -> NDArray[np.int64]:
    """A number for each group, and one for each row without a group, in order of appearance; shape (n,)."""
    number: dict[tuple[str, bool], int] = {}
    alone = frame["group"].isna()
    keys = [
        (path if lone else str(group), lone)
        for path, group, lone in zip(frame["path"], frame["group"], alone, strict=True)
    ]
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)


def _divide_rows(
    units: NDArray[np.int64],
    strata: NDArray[np.int64],
    labels: NDArray[np.int64],
    shares: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    first = np.unique(strata, return_index=True)[1]
    counts = _rounded_table(np.bincount(strata), labels[first], shares, random)
    parts = np.empty(len(strata), dtype=np.int64)
    for stratum, row in enumerate(counts):
        members = np.flatnonzero(strata == stratum)
        parts[random.permutation(members)] = np.repeat(np.arange(len(shares)), row)
    return parts


def _rounded_table(
    sizes: NDArray[np.int64], classes: NDArray[np.int64], shares: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """How many rows of each stratum go to each part, shape (strata, parts).

    Every cell, and every class total, is its exact share rounded down or up; the totals of the parts are the
    largest-remainder rounding. The constraints are those of a flow, so whole numbers that meet them exist.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, eye_array, kron

    exact = _clean(np.outer(sizes, shares))
    totals = _largest_remainder(int(sizes.sum()), shares)
    m, k = exact.shape
    of_stratum = kron(eye_array(m), np.ones((1, k)), format="csr")
    of_part = kron(np.ones((1, m)), eye_array(k), format="csr")
    of_class = kron(csr_array(classes == np.unique(classes)[:, None], dtype=float), eye_array(k), format="csr")
    class_shares = _clean(of_class @ exact.ravel())
    # Which cells are rounded up is left to chance: an exponential race, in which a larger remainder wins more often.
    remainder = exact - np.floor(exact)
    cost = random.exponential(size=exact.shape) / np.where(remainder > 0, remainder, 1.0)
    found = milp(
        cost.ravel(),
        integrality=np.ones(m * k),
        bounds=Bounds(np.floor(exact).ravel(), np.ceil(exact).ravel()),
        constraints=[
            LinearConstraint(of_stratum, sizes, sizes),
            LinearConstraint(of_part, totals, totals),
            LinearConstraint(of_class, np.floor(class_shares), np.ceil(class_shares)),
        ],
    )
    if found.x is None:
        raise DatasetError(f"the strata cannot be divided exactly ({found.message}); stratify by fewer columns")
    return np.rint(found.x).astype(np.int64).reshape(m, k)


def _largest_remainder(total: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    exact = _clean(total * shares)
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def _clean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the noise of the last digits: 100 · 0.07 is 7, and leaves no remainder to hand out."""
    return np.round(values, 7)


def _divide_groups(
    units: NDArray[np.int64],
    strata: NDArray[np.int64],
    labels: NDArray[np.int64],
    shares: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    # Margins to keep in proportion: each stratum, each class, and the whole.
    columns = [strata, labels + strata.max() + 1, np.full_like(labels, strata.max() + labels.max() + 2)]
    contents = np.zeros((units.max() + 1, columns[-1][0] + 1))
    for column in columns:
        np.add.at(contents, (units, column), 1)
    contents = contents[:, contents.any(axis=0)]
    open_parts = np.flatnonzero(shares)
    wanted = np.outer(contents.sum(axis=0), shares[open_parts])
    placed = np.zeros_like(wanted)
    part_of = np.empty(len(contents), dtype=np.int64)
    shuffled = random.permutation(len(contents))
    for unit in shuffled[np.argsort(-contents[shuffled, -1], kind="stable")]:
        content = contents[unit][:, None]
        # The growth of Pearson's chi-square between what is placed and what is wanted.
        growth = (content * (2 * (placed - wanted) + content) / wanted).sum(axis=0)
        best = int(np.argmin(growth))
        placed[:, best] += contents[unit]
        part_of[unit] = open_parts[best]
    return part_of[units]
