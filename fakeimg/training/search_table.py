"""The tables of a search: one row a run, and one row a cell with the mean of its runs and an interval."""

from collections.abc import Sequence
from math import nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from fakeimg.scoring.intervals import Z, auc_bounds, mean_of_rates, wilson
from fakeimg.training.cell_record import METRICS, Record
from fakeimg.training.grid import Cell, canonical

if TYPE_CHECKING:
    import pandas as pd


def run_table(cells: Sequence[Cell], records: Sequence[tuple[int, Record]]) -> "pd.DataFrame":
    """One row a run: the axes, seed, fold, metrics, best epoch, seconds, status and error."""
    import pandas as pd

    rows = []
    for number, record in records:
        row = {"cell": number, **_shown(cells[number]), "seed": record["seed"], "fold": record["fold"]}
        row |= dict.fromkeys(METRICS, nan) | {k: v for k, v in record.get("metrics", {}).items() if v is not None}
        row |= {name: record.get(name) for name in ("n", "best_epoch", "status", "error", "seconds", "key")}
        rows.append(row)
    return pd.DataFrame(rows)


def cell_table(cells: Sequence[Cell], records: Sequence[tuple[int, Record]], errors: dict[int, str]) -> "pd.DataFrame":
    """One row a cell: the axes, seed and fold (or their range), each metric's mean with its 95 % interval, and so on.

    `status` is "ok", "error", or "not run" for a cell that a stopped search did not come to.
    """
    import pandas as pd

    rows = []
    for number, cell in enumerate(cells):
        mine = sorted((r for n, r in records if n == number), key=lambda r: (r["repeat"], r["fold"] or 0))
        good = [record for record in mine if record["status"] == "ok"]
        failed = [record["error"] for record in mine if record["status"] == "error"]
        error = errors.get(number) or (failed[0] if failed else None)
        row = _shown(cell)
        row |= {"seed": _span(r["seed"] for r in mine), "fold": _span(r["fold"] for r in mine), "runs": len(good)}
        row["status"] = "error" if error else "ok" if good else "not run"
        row["error"] = error
        row["n"] = sum(r["n"] for r in good if r["repeat"] == good[0]["repeat"]) if good else 0
        for metric in METRICS:
            value, low, high = mean_with_interval(good, metric) if good and not error else (nan, nan, nan)
            row |= {metric: value, f"{metric}_low": low, f"{metric}_high": high}
        row["best_epoch"] = float(np.mean([r["best_epoch"] for r in good])) if good else nan
        row["seconds"] = sum(r["seconds"] for r in good)
        rows.append(row)
    return pd.DataFrame(rows)


def mean_with_interval(records: Sequence[Record], metric: str) -> tuple[float, float, float]:
    """The mean of a metric over a cell's runs, and its 95 % interval.

    The interval of the mean value on as many images as were validated on, or that of the spread of the runs where it is
    wider: Student's t with the variance corrected for training sets that overlap (Nadeau and Bengio 2003, "Inference
    for the generalization error", eq. 9). NaN where a run could not measure it.
    """
    values = [record["metrics"][metric] for record in records]
    if any(value is None for value in values):
        return nan, nan, nan
    mean = float(np.mean(values))
    low, high = _interval_of_one(records, metric, mean)
    if len(values) > 1:
        from scipy.stats import t

        validated, trained = (float(np.mean([record[name] for record in records])) for name in ("n", "n_train"))
        deviation = sqrt((1 / len(values) + validated / trained) * float(np.var(values, ddof=1)))
        half = float(t.ppf(0.975, len(values) - 1)) * deviation
        low, high = min(low, mean - half), max(high, mean + half)
    floor, ceiling = (0.0, np.inf) if metric == "loss" else (0.0, 1.0)
    return mean, max(low, floor), min(high, ceiling)


def best_cell(table: "pd.DataFrame", cells: Sequence[Cell], metric: str) -> int | None:
    """The number of the cell with the best mean `metric`; ties go to the lower loss, then by the values themselves."""
    sign = -1 if metric == "loss" else 1
    candidates = [
        (-sign * value, loss, canonical(dict(sorted(cells[number].values.items()))), number)
        for number, (status, value, loss) in enumerate(
            zip(table["status"], table[metric].astype(float), table["loss"].astype(float), strict=True)
        )
        if status == "ok" and value == value
    ]
    return min(candidates)[-1] if candidates else None


def _interval_of_one(records: Sequence[Record], metric: str, mean: float) -> tuple[float, float]:
    """As if the mean had been measured once, on all images that one repeat validates on."""
    repeat = [record for record in records if record["repeat"] == records[0]["repeat"]]
    counts = np.sum([record["classes"] for record in repeat], axis=0)
    n, positive = int(counts.sum()), int(counts[1:].sum())
    if metric == "auc":
        return auc_bounds(mean, positive, n - positive)
    if metric == "loss":
        deviation = float(np.mean([record["loss_deviation"] for record in repeat])) / sqrt(n)
        return mean - Z * deviation, mean + Z * deviation
    if metric == "balanced_accuracy":
        rate = mean_of_rates([wilson(mean * int(count), int(count)) for count in counts])
        return rate.low, rate.high
    if metric == "recall":
        n = positive
    elif metric == "precision":  # of those called positive: recall times the positives, over the precision
        recall = float(np.mean([record["metrics"]["recall"] for record in records]))
        n = max(1, round(recall * positive / mean)) if mean else max(1, n - positive)
    rate = wilson(mean * n, n)
    return rate.low, rate.high


def _shown(cell: Cell) -> dict[str, Any]:
    """Axis values as a table can hold them: numbers and text as they are, lists as text."""
    return {
        axis: value if isinstance(value, int | float | str) else canonical(value) for axis, value in cell.values.items()
    }


def _span(values: Any) -> str:
    known = sorted({int(value) for value in values if value is not None})
    return "" if not known else str(known[0]) if len(known) == 1 else f"{known[0]}-{known[-1]}"
