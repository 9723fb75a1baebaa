"""Where the eyes of a face are, by matching a drawn pair of eyes at many scales; needs no trained model.

Eyes are dark, below dark brows, above bright cheeks and on both sides of a bright nose: the contrasts of Viola and
Jones' first features (2001, "Rapid object detection using a boosted cascade of simple features", figure 3), here as one
smooth template, compared by normalised cross-correlation. It finds the eyes of upright faces that look at the camera;
of the others it gives some place with a low score.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

_SIDE = 128  # faces are searched at this size, pixels
_DISTANCES = np.geomspace(0.11, 0.5, 16)  # between the eyes, shares of the width
# Where eyes usually are, and how strongly that counts beside a correlation of at most 1.
_EXPECTED = {"x": (0.5, 0.18, 0.075), "y": (0.42, 0.15, 0.075), "distance": (np.log(0.27), 0.5, 0.05)}

# Ovals of the template in units of the distance between the eyes: sign and strength, x, y, and their widths.
_OVALS = (
    (-1.0, 0.5, 0.0, 0.17, 0.09),  # eyes
    (-0.6, 0.5, -0.33, 0.26, 0.07),  # brows
    (0.25, 0.0, 0.15, 0.12, 0.35),  # bridge of the nose; drawn twice, on its axis
    (0.5, 0.5, 0.4, 0.25, 0.12),  # cheeks
    (-0.125, 0.0, 0.62, 0.14, 0.05),  # shadow under the nose; drawn twice
)


@dataclass(frozen=True)
class Eyes:
    """A pair of eyes on one level.

    Attributes:
        x: of the point between them, pixels from the left.
        y: of the same point, pixels from the top.
        distance: from eye to eye, pixels.
        score: how much the place looks like eyes; over about 0.5 it usually is.
    """

    x: float
    y: float
    distance: float
    score: float


def find_eyes(grey: Grey) -> Eyes:
    """The pair of eyes in a picture (h, w) of one face."""
    height, width = grey.shape
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    even = cv2.createCLAHE(3, (4, 4)).apply(small)
    face = cv2.GaussianBlur(even, (0, 0), 0.8).astype(np.float32)
    best = Eyes(width / 2, height / 2, width / 4, -np.inf)
    for share in _DISTANCES:
        pair = _template(float(share * _SIDE))
        rows, columns = pair.shape
        score = cv2.matchTemplate(face, pair, cv2.TM_CCOEFF_NORMED)
        y = (np.arange(score.shape[0]) + (rows - 1) / 2) / _SIDE
        x = (np.arange(score.shape[1]) + (columns - 1) / 2) / _SIDE
        score = score - _surprise("x", x)[None, :] - _surprise("y", y)[:, None] - _surprise("distance", np.log(share))
        row, column = np.unravel_index(score.argmax(), score.shape)
        if score[row, column] > best.score:
            found = float(score[row, column])
            best = Eyes(float(x[column] * width), float(y[row] * height), float(share * width), found)
    return best


@cache
def _template(distance: float) -> NDArray[np.float32]:
    height, width = min(_SIDE, round(1.5 * distance)), min(_SIDE, round(2.2 * distance))
    y, x = np.mgrid[0:height, 0:width]
    y, x = (y - (height - 1) / 2) / distance, (x - (width - 1) / 2) / distance
    pair = np.zeros((height, width))
    for strength, place, level, wide, high in _OVALS:
        for side in (-place, place):
            pair += strength * np.exp(-(((x - side) / wide) ** 2 + ((y - level) / high) ** 2) / 2)
    return pair.astype(np.float32)


def _surprise(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
    mean, spread, weight = _EXPECTED[name]
    return np.asarray(weight * ((value - mean) / spread) ** 2)
