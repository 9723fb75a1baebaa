"""Where in a picture the face is and how large: nothing of what the face looks like, and yet enough to tell many
collections of generated faces, which are cut out by one rule, from collections of photographs."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIDE = 80  # pixels of the shorter side that are searched; the cascade's own window has 24
_MARGIN = _SIDE // 4  # repeated border pixels, so that a face larger than its picture is found
_LONGEST = 3  # shorter sides that are searched of the longer one, about its middle
_SMALLEST, _LARGEST = round(0.4 * _SIDE), round(1.3 * _SIDE)


def face_framing(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Size and place of the face, float32 (3,), in units of the picture's shorter side; 0 where none is found.

    Width of the box around the face (from 0.4; about eyebrows to chin), and how far its middle is right of and below
    the picture's. Of several faces the largest near the middle counts. Faces are found by scikit-image's cascade, which
    needs no more than a few milliseconds, and misses some that are turned, masked or shaded.

    Args:
        grey: uint8, shape (h, w).
    Source: Zhang et al. 2007, "Face detection based on multi-block LBP representation".
    """
    import cv2

    shorter = min(grey.shape)
    top, left = ((side - min(side, _LONGEST * shorter)) // 2 for side in grey.shape)
    grey = grey[top : top + _LONGEST * shorter, left : left + _LONGEST * shorter]
    height, width = grey.shape
    scale = _SIDE / shorter
    size = (max(_SIDE, round(width * scale)), max(_SIDE, round(height * scale)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    padded = np.pad(small, _MARGIN, mode="edge")
    boxes = _cascade().detect_multi_scale(
        padded,
        scale_factor=1.2,
        step_ratio=1.5,
        min_size=(_SMALLEST, _SMALLEST),
        max_size=(_LARGEST, _LARGEST),
        min_neighbor_number=1,
    )
    middle = np.array(padded.shape[::-1]) / 2
    best = np.zeros(3)
    highest = -np.inf
    for box in boxes:
        away = np.array([box["c"] + box["width"] / 2, box["r"] + box["height"] / 2]) - middle
        if (rank := box["width"] - np.hypot(*away)) > highest:
            highest, best = rank, np.array([box["width"], *away]) / _SIDE
    return best.astype(np.float32)


@cache
def _cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())
