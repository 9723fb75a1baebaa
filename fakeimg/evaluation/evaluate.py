"""Scoring a labelled data set: every image's probability and loss, and what they add up to, with intervals."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError
from fakeimg.evaluation.predictions import METRICS, PREDICTIONS
from fakeimg.files import replacing, write_json
from fakeimg.models.detector import Detector
from fakeimg.models.engines import EngineName
from fakeimg.progress import progress_bar
from fakeimg.scoring.metrics import evaluate_scores, image_loss, precision_recall_curve, roc_curve

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Evaluation:
    """What a detector's scores of labelled images are worth.

    Attributes:
        metrics: the content of `metrics.json`; a rate is {"value", "low", "high", "n"}, 95 % intervals.
        predictions: one row an image: path, status, verdict, probability_fake, reason, label, loss, and more.
        class_names: the first is the photographs'.
    """

    metrics: dict[str, Any]
    predictions: "pd.DataFrame"
    class_names: tuple[str, ...]

    @property
    def scored(self) -> "pd.DataFrame":
        """The predictions of images that could be read."""
        return self.predictions[self.predictions["status"] == "ok"]

    def top_losses(self, n: int = 9) -> "pd.DataFrame":
        """The `n` images that the detector is most wrong about, worst first."""
        return self.scored.nlargest(n, "loss")

    def plot_roc(self, ax: "Axes | None" = None) -> "Axes":
        """Receiver operating characteristic: true against false positives."""
        curve = roc_curve(*self._fake_and_scores())
        ax = _axes(ax)
        ax.plot([0, 1], [0, 1], color="#9ca3af", linestyle=":", linewidth=1)
        ax.plot(curve.x, curve.y, color="#c2410c", label=_worded("AUC", self.metrics["auc"]))
        ax.set(xlabel="photographs called fake", ylabel="fakes called fake", xlim=(0, 1), ylim=(0, 1.01))
        ax.legend(loc="lower right", frameon=False)
        return ax

    def plot_precision_recall(self, ax: "Axes | None" = None) -> "Axes":
        """Precision against recall, with the share of fakes as the line of no skill."""
        labels, scores = self._fake_and_scores()
        curve = precision_recall_curve(labels, scores)
        ax = _axes(ax)
        ax.axhline(labels.mean(), color="#9ca3af", linestyle=":", linewidth=1)
        ax.plot(
            curve.x, curve.y, color="#c2410c", label=_worded("average precision", self.metrics["average_precision"])
        )
        ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
        ax.legend(loc="lower left", frameon=False)
        return ax

    def plot_confusion(self, ax: "Axes | None" = None) -> "Axes":
        """Confusion matrix: rows are the truth; counts, and shares of their row as colour."""
        matrix = np.array(self.metrics["confusion"]["matrix"])
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        ax = _axes(ax)
        ax.imshow(shares, cmap="Oranges", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.6 else "black"
            ax.text(column, row, f"{count:,}\n{shares[row, column]:.1%}", ha="center", va="center", color=colour)
        places = np.arange(len(self.class_names))
        ax.set_xticks(places, self.class_names)
        ax.set_yticks(places, self.class_names)
        ax.set(xlabel="called", ylabel="truth")
        return ax

    def write(self, out: Path | str) -> None:
        """Write `predictions.parquet`, `metrics.json` and the figures into the folder `out`."""
        folder = Path(out)
        with replacing(folder / PREDICTIONS) as temporary:
            self.predictions.to_parquet(temporary, index=False)
        write_json(folder / METRICS, self.metrics)
        figures = {"confusion": self.plot_confusion}
        if len(np.unique(self._fake_and_scores()[0])) == 2:
            figures |= {"roc": self.plot_roc, "precision_recall": self.plot_precision_recall}
        for name, plot in figures.items():
            with replacing(folder / f"{name}.png") as temporary:
                plot().figure.savefig(temporary, dpi=120)  # type: ignore[union-attr]

    def _fake_and_scores(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        scored = self.scored
        fake = np.asarray(scored["label"] != self.class_names[0], np.int64)
        return fake, np.asarray(scored["probability_fake"], np.float64)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{name.replace('_', ' ')}</th><td>{_worded('', self.metrics[name])}</td></tr>"
            for name in ("accuracy", "auc", "precision", "recall", "f1")
        )
        return f"<table><caption>{self.metrics['n']:,} images</caption>{rows}</table>"


def evaluate(
    detector: Detector, data: Dataset | Path | str, *, engine: EngineName = "auto", batch_size: int = 32, seed: int = 0
) -> Evaluation:
    """Score every image of `data` and measure the scores against its labels.

    The operating point stays the detector's own: nothing is chosen on these images.

    Args:
        detector: what scores.
        data: a labelled data set, or where one is; take `.split("test")` of one for its test part.
        engine: which engine scores.
        batch_size: images decoded together.
        seed: of the bootstrap.
    Raises:
        DatasetError: the classes are not the detector's, or no image can be read.
    """
    dataset = data if isinstance(data, Dataset) else Dataset.open(data, classes=detector.class_names)
    if dataset.class_names != detector.class_names:
        raise DatasetError(
            f"the data's classes are {', '.join(dataset.class_names)}, the detector's {', '.join(detector.class_names)}"
        )
    parts = []
    with progress_bar("scoring", len(dataset)) as advance:
        for part in detector.stream(dataset.paths, batch_size=batch_size, engine=engine):
            parts.append(part)
            advance(len(part))
    predictions = type(parts[0]).concatenate(parts)
    table = predictions.with_columns(dataset.frame).frame
    table["path"] = dataset.frame["path"]  # as the manifest has it: the place of the folder says nothing
    read = (table["status"] == "ok").to_numpy()
    if not read.any():
        raise DatasetError(f"none of the {len(table)} images can be read; the first says: {table['reason'].iloc[0]}")
    labels = dataset.labels
    probabilities = predictions.probabilities
    table["loss"] = np.where(read, image_loss(labels, np.nan_to_num(probabilities)), np.nan)
    binary = len(dataset.class_names) == 2
    metrics = evaluate_scores(
        labels[read],
        probabilities[read][:, 1] if binary else probabilities[read],
        class_names=dataset.class_names,
        point=detector.operating_point,
        groups=_present(table["group"][read]),
        sources=_present(table["source"][read]),
        seed=seed,
    )
    metrics["unreadable"] = int((~read).sum())
    metrics["model"] = {"name": detector.name, "sha256": detector.weights_sha256}
    metrics["data"] = {"fingerprint": dataset.fingerprint()}
    return Evaluation(metrics, table, dataset.class_names)


def _present(column: "pd.Series[Any]") -> NDArray[Any] | None:
    return column.to_numpy(object) if column.notna().any() else None


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    ax = Figure(figsize=(4.5, 4.2), layout="constrained").subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _worded(name: str, rate: dict[str, Any]) -> str:
    """`AUC .981 (.975–.986)`, or why there is no such number."""
    if "refused" in rate:
        return f"{name}: {rate['refused']}".strip(": ")
    return f"{name} {rate['value']:.3f} ({rate['low']:.3f}–{rate['high']:.3f})".strip()
