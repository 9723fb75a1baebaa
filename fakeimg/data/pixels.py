"""Pixels: from Pillow's many modes to upright 8-bit RGB, and from there to the size a model wants."""

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.containers import Container
from fakeimg.errors import ConfigError, ImageError, did_you_mean

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]
Framing = Literal["stretch", "pad", "crop"]

PADDING = 128
"""Grey of the bars that framing "pad" adds: the middle of the range, zero for backbones that take [-1, 1]."""

_BAND_PIXELS = 2_000_000


def resize(image: Pixels, size: tuple[int, int], framing: Framing = "stretch") -> Pixels:
    """Bring a picture to `size`.

    Each side that shrinks is averaged over areas (no aliasing), then each side that grows is interpolated linearly.

    Args:
        image: uint8 RGB, shape (h, w, 3).
        size: (height, width) in pixels.
        framing: "stretch" ignores the aspect ratio; "pad" keeps it and adds grey bars (`PADDING`) on both sides; "crop"
            keeps it and cuts off both ends.

    Returns:
        uint8 RGB, shape (*size, 3).

    Raises:
        ImageError: `image` is not uint8 RGB.
        ConfigError: `size` is not two positive numbers, or `framing` is unknown.
    """
    check_option("framing", framing, get_args(Framing))
    check_size(size)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(f"expected uint8 RGB of shape (height, width, 3); received {image.dtype} {image.shape}")
    (height, width), (target_height, target_width) = image.shape[:2], size
    if framing == "crop":
        # The largest rectangle of the target's aspect, in whole pixels.
        keep_height = max(1, min(height, round(width * target_height / target_width)))
        keep_width = max(1, min(width, round(height * target_width / target_height)))
        top, left = (height - keep_height) // 2, (width - keep_width) // 2
        image = image[top : top + keep_height, left : left + keep_width]
    elif framing == "pad":
        scale = min(target_height / height, target_width / width)
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = (target_height - inner[0]) // 2, (target_width - inner[1]) // 2
        padded = np.full((*size, 3), PADDING, np.uint8)
        padded[top : top + inner[0], left : left + inner[1]] = _scale(image, inner)
        return padded
    return _scale(image, size)


def to_rgb(image: "Image.Image", container: Container) -> Pixels:
    """Convert to 8-bit RGB, band by band: the steps between need several times the memory of the picture."""
    width, height = image.size
    if image.mode == "F":
        low, high = (float(bound) for bound in image.getextrema())  # type: ignore[arg-type]
        if not 0 <= low <= high <= 255:
            raise ImageError(f"floating-point samples from {low:g} to {high:g}; 0 to 1 and 0 to 255 can be read")
        scale = 255.0 if high <= 1 else 1.0
    else:
        scale = 1.0
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = image if rows >= height else image.crop((0, top, width, bottom))
        pixels[top:bottom] = _band(band, container, scale)
    return pixels


def _band(image: "Image.Image", container: Container, scale: float) -> NDArray[np.uint8]:
    from PIL import Image

    mode, transparent = image.mode, image.info.get("transparency")
    if mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.uint16)
        grey = (samples >> max(0, container.bits - 8)).astype(np.uint8)
        if container.white_is_zero:
            grey = 255 - grey
        if isinstance(transparent, int):
            grey[samples == transparent] = 255
        return grey[:, :, None]
    if mode == "F":
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ImageError("samples that are not numbers")
        return np.rint(values * scale).astype(np.uint8)[:, :, None]
    if mode == "I":
        raise ImageError("samples of 32 bits or with a sign; 8 and 16 bits and floating point can be read")
    if isinstance(transparent, tuple) and container.bits == 16:  # the colour as stored; Pillow's samples are high bytes
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or transparent is not None:
        if mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (Exif 2.32, tag 274)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def check_option(name: str, value: object, options: tuple[str, ...]) -> None:
    """Refuse a value that is none of `options`, naming them.

    Raises:
        ConfigError: it is none of them.
    """
    if value not in options:
        raise ConfigError(
            f"{name} must be {' or '.join(options)}; received {value!r}{did_you_mean(str(value), options)}"
        )


def check_size(size: tuple[int, int]) -> None:
    """Refuse what is not (height, width) in whole pixels.

    Raises:
        ConfigError: it is not.
    """
    if len(size) != 2 or not all(isinstance(side, int | np.integer) and side >= 1 for side in size):
        raise ConfigError(f"size must be (height, width) in whole pixels, both at least 1; received {size}")


def _scale(image: Pixels, size: tuple[int, int]) -> Pixels:
    import cv2

    shrunk = min(size[0], image.shape[0]), min(size[1], image.shape[1])
    if shrunk != image.shape[:2]:
        image = np.asarray(cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    if size != shrunk:
        image = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.ascontiguousarray(image)
