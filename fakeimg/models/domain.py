"""A guard against images of another kind: a cat is no face, and "real" is the wrong word for it.

NumPy alone, so that `fakeimg detect` starts fast.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ModelError

DIRECTIONS = 32
HELD_OUT = 0.2
INSIDE = 0.995


@dataclass(frozen=True)
class DomainGuard:
    """How far an embedding lies from those of the training images.

    The distance is Mahalanobis' in the leading principal directions, together with the whitened length of what they
    leave over, so a departure in a direction that training images never took counts too.

    Attributes:
        mean: (c,) of the training embeddings.
        directions: (k, c) principal directions, divided by their standard deviation.
        leftover: the root mean square length of what the directions leave over.
        threshold: the distance beyond which an image is out of domain: 99.5 % of held-out training images lie within.
    Source: Lee et al. 2018, "A simple unified framework for detecting out-of-distribution samples and adversarial
        attacks"; the leftover as in Wang et al. 2022, "ViM: out-of-distribution with virtual-logit matching".
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    leftover: float
    threshold: float

    @classmethod
    def fit(cls, embeddings: NDArray[Any], *, seed: int = 0) -> "DomainGuard | None":
        """A guard for training embeddings (n, c); a fifth of them, held out, set the threshold.

        Returns:
            None when there are fewer than 100 images: too few to say what is usual.
        """
        if len(embeddings) < 100:
            return None
        order = np.random.default_rng(seed).permutation(len(embeddings))
        cut = int(len(order) * HELD_OUT)
        kept, held_out = embeddings[order[cut:]].astype(np.float64), embeddings[order[:cut]]
        mean = kept.mean(axis=0)
        centred = kept - mean
        _, spread, axes = np.linalg.svd(centred, full_matrices=False)
        deviations = spread / np.sqrt(len(kept) - 1)
        count = min(DIRECTIONS, int((deviations > 1e-6 * max(deviations[0], 1e-30)).sum()))
        if count == 0:  # a network that says the same of every image has no domain
            return None
        rest = centred - centred @ axes[:count].T @ axes[:count]
        directions = axes[:count] / deviations[:count, None]
        # Rounded to float16 first, so that the threshold belongs to the guard as it will be stored.
        guard = cls(
            mean.astype(np.float16).astype(np.float32),
            directions.astype(np.float16).astype(np.float32),
            max(float(np.sqrt((rest**2).sum(axis=1).mean())), 1e-6),
            np.inf,
        )
        threshold = float(np.quantile(guard.distance(held_out), INSIDE))
        return cls(guard.mean, guard.directions, guard.leftover, threshold)

    def distance(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        """(n,) distances of embeddings (n, c); a usual image has about sqrt(k + 1)."""
        centred = embeddings.astype(np.float64) - self.mean
        basis = self.directions.astype(np.float64)
        lengths = np.sqrt((basis**2).sum(axis=1, keepdims=True))
        along = centred @ (basis / lengths).T
        rest = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
        return np.asarray(np.sqrt(((along * lengths.T) ** 2).sum(axis=1) + rest / self.leftover**2))

    def is_outside(self, embeddings: NDArray[Any]) -> NDArray[np.bool_]:
        """(n,) whether each embedding lies beyond the threshold."""
        return np.asarray(self.distance(embeddings) > self.threshold)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What `from_arrays` takes: a few small arrays, at most about 130 KB."""
        return {
            "mean": self.mean.astype(np.float16),
            "directions": self.directions.astype(np.float16),
            "leftover": np.array(self.leftover),
            "threshold": np.array(self.threshold),
        }

    @classmethod
    def read(cls, path: Path) -> "DomainGuard":
        """Read the arrays that a model folder holds; nothing in the file is executed.

        Raises:
            ModelError: not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                mean, directions = arrays["mean"].astype(np.float32), arrays["directions"].astype(np.float32)
                leftover, threshold = float(arrays["leftover"]), float(arrays["threshold"])
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path.name} does not hold a domain guard: {error}") from None
        if mean.ndim != 1 or directions.ndim != 2 or directions.shape[1] != mean.size or not leftover > 0:
            raise ModelError(f"{path.name} holds arrays that do not fit together")
        return cls(mean, directions, leftover, threshold)
