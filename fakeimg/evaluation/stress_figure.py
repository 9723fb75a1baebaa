"""The figure of a perturbation's curves."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fakeimg.evaluation.perturbations import PERTURBATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.evaluation.stress import StressResult

# The colours of photographs and fakes, as in every other figure of this package.
_COLOURS = {"fpr": "#009E73", "fnr": "#D55E00"}
_WORDS = {"fpr": "photographs called fake", "fnr": "fakes called real"}


def plot_curve(result: "StressResult", perturbation: str, ax: "Axes | None" = None) -> "Axes":
    """False alarms and misses by strength, with 95 % intervals; unchanged images at the left."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(4.6, 3.4), layout="constrained").subplots()
        ax.spines[["top", "right"]].set_visible(False)
    rows = result.curve(perturbation)
    places = np.arange(len(rows) + 1)
    clean: Any = result.frame.iloc[0]
    for rate, colour in _COLOURS.items():
        if np.isnan(clean[rate]):
            continue
        values, low, high = (
            100 * np.append(clean[name], rows[name].to_numpy(float)) for name in (rate, f"{rate}_low", f"{rate}_high")
        )
        ax.plot(places, values, "o-", color=colour, ms=4, lw=1.6, label=_WORDS[rate])
        ax.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
    ax.set_xticks(places, ["none", *(f"{strength:g}" for strength in rows["strength"])])
    ax.set(ylim=(0, 100), xlabel=f"{perturbation}, {PERTURBATIONS[perturbation].unit}", ylabel="%")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=2, fontsize=8)
    return ax
