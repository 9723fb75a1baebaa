"""A guard against images of another kind: a cat is no face, and "real" is the wrong word for it.

NumPy alone, so that `fakeimg detect` starts fast.
"""

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ModelError

DIRECTIONS = 32
FOLDS = 5
FEWEST = 300
INSIDE = 0.99  # of the training images, by each of the two distances
MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class DomainGuard:
    """How far an embedding lies from those of the training images, by two distances, of which the larger counts.

    The residual is what the principal directions of the training images cannot express: an image of another kind
    excites channels that they never did. Embeddings are scaled to length 1 for it, so that contrast plays no part.
    The spread is the distance along the principal directions themselves, unscaled and in standard deviations: a page
    of text excites the usual channels, but more than any face.

    Measured with the bundled network: it turns away 59 of 60 rendered landscapes, 46 of 60 textures, all of 60 pages of
    text, and 0.7 % of new faces from the sources it was fitted to. How much depends on the network: a former one for
    pictures of 64 x 64 alone turned away 80 of those 180.

    Attributes:
        mean: (c,) of the training embeddings, each scaled to length 1.
        directions: (k, c) orthonormal principal directions of those.
        threshold: the residual beyond which an image is out of domain.
        centre: (c,) mean of the training embeddings as they are.
        axes: (m, c) orthonormal principal directions of those; none in files of before there was a spread.
        scales: (m,) standard deviation of the training embeddings along each.
        reach: the spread beyond which an image is out of domain.
    Source: Wang et al. 2022, "ViM: out-of-distribution with virtual-logit matching", section 4.1 (the residual); Lee et
        al. 2018, "A simple unified framework for detecting out-of-distribution samples", section 2.1 (the spread).
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    threshold: float
    centre: NDArray[np.float32]
    axes: NDArray[np.float32]
    scales: NDArray[np.float32]
    reach: float

    @classmethod
    def fit(cls, embeddings: NDArray[Any], *, seed: int = 0) -> "DomainGuard | None":
        """A guard for training embeddings (n, c).

        Its thresholds are quantiles of the distances of all n, each from a guard that was fitted without it: with a
        fifth held out once, the few largest of those decided, and another fifth gave another guard.

        Args:
            seed: of the folds.
        Returns:
            None when there are fewer than 300 images: with 100, 8 % of new faces would be turned away.
        """
        if len(embeddings) < FEWEST:
            return None
        fitted = cls._fit(embeddings)
        if fitted is None:
            return None
        folds = np.array_split(np.random.default_rng(seed).permutation(len(embeddings)), FOLDS)
        residuals, spreads = [], []
        for fold in folds:
            others = cls._fit(np.delete(embeddings, fold, axis=0)) or fitted
            residuals.append(others._residual(embeddings[fold]))
            spreads.append(others._spread(embeddings[fold]))
        threshold, reach = (float(np.quantile(np.concatenate(found), INSIDE)) for found in (residuals, spreads))
        return replace(fitted, threshold=threshold, reach=reach)

    @classmethod
    def _fit(cls, embeddings: NDArray[Any]) -> "DomainGuard | None":
        """A guard without thresholds; None where a network says the same of every image, which has no domain."""
        rows = np.asarray(embeddings, np.float64)
        mean, directions, variances = _principal(_unit(rows).astype(np.float64))
        # At most half the space is explained away, or nothing would be left over to measure.
        count = min(DIRECTIONS, rows.shape[1] // 2, int((variances > 1e-8 * variances[0]).sum()))
        if variances[0] < 1e-10 or count == 0:
            return None
        centre, axes, spreads = _principal(rows)
        used = min(DIRECTIONS, int((spreads > 1e-6 * spreads[0]).sum()))
        return cls(  # rounded to float16, so that the thresholds will belong to the guard as it is stored
            _rounded(mean), _rounded(directions[:count]), 1.0,
            _rounded(centre), _rounded(axes[:used]), np.sqrt(spreads[:used]).astype(np.float32), 1.0,
        )  # fmt: skip

    def distance(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        """(n,) distances of embeddings (n, c): the border is at 1.

        Raises:
            ModelError: the guard was made for another network.
        """
        if embeddings.shape[-1] != self.mean.size:
            raise ModelError(
                f"the domain guard knows {self.mean.size} channels, but the network has {embeddings.shape[-1]}"
            )
        return np.maximum(self._residual(embeddings) / self.threshold, self._spread(embeddings) / self.reach)

    def is_outside(self, embeddings: NDArray[Any]) -> NDArray[np.bool_]:
        """(n,) whether each embedding lies beyond the border."""
        return np.asarray(self.distance(embeddings) > 1)

    def _residual(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        centred = _unit(embeddings) - self.mean
        left = centred - centred @ self.directions.T @ self.directions
        return np.asarray(np.linalg.norm(left, axis=1), np.float64)

    def _spread(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        along = (np.asarray(embeddings, np.float32) - self.centre) @ self.axes.T / self.scales
        return np.asarray(np.linalg.norm(along, axis=1), np.float64)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What `read` finds in a file: a few small arrays, 170 KB for 1,280 channels."""
        arrays = {name: getattr(self, name).astype(np.float16) for name in ("mean", "directions", "centre", "axes")}
        numbers = {"threshold": np.array(self.threshold), "reach": np.array(self.reach)}
        return {**arrays, "scales": self.scales.astype(np.float32), **numbers}

    @classmethod
    def read(cls, path: Path) -> "DomainGuard":
        """Read the arrays that a model folder holds; nothing in the file is executed.

        Raises:
            ModelError: not such a file.
        """
        try:
            _check_sizes(path)
            with np.load(path, allow_pickle=False) as arrays:
                mean, directions = arrays["mean"].astype(np.float32), arrays["directions"].astype(np.float32)
                guard = cls(
                    mean, directions, float(arrays["threshold"]),
                    np.zeros_like(mean), np.empty((0, mean.size), np.float32), np.empty(0, np.float32), 1.0,
                )  # fmt: skip
                if "axes" in arrays:
                    parts = {name: arrays[name].astype(np.float32) for name in ("centre", "axes", "scales")}
                    guard = replace(guard, **parts, reach=float(arrays["reach"]))
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            NotImplementedError,
            RuntimeError,
            zipfile.BadZipFile,
        ) as error:
            raise ModelError(f"{path.name} does not hold a domain guard: {error}") from None
        guard._check(path)
        return guard

    def _check(self, path: Path) -> None:
        channels, fit = self.mean.shape, True
        for vectors in (self.directions, self.axes):
            fit = fit and self.mean.ndim == 1 and vectors.ndim == 2 and vectors.shape[1:] == channels
        fit = fit and self.centre.shape == channels and self.scales.shape == self.axes.shape[:1]
        if not fit or not 0 < self.threshold < np.inf or not 0 < self.reach < np.inf:
            raise ModelError(f"{path.name} holds arrays that do not fit together")
        arrays = (self.mean, self.directions, self.centre, self.axes, self.scales)
        if not all(np.isfinite(array).all() for array in arrays) or not (self.scales > 0).all():
            raise ModelError(f"{path.name} holds numbers that are not finite, so it would let everything pass")


def _principal(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean (c,), principal directions (c, c) one a row, and the variance along each, the largest first."""
    mean = rows.mean(axis=0)
    variances, axes = np.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    return mean, axes.T[::-1], variances[::-1]


def _rounded(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float16).astype(np.float32)


def _check_sizes(path: Path) -> None:
    """NumPy takes memory for what an array's header declares before it reads any of it: compare the two first."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > 7 or sum(member.file_size for member in members) > MAX_BYTES:
            raise ValueError(f"more than seven arrays, or more than {MAX_BYTES:,} bytes")
        for member in members:
            with archive.open(member) as file:
                if np.lib.format.read_magic(file) != (1, 0):
                    raise ValueError("an array of an unusual kind")
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size or dtype.kind != "f":
                    raise ValueError(f"{member.filename} declares {dtype} of shape {shape}, and holds something else")


def _unit(embeddings: NDArray[Any]) -> NDArray[np.float32]:
    """Each row scaled to length 1; a row of zeros stays one."""
    rows = np.asarray(embeddings, np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
