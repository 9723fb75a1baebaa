"""The figure of a training run."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_history(history: "pd.DataFrame", best_epoch: int, ax: "Axes | None" = None) -> "Axes":
    """Loss by epoch for training and validation (left axis), accuracy (right axis), the kept epoch marked.

    Returns:
        The axes of the loss.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if ax is None:
        ax = Figure(figsize=(7, 4), layout="constrained").subplots()
    epochs = history["epoch"]
    ax.plot(epochs, history["loss"], color="#6b7280", marker="o", markersize=3, label="training loss")
    if "val_loss" in history:
        ax.plot(epochs, history["val_loss"], color="#c2410c", marker="o", markersize=3, label="validation loss")
    ax.axvline(best_epoch, color="#9ca3af", linestyle=":", label=f"kept: epoch {best_epoch}")
    ax.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    right = ax.twinx()
    right.plot(epochs, history["accuracy"], color="#6b7280", linestyle="--", linewidth=1, label="training accuracy")
    if "val_accuracy" in history:
        right.plot(
            epochs, history["val_accuracy"], color="#c2410c", linestyle="--", linewidth=1, label="validation accuracy"
        )
    right.set(ylabel="accuracy", ylim=(0, 1.02))
    lines = [*ax.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    ax.legend(handles=lines, loc="center right", fontsize="small", framealpha=0.9)
    ax.spines[["top"]].set_visible(False)
    right.spines[["top"]].set_visible(False)
    return ax
