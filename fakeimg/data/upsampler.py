"""A generator's decoder in miniature: a picture rebuilt from a small grid by learnt-looking transposed convolutions.

A transposed convolution of stride 2 puts zeros between the samples and filters the result. Each of the four positions
that a pixel can have in its 2 x 2 cell then meets other taps of the kernel; where those do not add up to the same gain,
a checkerboard shows (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts"), as peaks in the spectrum at the
half, quarter and eighth of the sampling rate (Zhang et al. 2019; Frank et al. 2020; Durall et al. 2020). What a sensor
leaves, a mosaic's interpolation and noise that grows with the light, is missing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeimg.data.drawing.canvas import Field

_BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 64  # gain 4: three of four samples are zeros
_STEPS = 3
_COARSE = 16
_CHANNELS = (0.1, 1.0, 1.0)  # how strongly luminance and the two colour differences show the pattern


@dataclass(frozen=True)
class Upsampler:
    """A decoder of luminance and two colour differences, values in [0, 1].

    For each doubling (the last one first) and channel it holds a 5 x 5 pattern that its kernel departs by from exact
    interpolation. Luminance departs least, as a decoder is punished most for what shows in it.
    """

    name: str
    patterns: NDArray[np.float32]  # (steps, 3, 5, 5)

    @classmethod
    def learnt(cls, name: str, seed: int, emphasis: tuple[float, float, float]) -> "Upsampler":
        """A decoder whose kernels are drawn once, from `seed`; `emphasis` weighs its doublings, the last one first."""
        patterns = np.random.default_rng(seed).standard_normal((_STEPS, 3, 5, 5))
        weights = np.outer(emphasis, _CHANNELS)[..., None, None]
        return cls(name, (patterns * weights).astype(np.float32))

    def kernels(self, step: int, strength: float) -> NDArray[np.float32]:
        """The kernels (3, 5, 5) of the doubling `step`; `strength` 0 is exact interpolation. Their mean gain is 1."""
        taps = _BINOMIAL * (1 + strength * self.patterns[step])
        return np.asarray(taps * (4 / taps.sum(axis=(1, 2), keepdims=True)), np.float32)


UPSAMPLERS = (
    Upsampler.learnt("upsampler_a", 11, (0.2, 1.0, 1.2)),
    Upsampler.learnt("upsampler_b", 29, (0.2, 1.2, 1.0)),
)


def transposed_convolution(grid: Field, kernels: NDArray[np.float32]) -> Field:
    """(h, w, 3) to (2h, 2w, 3): zeros between the samples, then one kernel (5, 5) for each colour, stride 2."""
    height, width, colours = grid.shape
    spread = np.zeros((2 * height, 2 * width, colours), np.float32)
    spread[::2, ::2] = grid
    # Wrapping keeps the pattern in step across the border; a mirror would draw a line there.
    padded = cv2.copyMakeBorder(spread, 2, 2, 2, 2, cv2.BORDER_WRAP)
    filtered = [cv2.filter2D(padded[..., c], -1, kernels[c])[2:-2, 2:-2] for c in range(colours)]
    return np.stack(filtered, axis=-1)


def regenerate(display: Field, upsampler: Upsampler, strength: float) -> Field:
    """A picture rebuilt by `upsampler`.

    The picture is reduced three times by two to a grid an eighth as wide. On the way back each doubling adds the detail
    that belongs at its scale, as a decoder's layers do. What is as coarse as the grid stays as it was.

    Args:
        display: values in [0, 1], shape (h, w, 3); h and w are multiples of 8.
        strength: of the kernels' departure from exact interpolation; 0 gives `display` back.
    """
    levels: list[Field] = [np.asarray(cv2.cvtColor(display, cv2.COLOR_RGB2YCrCb), np.float32)]
    for _ in range(_STEPS):
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.float32))
    picture = levels[-1]
    for step in reversed(range(_STEPS)):
        detail = levels[step] - transposed_convolution(levels[step + 1], upsampler.kernels(step, 0.0))
        picture = transposed_convolution(picture, upsampler.kernels(step, strength)) + detail
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_YCrCb2RGB), np.float32)


def with_coarse_of(picture: Field, original: Field) -> Field:
    """`picture` in [0, 1], with the light and colour of `original` wherever they are as coarse as `_COARSE` pixels.

    Clipping and the curve of the display turn noise and patterns into small shifts of brightness; without them a
    thumbnail says nothing.
    """
    height, width = picture.shape[:2]
    shift = original - np.clip(picture, 0, 1)
    coarse = cv2.resize(shift, (width // _COARSE, height // _COARSE), interpolation=cv2.INTER_AREA)
    return picture + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def imitated_grain(noise: Field, rng: np.random.Generator) -> Field:
    """Grain with the power spectrum of a photograph's `noise` (h, w, 3), but of random phase.

    A generator learns from photographs how much grain there is and how coarse it is; not that a sensor's noise grows
    with the light and follows its mosaic. This grain is the same all over the picture.
    """
    spectrum = np.fft.rfft2(noise, axes=(0, 1))
    turn = np.fft.rfft2(rng.standard_normal(noise.shape[:2]))
    return np.fft.irfft2(spectrum * (turn / np.abs(turn))[..., None], noise.shape[:2], axes=(0, 1)).astype(np.float32)
