"""A guard against images of another kind: a cat is no face, and "real" is the wrong word for it.

NumPy alone, so that `fakeimg detect` starts fast.
"""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ModelError

DIRECTIONS = 32
HELD_OUT = 0.2
FEWEST = 300
INSIDE = 0.995
MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class DomainGuard:
    """How far an embedding lies from those of the training images.

    The distance is the length of what the principal directions of the training images cannot express: an image of
    another kind excites channels that they never did. Embeddings are scaled to length 1 first, so that contrast plays
    no part.

    Measured with MobileNetV2 (ImageNet) fitted to 2,000 of 6,878 faces from 7 sources: it turns away 99 % of 104 crops
    of 8 photographs without a face, and 2.3 % of the faces of a source it was not fitted to (from 0.2 % to 11 %).
    Mahalanobis' distance in the same directions turned away none of the former.

    Attributes:
        mean: (c,) of the training embeddings, each scaled to length 1.
        directions: (k, c) orthonormal principal directions.
        threshold: the distance beyond which an image is out of domain: 99.5 % of held-out training images lie within.
    Source: Wang et al. 2022, "ViM: out-of-distribution with virtual-logit matching", section 4.1 (the residual).
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    threshold: float

    @classmethod
    def fit(cls, embeddings: NDArray[Any], *, seed: int = 0) -> "DomainGuard | None":
        """A guard for training embeddings (n, c); a fifth of them, held out, set the threshold.

        Returns:
            None when there are fewer than 300 images: with 100, 8 % of new faces would be turned away.
        """
        if len(embeddings) < FEWEST:
            return None
        order = np.random.default_rng(seed).permutation(len(embeddings))
        cut = int(len(order) * HELD_OUT)
        kept = _unit(embeddings[order[cut:]]).astype(np.float64)
        mean = kept.mean(axis=0)
        variances, axes = np.linalg.eigh((kept - mean).T @ (kept - mean) / len(kept))
        variances, axes = variances[::-1], axes.T[::-1]
        # At most half the space is explained away, or nothing would be left over to measure.
        count = min(DIRECTIONS, kept.shape[1] // 2, int((variances > 1e-8 * variances[0]).sum()))
        if variances[0] < 1e-10 or count == 0:  # a network that says the same of every image has no domain
            return None
        # Rounded to float16 first, so that the threshold belongs to the guard as it will be stored.
        rounded = mean.astype(np.float16).astype(np.float32), axes[:count].astype(np.float16).astype(np.float32)
        guard = cls(*rounded, threshold=np.inf)
        threshold = float(np.quantile(guard.distance(embeddings[order[:cut]]), INSIDE))
        return cls(guard.mean, guard.directions, threshold)

    def distance(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        """(n,) distances of embeddings (n, c), from 0 to about 1.

        Raises:
            ModelError: the guard was made for another network.
        """
        if embeddings.shape[-1] != self.mean.size:
            raise ModelError(
                f"the domain guard knows {self.mean.size} channels, but the network has {embeddings.shape[-1]}"
            )
        centred = _unit(embeddings) - self.mean
        left = centred - centred @ self.directions.T @ self.directions
        return np.asarray(np.linalg.norm(left, axis=1), np.float64)

    def is_outside(self, embeddings: NDArray[Any]) -> NDArray[np.bool_]:
        """(n,) whether each embedding lies beyond the threshold."""
        return np.asarray(self.distance(embeddings) > self.threshold)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What `read` finds in a file: a few small arrays, 85 KB for 1,280 channels."""
        return {
            "mean": self.mean.astype(np.float16),
            "directions": self.directions.astype(np.float16),
            "threshold": np.array(self.threshold),
        }

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
                threshold = float(arrays["threshold"])
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
        if mean.ndim != 1 or directions.ndim != 2 or directions.shape[1] != mean.size or not 0 < threshold < np.inf:
            raise ModelError(f"{path.name} holds arrays that do not fit together")
        if not np.isfinite(mean).all() or not np.isfinite(directions).all():
            raise ModelError(f"{path.name} holds numbers that are not finite, so it would let everything pass")
        return cls(mean, directions, threshold)


def _check_sizes(path: Path) -> None:
    """NumPy takes memory for what an array's header declares before it reads any of it: compare the two first."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > 3 or sum(member.file_size for member in members) > MAX_BYTES:
            raise ValueError(f"more than three arrays, or more than {MAX_BYTES:,} bytes")
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
