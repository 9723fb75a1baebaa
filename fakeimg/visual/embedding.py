"""The map of faces: what the network finds alike lies together, and groups that it gets wrong show up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError
from fakeimg.files import replacing, write_json
from fakeimg.visual import style
from fakeimg.visual.clusters import cluster_table
from fakeimg.visual.projection import NEIGHBOURS, Projection, project
from fakeimg.visual.trustworthiness import trustworthiness

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fakeimg.models.detector import Detector
    from fakeimg.models.engines import EngineName

SMALLEST = 16
"""Fewer images make no map: UMAP joins each to its neighbours."""


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingMap:
    """A plane on which images that the network finds alike lie together.

    Attributes:
        frame: one row an image that could be read: path, label, probability_fake, verdict, wrong (the most probable
            class is not the label), x, y, cluster (-1 is noise), and the data set's other columns.
        clusters: as `cluster_table` returns it: the highest error rate first.
        failed: path and reason of the images that could not be read.
        trustworthiness: in [0, 1]: how far the 15 neighbours of each face on the plane were its neighbours before.
        seconds: what scoring ("score") and the way to the plane and its clusters ("project") took.
        root: the folder that the paths start from.
        class_names: the first is the photographs'.
    """

    frame: "pd.DataFrame"
    clusters: "pd.DataFrame"
    failed: "pd.DataFrame"
    trustworthiness: float
    seconds: dict[str, float]
    root: Path
    class_names: tuple[str, ...]
    detector: "Detector"
    projection: Projection
    seed: int

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def paths(self) -> list[Path]:
        """Where each image is."""
        return [self.root / path for path in self.frame["path"]]

    @property
    def points(self) -> NDArray[np.float64]:
        """(n, 2) coordinates."""
        return self.frame[["x", "y"]].to_numpy(np.float64)

    @property
    def fake(self) -> NDArray[np.bool_]:
        """(n,) whether the label is anything but the first class."""
        return (self.frame["label"] != self.class_names[0]).to_numpy(bool)

    def place(self, images: Any) -> "pd.DataFrame":
        """New images on this map: path, status, reason, probability_fake, verdict, x, y, cluster, strength (0 to 1).

        Args:
            images: as in `Detector.predict`.
        """
        predictions = self.detector.predict(images)
        placed = predictions.frame[["path", "status", "reason", "probability_fake", "verdict"]].copy()
        read = (placed["status"] == "ok").to_numpy()
        points = np.full((len(placed), 2), np.nan)
        clusters, strengths = np.full(len(placed), -1), np.full(len(placed), np.nan)
        if read.any():
            points[read], clusters[read], strengths[read] = self.projection.place(predictions.embeddings[read])
        return placed.assign(x=points[:, 0], y=points[:, 1], cluster=clusters, strength=strengths)

    def plot(self, ax: "Axes | None" = None, *, marked: NDArray[np.float64] | None = None) -> "Axes":
        """The plane with faces at their coordinates, borders by cluster; rings at `marked`, (k, 2), from `place`."""
        from fakeimg.visual.map_figure import plot_map

        return plot_map(self, ax, marked=marked)

    def plot_grid(self, ax: "Axes | None" = None, *, tiles: int = 600) -> "Axes":
        """Up to `tiles` faces in a grid in which similar ones sit together, borders by label."""
        from fakeimg.visual.grid import plot_grid

        return plot_grid(self, ax, tiles=tiles)

    def write(self, out: Path | str) -> None:
        """Write `map.parquet`, `clusters.csv`, `map.json`, `map.png`, `grid.png`, and the interactive `map.html`."""
        from fakeimg.visual.map_page import map_page

        folder = Path(out)
        with replacing(folder / "map.parquet") as temporary:
            self.frame.to_parquet(temporary, index=False)
        with replacing(folder / "clusters.csv") as temporary:
            self.clusters.to_csv(temporary, index=False)
        write_json(folder / "map.json", self.summary())
        style.write_figure(self.plot(), folder / "map.png")
        style.write_figure(self.plot_grid(), folder / "grid.png")
        map_page(self, folder / "map.html")

    def summary(self) -> dict[str, Any]:
        """The map in numbers, ready for JSON."""
        worst = self.clusters[self.clusters["cluster"] >= 0].head(5)
        return {
            "images": len(self),
            "failed": self.failed.to_dict("records"),
            "clusters": int((self.clusters["cluster"] >= 0).sum()),
            "noise": int((self.frame["cluster"] < 0).sum()),
            "trustworthiness": self.trustworthiness,
            "highest_error_rates": worst.to_dict("records"),
            "seconds": self.seconds,
            "seed": self.seed,
            "model": self.detector.name,
            "model_sha256": self.detector.weights_sha256,
        }

    def __repr__(self) -> str:
        found = self.summary()
        return (
            f"<EmbeddingMap of {len(self):,} images: {found['clusters']} clusters, {found['noise']:,} images in none, "
            f"trustworthiness {self.trustworthiness:.3f}>"
        )

    def _repr_html_(self) -> str:
        table = self.clusters.head(8).to_html(index=False, float_format=lambda value: f"{value:.3f}")
        return style.figure_html(self.plot(), repr(self)) + str(table)


def embed(
    detector: "Detector",
    data: Dataset | Path | str,
    *,
    seed: int = 0,
    min_cluster_size: int | None = None,
    engine: "EngineName" = "auto",
) -> EmbeddingMap:
    """Map a data set by what the network sees in it.

    The feature map's spatial average, 50 principal components of it, UMAP to the plane (15 neighbours), HDBSCAN there.
    The same seed gives the same map on the same machine; UMAP runs on one core for that. Distances between far clusters
    mean little on such a map, and neither do a cluster's size and density.

    Args:
        data: a `Dataset`, or where one is.
        min_cluster_size: the smallest group that counts as a cluster; by default 1/100 of the images, at least 8.
    Raises:
        DatasetError: fewer than 16 images can be read.
    Source: McInnes et al. 2018 (UMAP); Campello et al. 2013 (HDBSCAN); Venna and Kaski 2001 (trustworthiness).
    """
    dataset = data if isinstance(data, Dataset) else Dataset.open(data)
    start = perf_counter()
    predictions = detector.predict(dataset, engine=engine)
    scored = perf_counter()
    read = np.array([reason is None for reason in predictions.reasons], bool)
    if read.sum() < SMALLEST:
        raise DatasetError(f"a map needs at least {SMALLEST} images, and {int(read.sum())} could be read")
    features = predictions.embeddings[read]
    projection, points, clusters = project(features, seed=seed, min_cluster_size=min_cluster_size)
    projected = perf_counter()

    frame = dataset.frame[read].reset_index(drop=True)
    decided = predictions.probabilities[read].argmax(axis=1)
    wrong = decided != dataset.labels[read]
    scores = predictions.probability_fake[read]
    verdicts = np.array(predictions.verdicts, object)[read]
    first = frame[["path", "label"]].assign(
        probability_fake=scores, verdict=verdicts, wrong=wrong, x=points[:, 0], y=points[:, 1], cluster=clusters
    )
    frame = first.join(frame.drop(columns=[name for name in first.columns if name in frame]))
    return EmbeddingMap(
        frame=frame,
        clusters=cluster_table(clusters, dataset.labels[read] > 0, wrong, scores),
        failed=_failed(dataset.frame["path"].tolist(), predictions.reasons),
        trustworthiness=trustworthiness(
            features, points, neighbours=min(NEIGHBOURS, (len(points) - 1) // 2), seed=seed
        ),
        seconds={"score": scored - start, "project": projected - scored},
        root=dataset.root,
        class_names=dataset.class_names,
        detector=detector,
        projection=projection,
        seed=seed,
    )


def _failed(paths: Sequence[str], reasons: Sequence[str | None]) -> "pd.DataFrame":
    import pandas as pd

    rows = [(path, reason) for path, reason in zip(paths, reasons, strict=True) if reason is not None]
    return pd.DataFrame(rows, columns=["path", "reason"])
