"""Whether a face wears glasses: their bridge draws edges across the nose, where a bare nose is smooth.

Source: Jiang, Binggeli and Bunke 2000, "Towards detection of glasses in facial images"; of their measures, the one of
the strip between the eyes.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.data.eyes import Eyes, Grey, find_eyes
from fakeimg.data.images import read_image
from fakeimg.data.judgements import Judgement
from fakeimg.errors import ImageError

_DISTANCE = 60  # between the eyes once the face is scaled, pixels
_STRIP = (0.15, 0.45)  # half its width and half its height, shares of the distance
# Fitted once (logistic regression, both answers of equal weight) on half of SDFD's images; the figures in
# experiments/results/annotate are of the other half.
_SLOPE, _THRESHOLD = 0.156, 18.3


class Glasses:
    """Judges the attribute `glasses`: "glasses" (dark ones too) or "none"."""

    name = "glasses by edges"
    attributes = ("glasses",)
    learnt_from: frozenset[str] = frozenset()
    fingerprint: str | None = f"glasses 1 {_SLOPE} {_THRESHOLD}"

    def judge(self, dataset: Dataset) -> Iterator[Mapping[str, Judgement]]:
        """One judgement an image; nothing of one that cannot be read."""
        # OpenCV lets go of the interpreter lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(_judge, dataset.paths)


def _judge(path: Path) -> dict[str, Judgement]:
    try:
        edge = bridge_edge(read_image(path))
    except ImageError:
        return {}
    chance = float(1 / (1 + np.exp(-_SLOPE * (edge - _THRESHOLD))))
    value = "glasses" if chance > 0.5 else "none"
    return {"glasses": Judgement(value, round(max(chance, 1 - chance), 4))}


def bridge_edge(image: NDArray[np.uint8]) -> float:
    """How sharply brightness changes down the bridge of the nose: percent of the local brightness a pixel, 0 if flat.

    Args:
        image: uint8 RGB, shape (h, w, 3), of one face.
    """
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    face = _scaled(grey, find_eyes(grey))
    smooth = cv2.GaussianBlur(face, (0, 0), 1.0).astype(np.float32)
    relative = 100 * smooth / (cv2.GaussianBlur(smooth, (0, 0), _DISTANCE / 5) + 8)
    slope = cv2.Sobel(relative, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    wide, high = (round(share * _DISTANCE) for share in _STRIP)
    across = slope[_DISTANCE - high : _DISTANCE + high, _DISTANCE - wide : _DISTANCE + wide + 1].mean(axis=1)
    # A frame has an upper and a lower edge, so it darkens and brightens again: both ends count.
    return float(across.max() - across.min())


def _scaled(grey: Grey, eyes: Eyes) -> Grey:
    """The face with the point between its eyes in the middle of a square of twice their distance."""
    scale = _DISTANCE / eyes.distance
    if scale < 1:  # without this, shrinking would leave out pixels, and edges with them
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.5 / scale), np.uint8)
    move = np.array([[scale, 0, _DISTANCE - scale * eyes.x], [0, scale, _DISTANCE - scale * eyes.y]])
    side = 2 * _DISTANCE
    return np.asarray(cv2.warpAffine(grey, move, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)
