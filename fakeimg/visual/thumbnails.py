"""Small pictures of many files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.images import read_batches

MISSING = 232
"""Grey of a picture that cannot be read."""


def thumbnails(paths: Sequence[Path | str], size: int) -> NDArray[np.uint8]:
    """The middle square of each picture, (n, size, size, 3) uint8; a plain grey one where a file cannot be read."""
    small = np.full((len(paths), size, size, 3), MISSING, np.uint8)
    for indices, images, _ in read_batches(list(paths), (size, size), framing="crop", truncated="tolerate"):
        small[indices] = images
    return small


def framed(picture: NDArray[np.uint8], colour: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A picture (h, w, 3) with its outer `width` pixels in `colour`, (3,)."""
    bordered = picture.copy()
    bordered[:width] = bordered[-width:] = colour
    bordered[:, :width] = bordered[:, -width:] = colour
    return bordered


def crossed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A square picture with a white cross in its black lower right corner: the mark of a wrong call."""
    import cv2

    marked = picture.copy()
    size = picture.shape[0]
    corner = max(9, size * 2 // 5)
    marked[size - corner :, size - corner :] = 0
    inner, outer, width = size - corner + corner // 4, size - 1 - corner // 4, max(1, corner // 7)
    cv2.line(marked, (inner, inner), (outer, outer), (255, 255, 255), width, cv2.LINE_AA)
    cv2.line(marked, (inner, outer), (outer, inner), (255, 255, 255), width, cv2.LINE_AA)
    return marked
