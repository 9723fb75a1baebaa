"""Giving a generated picture the size, shape and file format of its photograph, which would tell them apart at once."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeimg.data.images import inspect, read_image, resize

Pixels = NDArray[np.uint8]


def imitate(photograph: Path, make: Callable[[Pixels], Pixels]) -> tuple[bytes, str]:
    """The file of a fake of `photograph`, and its suffix.

    The photograph is mirrored out to a square, as generators take squares; of what they make the same window is cut and
    brought to the photograph's size. A JPEG is written with the photograph's own quantisation tables and subsampling;
    any other format becomes PNG.

    Args:
        photograph: the file.
        make: from a square picture, uint8 RGB, to a square picture of any size.
    Raises:
        ImageError: `photograph` cannot be read.
    """
    image = read_image(photograph)
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = cv2.copyMakeBorder(image, top, side - height - top, left, side - width - left, cv2.BORDER_REFLECT)
    made = resize(make(np.asarray(square, np.uint8)), (side, side))
    return encode_like(made[top : top + height, left : left + width], photograph)


def encode_like(pixels: Pixels, photograph: Path) -> tuple[bytes, str]:
    """`pixels` as a file like `photograph`: JPEG with the same tables, or PNG; and its suffix."""
    from PIL import Image

    header = inspect(photograph)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    content = io.BytesIO()
    if header.format != "JPEG" or header.jpeg_quality_tables is None:
        picture.save(content, "PNG")
        return content.getvalue(), ".png"
    tables = [list(table) for table in header.jpeg_quality_tables]
    if header.jpeg_subsampling == "grey":
        picture.convert("L").save(content, "JPEG", qtables=tables[:1])
    else:
        common = header.jpeg_subsampling in ("4:4:4", "4:2:2", "4:2:0")
        picture.save(content, "JPEG", qtables=tables[:3], subsampling=header.jpeg_subsampling if common else "4:2:0")
    return content.getvalue(), ".jpg"
