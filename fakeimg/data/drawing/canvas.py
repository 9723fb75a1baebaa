"""A canvas in linear light: polygons, strokes and noise laid over one another with soft, antialiased edges."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.floating[Any]]
"""A map of one number a pixel, shape (h, w), or of a colour a pixel, shape (h, w, 3)."""

SUBPIXEL = 4  # bits of the fixed-point coordinates that OpenCV draws with


@dataclass(frozen=True)
class Canvas:
    """Pixels of shape (h, w, 3), linear light, and the frame in which shapes are given.

    Shapes are in *frame units*: `scale` pixels long, the origin at `origin` (x, y), turned by `roll` radians. For a
    portrait the unit is half the width of the head and the origin lies between the eyes; x points right, y down.
    """

    pixels: Field
    origin: tuple[float, float]
    scale: float
    roll: float = 0.0

    def to_pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """Frame units (…, 2) to pixel coordinates (…, 2)."""
        cosine, sine = np.cos(self.roll), np.sin(self.roll)
        turned = np.asarray(points, np.float64) @ np.array([[cosine, sine], [-sine, cosine]])
        return np.asarray(turned * self.scale + self.origin)

    def coordinates(self) -> tuple[Field, Field]:
        """The frame coordinates (x, y) of every pixel, each (h, w)."""
        height, width = self.pixels.shape[:2]
        x = (np.arange(width, dtype=np.float32) - np.float32(self.origin[0])) / np.float32(self.scale)
        y = (np.arange(height, dtype=np.float32) - np.float32(self.origin[1])) / np.float32(self.scale)
        cosine, sine = np.float32(np.cos(self.roll)), np.float32(np.sin(self.roll))
        return x * cosine + y[:, None] * sine, y[:, None] * cosine - x * sine

    def polygon(self, points: ArrayLike, *, soft: float = 0.0) -> Field:
        """Coverage in [0, 1], (h, w), of a closed outline; `soft` blurs its edge (standard deviation, frame units)."""
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self.fixed_point(points)], 255, cv2.LINE_AA, SUBPIXEL)
        return self._softened(mask, soft)

    def strokes(self, lines: Iterable[ArrayLike], width: float, *, closed: bool = False, soft: float = 0.0) -> Field:
        """Coverage in [0, 1], (h, w), of lines `width` frame units wide."""
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        thickness = max(1, round(width * self.scale))
        cv2.polylines(mask, list(map(self.fixed_point, lines)), closed, 255, thickness, cv2.LINE_AA, SUBPIXEL)
        return self._softened(mask, soft)

    def paint(self, coverage: Field, colour: ArrayLike) -> None:
        """Lay `colour`, of shape (3,) or (h, w, 3), over the pixels where `coverage` (h, w) is not zero."""
        box = bounding_box(coverage)
        under = self.pixels[box]
        over = np.asarray(colour, np.float32)
        if over.ndim == 3:
            over = over[box]
        under += coverage[box][..., None] * (over - under)

    def shade(self, coverage: Field, factor: ArrayLike) -> None:
        """Multiply the light by `factor`, (3,) or a number, where `coverage` is 1, and in proportion elsewhere."""
        box = bounding_box(coverage)
        self.pixels[box] *= 1 + coverage[box][..., None] * (np.asarray(factor, np.float32) - 1)

    def add_bump(self, field: Field, centre: tuple[float, float], size: tuple[float, float], height: float) -> None:
        """Add a Gaussian bump to `field` (h, w) in place; its standard deviations are `size`."""
        (at,) = self.to_pixels([centre])
        reach = 3.5 * max(size) * self.scale
        rows = slice(max(0, int(at[1] - reach)), max(0, int(at[1] + reach) + 1))
        columns = slice(max(0, int(at[0] - reach)), max(0, int(at[0] + reach) + 1))
        x, y = self.crop((rows, columns)).coordinates()
        distance = ((x - np.float32(centre[0])) / np.float32(size[0])) ** 2
        distance += ((y - np.float32(centre[1])) / np.float32(size[1])) ** 2
        field[rows, columns] += np.float32(height) * np.exp(np.float32(-0.5) * distance)

    def crop(self, box: tuple[slice, slice]) -> "Canvas":
        """The canvas inside `box` (rows, columns): the same pixels, not a copy."""
        origin = (self.origin[0] - box[1].start, self.origin[1] - box[0].start)
        return Canvas(self.pixels[box], origin, self.scale, self.roll)

    def fixed_point(self, points: ArrayLike) -> NDArray[np.int32]:
        """Frame units (n, 2) to the fixed-point pixels that OpenCV draws with (`shift=SUBPIXEL`)."""
        return np.round(self.to_pixels(points) * (1 << SUBPIXEL)).astype(np.int32)

    def _softened(self, mask: NDArray[np.uint8], soft: float) -> Field:
        coverage = mask.astype(np.float32) * np.float32(1 / 255)
        rows, columns = bounding_box(mask)
        if soft and rows.stop:
            reach = int(3 * soft * self.scale) + 2
            near = (
                slice(max(0, rows.start - reach), rows.stop + reach),
                slice(max(0, columns.start - reach), columns.stop + reach),
            )
            coverage[near] = blurred(coverage[near], soft * self.scale)
        return coverage


def bounding_box(coverage: NDArray[Any]) -> tuple[slice, slice]:
    """The smallest box of rows and columns that holds all of `coverage`."""
    rows, columns = np.flatnonzero(coverage.max(axis=1)), np.flatnonzero(coverage.max(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def blurred(field: Field, sigma: float) -> Field:
    """Gaussian blur with standard deviation `sigma`, pixels; a wide one is done at a fraction of the resolution."""
    if sigma > 12:
        height, width = field.shape[:2]
        small = cv2.resize(field, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> Field:
    """Smooth noise (h, w) of about unit variance, with `cells` bumps across the width."""
    height, width = shape
    grid = rng.standard_normal((max(2, round(cells * height / width)), max(2, round(cells))), dtype=np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def spline(points: ArrayLike, steps: int = 8, *, closed: bool = False) -> NDArray[np.float64]:
    """A smooth curve through `points` (n, …, 2), with `steps` points a piece (Catmull and Rom 1974)."""
    knots = np.asarray(points, np.float64)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.arange(steps) / steps
    weights = 0.5 * np.stack(
        [2 * t**2 - t - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], axis=1
    )
    pieces = np.stack([knots[k : len(knots) - 3 + k] for k in range(4)], axis=1)
    curve = np.einsum("sk,nk...->ns...", weights, pieces)
    flat = curve.reshape(-1, *knots.shape[1:])
    return flat if closed else np.concatenate([flat, knots[-2:-1]])


def mirrored(points: ArrayLike) -> NDArray[np.float64]:
    """An outline that is symmetric about x = 0, from its right half, given from the top down."""
    right = np.asarray(points, np.float64)
    left = right[::-1] * [-1, 1]
    return np.concatenate([right, left[left[:, 0] < -1e-9]])


def srgb(red: float, green: float, blue: float) -> Field:
    """An sRGB colour, 0-255, as linear light in [0, 1], shape (3,) (IEC 61966-2-1)."""
    value = np.array([red, green, blue]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
