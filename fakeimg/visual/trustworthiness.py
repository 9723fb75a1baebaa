"""How far a map can be trusted: whether neighbours on it were neighbours before."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 200


def trustworthiness(
    features: NDArray[np.float32],
    points: NDArray[np.float64],
    *,
    neighbours: int = 15,
    sample: int = 1000,
    seed: int = 0,
) -> float:
    """Trustworthiness in [0, 1], averaged over a random sample of the images: 1 means no false neighbour on the map.

    scikit-learn's function holds every distance at once, 3 GB for 20,000 images; with a sample of n this is its number.

    Args:
        features: (n, c).
        points: (n, 2).
        neighbours: k, less than n / 2.
    Source: Venna and Kaski 2001, "Neighborhood preservation in nonlinear projection methods".
    """
    from scipy.spatial.distance import cdist
    from sklearn.metrics import pairwise_distances

    n, k = len(features), neighbours
    chosen = np.random.default_rng(seed).permutation(n)[:sample]
    penalty = 0.0
    for start in range(0, len(chosen), _BLOCK):
        rows = chosen[start : start + _BLOCK]
        here, own = np.arange(len(rows)), np.inf
        near = cdist(points[rows], points)
        near[here, rows] = own
        found = np.argpartition(near, k, axis=1)[:, :k]
        before = pairwise_distances(features[rows], features)
        before[here, rows] = own
        ranks = 1 + (before[:, None, :] < np.take_along_axis(before, found, axis=1)[:, :, None]).sum(axis=2)
        penalty += float(np.maximum(ranks - k, 0).sum())
    return 1.0 - penalty * 2 / (len(chosen) * k * (2 * n - 3 * k - 1))
