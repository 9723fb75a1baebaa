"""Photographs edited so strongly that a detector should not take them for photographs: fakes of no generator.

A detector that knows a few generators learns on which side of photographs these lie, smoother for instance, and takes
whatever lies on the other side for a photograph. Diffusion models lie there: the guidance that they sample with
amplifies contrast, detail and saturation (Ho and Salimans 2022, "Classifier-free diffusion guidance"; Sadat et al.
2025, "Eliminating oversaturation and artifacts of high guidance scales in diffusion models"). Photographs that are
pushed away from photographs in many directions, and called fake, close the gap. Making fakes of the photographs
themselves also gives both classes the same faces, framing and source (Shiohara and Yamasaki 2022, "Detecting deepfakes
with self-blended images").
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeimg.data.augment import LUMA

Floats = NDArray[np.float32]
_LUMA = LUMA.astype(np.float32)


def chosen(share: float, seed: int, rows: Sequence[int] | NDArray[np.int64], epoch: int) -> NDArray[np.bool_]:
    """(n,) which images are edited in this epoch, each with probability `share`; decided by the arguments alone."""
    return np.array([np.random.default_rng((seed, int(row), epoch, 1)).random() < share for row in rows], np.bool_)


def edit(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One of four strong edits, drawn with equal probability, of a strength drawn at random.

    Local contrast at one scale, with saturation; smoothing that keeps edges, then sharpening; a random 3 × 3 filter
    mixed in; equalised brightness in tiles (CLAHE), with saturation.

    Args:
        image: uint8 RGB, (h, w, 3), at the size that the network sees: lengths are in its pixels.
    Returns:
        uint8 RGB of the same shape.
    """
    changed = _EDITS[rng.integers(len(_EDITS))](image.astype(np.float32), rng)
    return np.rint(np.clip(changed, 0, 255)).astype(np.uint8)


def edit_batch(
    images: NDArray[np.uint8],
    which: NDArray[np.bool_],
    seed: int,
    rows: Sequence[int] | NDArray[np.int64],
    epoch: int,
) -> NDArray[np.uint8]:
    """A copy of images (n, h, w, 3) in which those that `which` (n,) marks are edited."""
    changed = images.copy()
    for place in np.flatnonzero(which):
        changed[place] = edit(images[place], np.random.default_rng((seed, int(rows[int(place)]), epoch, 2)))
    return changed


def _local_contrast(image: Floats, rng: np.random.Generator) -> Floats:
    return _saturated(_sharpened(image, rng.uniform(1, 6), rng.uniform(0.6, 2)), rng.uniform(0.9, 1.6))


def _smoothed_and_sharpened(image: Floats, rng: np.random.Generator) -> Floats:
    smooth = np.asarray(cv2.bilateralFilter(image, 5, rng.uniform(20, 60), 2.0), np.float32)
    return _sharpened(smooth, rng.uniform(0.7, 1.5), rng.uniform(0, 1.5))


def _filtered(image: Floats, rng: np.random.Generator) -> Floats:
    kernel = rng.normal(size=(3, 3)).astype(np.float32)
    kernel -= kernel.mean()  # brightness stays
    kernel /= np.abs(kernel).sum()
    traces = np.asarray(cv2.filter2D(image, -1, kernel), np.float32)
    return image + np.float32(rng.uniform(0.5, 2)) * traces


def _equalised(image: Floats, rng: np.random.Generator) -> Floats:
    lab = cv2.cvtColor(np.rint(image).astype(np.uint8), cv2.COLOR_RGB2LAB)
    clahe = cv2.createCLAHE(rng.uniform(1.5, 5), (tiles := int(rng.integers(2, 6)), tiles))
    lab[:, :, 0] = clahe.apply(lab[:, :, 0])
    return _saturated(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.float32), rng.uniform(0.9, 1.6))


def _sharpened(image: Floats, sigma: float, amount: float) -> Floats:
    detail = image - cv2.GaussianBlur(image, (0, 0), sigma)
    return np.clip(image + np.float32(amount) * detail, 0, 255)


def _saturated(image: Floats, factor: float) -> Floats:
    grey = (image @ _LUMA)[..., None]
    return np.asarray(grey + np.float32(factor) * (image - grey), np.float32)


_EDITS: tuple[Callable[[Floats, np.random.Generator], Floats], ...] = (
    _local_contrast,
    _smoothed_and_sharpened,
    _filtered,
    _equalised,
)
