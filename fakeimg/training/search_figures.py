"""Figures of a search: a heatmap of two axes, lines over the epochs, or cells in order with their intervals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_CELLS = 30


def plot_search(table: "pd.DataFrame", axes: Sequence[str], metric: str, ax: "Axes | None" = None) -> "Axes":
    """The figure that suits the grid: `table` is that of `search`, `axes` its columns of hyperparameters."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(7, 4.2), layout="constrained").subplots()
    done = table[table["status"] == "ok"]
    varied = [axis for axis in axes if table[axis].nunique() > 1]
    if "train.epochs" in varied and len(varied) > 1:
        return _lines(done, [axis for axis in varied if axis != "train.epochs"], metric, ax)
    if len(varied) == 2:
        return _heatmap(table, varied, metric, ax)
    return _ranking(done, varied or list(axes), metric, ax)


def _heatmap(table: "pd.DataFrame", axes: Sequence[str], metric: str, ax: "Axes") -> "Axes":
    grid = table.pivot(index=axes[0], columns=axes[1], values=metric)
    low, high = (table.pivot(index=axes[0], columns=axes[1], values=f"{metric}_{end}") for end in ("low", "high"))
    values = grid.to_numpy(dtype=float)
    picture = ax.imshow(values, cmap="viridis", aspect="auto")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2 if np.isfinite(values).any() else 0.0
    best = np.nanargmin(values) if metric == "loss" else np.nanargmax(values) if np.isfinite(values).any() else -1
    for place, value in np.ndenumerate(values):
        known = np.isfinite(value)
        text = f"{value:.4f}\n{low.to_numpy()[place]:.3f} to {high.to_numpy()[place]:.3f}" if known else "failed"
        weight = "bold" if np.ravel_multi_index(place, values.shape) == best else "normal"
        colour = "black" if known and value > middle else "white" if known else "black"
        ax.text(place[1], place[0], text, ha="center", va="center", color=colour, fontsize=9, fontweight=weight)
    ax.set_yticks(range(len(grid.index)), [_text(value) for value in grid.index])
    ax.set_xticks(range(len(grid.columns)), [_text(value) for value in grid.columns])
    ax.set(ylabel=axes[0], xlabel=axes[1], title=f"Validation {_words(metric)}, with its 95 % interval")
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(picture, ax=ax, label=_words(metric))
    return ax


def _lines(table: "pd.DataFrame", others: Sequence[str], metric: str, ax: "Axes") -> "Axes":
    groups = sorted(table.groupby(list(others)), key=lambda item: str(item[0]))
    spread = (table["train.epochs"].max() - table["train.epochs"].min()) * 0.006
    for i, (values, rows) in enumerate(groups):
        ordered = rows.sort_values("train.epochs")
        label = ", ".join(f"{axis.split('.')[-1]} {_text(value)}" for axis, value in zip(others, values, strict=True))
        errors = [ordered[metric] - ordered[f"{metric}_low"], ordered[f"{metric}_high"] - ordered[metric]]
        # Moved a little aside, so that the intervals of different lines do not hide each other.
        places = ordered["train.epochs"] + (i - (len(groups) - 1) / 2) * spread
        ax.errorbar(places, ordered[metric], yerr=np.abs(errors), marker="o", capsize=3, linewidth=1.5, label=label)
    ax.set(xlabel="epochs", ylabel=_words(metric), title=f"Validation {_words(metric)}, with its 95 % interval")
    ax.set_xticks(sorted(table["train.epochs"].unique()))
    if groups:
        ax.legend(fontsize="small", frameon=False)
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _ranking(table: "pd.DataFrame", axes: Sequence[str], metric: str, ax: "Axes") -> "Axes":
    ordered = table.sort_values(metric, ascending=metric == "loss").head(MOST_CELLS).iloc[::-1]
    labels = [
        ", ".join(f"{axis.split('.')[-1]} {_text(row[axis])}" for axis in axes) or "the experiment"
        for _, row in ordered.iterrows()
    ]
    errors = [ordered[metric] - ordered[f"{metric}_low"], ordered[f"{metric}_high"] - ordered[metric]]
    places = range(len(ordered))
    ax.errorbar(ordered[metric], places, xerr=np.abs(errors), fmt="o", capsize=3, color="#1d4ed8")
    ax.set_yticks(places, labels, fontsize=8)
    best = f"the best {len(ordered)} of {len(table)} cells, " if len(ordered) < len(table) else ""
    ax.set(xlabel=_words(metric), title=f"Validation {_words(metric)}, {best}with 95 % intervals")
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _words(metric: str) -> str:
    return {"auc": "AUC", "loss": "cross-entropy"}.get(metric, metric.replace("_", " "))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
