"""From features to a plane and its clusters."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPONENTS = 50
NEIGHBOURS = 15
SMALLEST_SHARE, LARGEST_SHARE = 100, 6
"""A cluster holds between 1/100 and 1/6 of the images."""

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components, UMAP and HDBSCAN, all fitted, so that new features find their place.

    Attributes:
        turned: UMAP's axes mean nothing; where the plane came out upright its two coordinates are exchanged.
    """

    components: Any
    umap: Any
    clusterer: Any
    turned: bool

    def place(self, features: NDArray[np.float32]) -> tuple[Points, NDArray[np.int64], NDArray[np.float64]]:
        """Coordinates (n, 2), clusters (n,), -1 for noise, and how surely each belongs there (n,), of new features."""
        import hdbscan

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            points = _turn(self.umap.transform(self.components.transform(features)), self.turned)
            clusters, strengths = hdbscan.approximate_predict(self.clusterer, points)
        return points, np.asarray(clusters, np.int64), np.asarray(strengths, np.float64)


def project(
    features: NDArray[np.float32], *, seed: int = 0, min_cluster_size: int | None = None
) -> tuple[Projection, Points, NDArray[np.int64]]:
    """Fit to features (n, c): the projection, and their coordinates (n, 2) and clusters (n,), -1 for noise.

    Source: McInnes et al. 2018 (UMAP); Campello et al. 2013 (HDBSCAN).
    """
    import hdbscan
    import umap
    from sklearn.decomposition import PCA

    count = len(features)
    components = PCA(min(COMPONENTS, *features.shape), random_state=seed, svd_solver="randomized").fit(features)
    reducer = umap.UMAP(
        n_neighbors=min(NEIGHBOURS, count - 1),
        min_dist=0.0,  # dense groups, as HDBSCAN wants them
        # The spectral start fails on the few images of a small map.
        init="spectral" if count > 100 else "pca",
        random_state=seed,
        n_jobs=1,
    )
    smallest = max(8, count // SMALLEST_SHARE) if min_cluster_size is None else min_cluster_size
    clusterer = hdbscan.HDBSCAN(
        min_cluster_size=smallest,
        min_samples=1,
        # Faces form one continent: left to itself HDBSCAN calls it one cluster, and no failing group shows.
        max_cluster_size=max(count // LARGEST_SHARE, 2 * smallest),
        prediction_data=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = np.asarray(reducer.fit_transform(components.transform(features)))
        across, up = np.ptp(flat, axis=0)
        points = _turn(flat, bool(up > across))
        clusterer.fit(points)
    projection = Projection(components, reducer, clusterer, bool(up > across))
    return projection, points, np.asarray(clusterer.labels_, np.int64)


def _turn(points: NDArray[Any], turned: bool) -> Points:
    return np.ascontiguousarray(points[:, ::-1] if turned else points, np.float64)
