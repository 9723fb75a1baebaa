"""Choosing a number of images so that several attributes have given ratios at once.

First, raking finds the share that each combination of values should have: the nearest to the data's own that meets the
ratios of every attribute (Deming and Stephan 1940, "On a least squares adjustment of a sampled frequency table").
Then whole numbers are found by integer programming: those that miss the ratios by the fewest images that the supply
allows, and among them the nearest to the raked shares. Which images fill a number is left to the seed.

Rows of one `group`, a photograph and the fake made from it, are taken together or not at all.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError, DatasetError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Targets = Mapping[str, Mapping[str, float]]

_MISSED = 1000.0  # what missing a ratio by one image costs, beside one image off the raked shares
_SECONDS = 30.0  # for the integer programme; then the best that was found is taken
_RAKING_ROUNDS = 200


@dataclass(frozen=True)
class Selection:
    """The images that were chosen.

    Attributes:
        dataset: they, in their old order.
        table: one row a value: attribute, value, available, target and selected (shares), target_n, selected_n, note.
        left_out: images that could not be chosen for lack of a value of an attribute with a target.
    """

    dataset: Dataset
    table: "pd.DataFrame"
    left_out: int

    @property
    def impossible(self) -> tuple[str, ...]:
        """The targets that could not be met, in words."""
        missed = self.table[self.table["note"] != ""]
        return tuple(f"{row.attribute} = {row.value}: {row.note}" for row in missed.itertuples())

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The achieved share of each value beside its target."""
        from matplotlib.figure import Figure

        if ax is None:
            ax = Figure(figsize=(6, 1 + 0.32 * len(self.table)), layout="constrained").subplots()
        places = np.arange(len(self.table))[::-1]
        ax.barh(places, self.table["selected"], height=0.6, color="#0f766e", label="selected")
        ax.scatter(self.table["target"], places, marker="|", s=260, color="#c2410c", linewidths=2, label="target")
        ax.set_yticks(places, [f"{row.attribute} {row.value}" for row in self.table.itertuples()])
        ax.set(xlabel="share of the selected images", xlim=(0, None))
        ax.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
        ax.spines[["top", "right"]].set_visible(False)
        return ax

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self.dataset).strip('<>'))}</p>{self.table.to_html(index=False)}"


def select(
    data: Dataset | Path | str,
    n: int,
    *,
    balance: Sequence[str] = (),
    targets: Targets | None = None,
    seed: int = 0,
) -> Selection:
    """Choose `n` images.

    A target that the data cannot meet does not fail: the nearest that there is is chosen, and the table says so.

    Args:
        data: a data set, or where one is.
        n: how many images. With groups of more than one image, as near to it from below as whole groups come.
        balance: columns whose values should all be equally frequent.
        targets: for a column, the weight of each value; weights are divided by their sum, and a value that is not
            named gets none.
        seed: another seed chooses other images.
    Raises:
        ConfigError: neither `balance` nor `targets`, a column in both, or weights that are no weights.
        DatasetError: no such column or value, or fewer images than `n` have a value in every column.
    """
    import pandas as pd

    dataset = data if isinstance(data, Dataset) else Dataset.open(data)
    if n < 1:
        raise ConfigError(f"{n} images cannot be chosen; ask for 1 or more")
    shares = _shares(dataset, balance, targets or {})
    frame = dataset.frame
    values = frame[list(shares)].astype(object)
    complete = values.notna().all(axis=1).to_numpy()
    names = values.where(values.notna(), "").astype(str)
    wanted = np.array(
        [names[column].isin([v for v, share in shares[column].items() if share > 0]) for column in shares]
    )
    units = _units(dataset)
    # A group with one image that cannot be taken cannot be taken.
    refused = np.isin(units, units[~(complete & wanted.all(axis=0))])
    rows = np.flatnonzero(~refused)
    if len(rows) < n:
        raise DatasetError(f"{n} images were asked for; {len(rows)} have a wanted value of {', '.join(shares)}")
    cells, cell_of = np.unique(names.iloc[rows].to_numpy(dtype=str), axis=0, return_inverse=True)
    chosen = _choose(cells, cell_of.reshape(-1), units[rows], list(shares.values()), n, seed)
    selected = dataset.take(np.sort(rows[chosen]))
    table = pd.DataFrame([row for column in shares for row in _report(dataset, selected, column, shares[column])])
    return Selection(selected, table, int((~complete).sum()))


def _shares(dataset: Dataset, balance: Sequence[str], targets: Targets) -> dict[str, dict[str, float]]:
    """The wanted share of each value of each column."""
    if not balance and not targets:
        raise ConfigError("say what to balance, or give target ratios")
    if twice := [name for name in balance if name in targets]:
        raise ConfigError(f"{twice[0]!r} is to be balanced and has target ratios; give one of the two")
    shares: dict[str, dict[str, float]] = {}
    for name in (*targets, *balance):
        have = [column for column in dataset.frame.columns if column != "path"]
        if name not in have:
            raise DatasetError(f"this data has no column {name!r}; it has {', '.join(have)}{did_you_mean(name, have)}")
        values = sorted(dataset.frame[name].dropna().astype(str).unique())
        if not values:
            raise DatasetError(f"no image has a value of {name!r}; annotate it first")
        weights = dict(targets[name]) if name in targets else dict.fromkeys(values, 1.0)
        if unknown := [value for value in weights if value not in values]:
            raise DatasetError(
                f"{name} is never {unknown[0]!r}; it is {', '.join(values)}{did_you_mean(unknown[0], values)}"
            )
        total = sum(weights.values())
        if min(weights.values()) < 0 or not 0 < total < float("inf"):
            raise ConfigError(f"the target ratios of {name} are {dict(weights)}; give weights of 0 or more")
        shares[name] = {value: weights.get(value, 0.0) / total for value in values}
    return shares


def _choose(
    cells: NDArray[Any],
    cell_of: NDArray[np.int64],
    units: NDArray[np.int64],
    shares: Sequence[Mapping[str, float]],
    n: int,
    seed: int,
) -> NDArray[np.int64]:
    """Positions of the rows to take.

    Args:
        cells: (k, columns) the combinations of values.
        cell_of: (rows,) the combination of each row.
        units: (rows,) the group of each row.
        shares: by column, the wanted share of each value.
    """
    _, unit_of = np.unique(units, return_inverse=True)
    contents = np.zeros((unit_of.max() + 1, len(cells)), dtype=np.int64)
    np.add.at(contents, (unit_of, cell_of), 1)
    # Units that hold the same combinations can stand for each other.
    kinds, kind_of = np.unique(contents, axis=0, return_inverse=True)
    supply = np.bincount(kind_of.reshape(-1))
    margins, targets = [], []
    for column, share in enumerate(shares):
        for value, wanted in share.items():
            if wanted > 0:
                margins.append(cells[:, column] == value)
                targets.append(wanted)
    member = np.array(margins, dtype=float)
    raked = n * _rake(np.bincount(cell_of).astype(float), member, np.array(targets))
    counts = _whole_numbers(kinds.astype(float), supply, member, n * np.array(targets), raked, n)
    random = np.random.default_rng(seed)
    taken = [
        random.permutation(np.flatnonzero(kind_of.reshape(-1) == kind))[:count] for kind, count in enumerate(counts)
    ]
    return np.flatnonzero(np.isin(unit_of, np.concatenate(taken)))


def _rake(counts: NDArray[np.float64], member: NDArray[Any], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shares of the combinations, scaled until every margin is met, or as nearly as alternating can."""
    shares = counts / counts.sum()
    for _ in range(_RAKING_ROUNDS):
        for margin, wanted in zip(member, targets, strict=True):
            inside = margin > 0
            total = shares[inside].sum()
            if total > 0:
                shares[inside] *= wanted / total
    return np.asarray(shares / shares.sum())


def _whole_numbers(
    kinds: NDArray[np.float64],
    supply: NDArray[np.int64],
    member: NDArray[np.float64],
    targets: NDArray[np.float64],
    raked: NDArray[np.float64],
    n: int,
) -> NDArray[np.int64]:
    """How many units of each kind to take, shape (kinds,); see the module's text for what is best."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    k, m, c = len(kinds), len(targets), kinds.shape[1]
    sizes = kinds.sum(axis=1)
    # Unknowns: the number of each kind, then how far each margin and each combination is missed, up and down alike.
    goals = vstack([csr_array(member @ kinds.T), csr_array(kinds.T)])
    aims = np.concatenate([targets, raked])
    missed = eye_array(m + c)
    # Every image that is not taken costs as much as missing every margin by it.
    cost = np.concatenate([-_MISSED * (m + 1) * sizes, np.full(m, _MISSED), np.ones(c)])
    zeros = csr_array((1, m + c))
    found = milp(
        cost,
        integrality=np.concatenate([np.ones(k), np.zeros(m + c)]),
        bounds=Bounds(0, np.concatenate([supply, np.full(m + c, np.inf)])),
        constraints=[
            LinearConstraint(hstack([goals, -missed], format="csr"), -np.inf, aims),
            LinearConstraint(hstack([goals, missed], format="csr"), aims, np.inf),
            LinearConstraint(hstack([csr_array(sizes[None, :]), zeros], format="csr"), 0, n),
        ],
        options={"time_limit": _SECONDS, "mip_rel_gap": 1e-6},
    )
    if found.x is None:
        raise DatasetError(f"no selection could be found ({found.message}); give fewer targets")
    return np.rint(found.x[:k]).astype(np.int64)


def _units(dataset: Dataset) -> NDArray[np.int64]:
    """A number for each group, and one for each row without a group."""
    import pandas as pd

    codes = pd.factorize(dataset.frame["group"].astype(object))[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def _report(dataset: Dataset, selected: Dataset, column: str, shares: Mapping[str, float]) -> list[dict[str, Any]]:
    available = dataset.frame[column].dropna().astype(str).value_counts()
    taken = selected.frame[column].astype(str).value_counts()
    rows = []
    for value, share in shares.items():
        wanted, got = share * len(selected), int(taken.get(value, 0))
        note = ""
        if wanted > int(available[value]) + 0.5:
            note = f"{wanted:.0f} wanted, {int(available[value])} there are"
        elif abs(wanted - got) >= 1.5:
            note = f"{wanted:.0f} wanted, {got} possible together with the other targets"
        rows.append(
            {
                "attribute": column,
                "value": value,
                "available": int(available[value]),
                "target": share,
                "selected": got / len(selected),
                "target_n": round(wanted),
                "selected_n": got,
                "note": note,
            }
        )
    return rows
