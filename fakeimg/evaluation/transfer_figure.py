"""The figures of transfer between sources."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.evaluation.transfer import LeaveOneSourceOut, TransferMatrix

# The colours of photographs and fakes, as in every other figure of this package.
_COLOURS = {True: "#009E73", False: "#D55E00"}
_GREY = "#66727F"


def plot_sources(result: "LeaveOneSourceOut", ax: "Axes | None" = None) -> "Axes":
    """A dot a source with its interval, grey marks for the shortcuts, and the mean as a line."""
    rows = result.frame.iloc[::-1]
    ax = _axes(5.6, 0.9 + 0.36 * len(rows)) if ax is None else ax
    places = np.arange(len(rows))
    values = 100 * rows[["low", "accuracy", "high"]].to_numpy(float)
    real = (rows["label"] != "fake").to_numpy()
    ax.axvline(50, color="#D9DEE4", lw=1, zorder=0)
    ax.axvline(100 * result.mean.value, color=_GREY, lw=1, ls=":", label=f"mean {result.mean.value:.1%}")
    if "thumbnail" in rows:
        ax.plot(100 * rows["thumbnail"], places, "|", ms=11, mew=2, color=_GREY, label="8×8 thumbnail")
        ax.plot(100 * rows["framing"], places, "x", ms=6, mew=1.5, color=_GREY, label="face framing")
    for kind, colour in _COLOURS.items():
        chosen = real == kind
        errors = np.abs(values[chosen][:, [0, 2]].T - values[chosen][:, 1])
        name = "photographs" if kind else "fakes"
        ax.errorbar(values[chosen][:, 1], places[chosen], xerr=errors, fmt="o", color=colour, capsize=3, label=name)
    ax.set_yticks(places, rows["source"])
    ax.set(xlim=(0, 101), xlabel=f"% of a left-out source judged right, {result.experiment}")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=8)
    return ax


def plot_matrix(result: "TransferMatrix", ax: "Axes | None" = None) -> "Axes":
    """Accuracy in per cent of every training set on every source."""
    from matplotlib.patches import Rectangle

    frame = result.frame
    rows, columns = list(dict.fromkeys(frame["trained_on"])), list(dict.fromkeys(frame["tested_on"]))
    ax = _axes(1.6 + 0.75 * len(columns), 1.5 + 0.3 * len(rows)) if ax is None else ax
    table = frame.pivot(index="trained_on", columns="tested_on", values="accuracy").loc[rows, columns].to_numpy()
    ax.imshow(table, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for cell in frame.to_dict("records"):
        x, y = columns.index(cell["tested_on"]), rows.index(cell["trained_on"])
        ink = "#FFFFFF" if cell["accuracy"] > 0.6 else "#1F2933"
        ax.text(x, y, f"{100 * cell['accuracy']:.0f}", ha="center", va="center", fontsize=8, color=ink)
        if cell["seen"]:
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, ec="#D55E00", lw=1.8))
    ax.set_xticks(np.arange(len(columns)), columns, rotation=35, ha="right", fontsize=8)
    ax.set_yticks(np.arange(len(rows)), rows, fontsize=8)
    ax.set(xlabel="tested on (framed: seen in training)", ylabel="trained on")
    ax.tick_params(length=0)
    return ax


def _axes(width: float, height: float) -> "Axes":
    from matplotlib.figure import Figure

    ax = Figure(figsize=(width, height), layout="constrained").subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return ax
