"""A camera: lens, noisy sensor under a colour mosaic, demosaicing, colour, tone and JPEG.

The order and the names follow any raw converter's (Karaimer and Brown, "A software platform for manipulating the
camera imaging pipeline", 2016); the noise is the Poisson-Gaussian model of Foi et al. 2008.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeimg.data.drawing.canvas import Field, blurred

_FULL_SCALE = 4095  # a 12-bit sensor


@dataclass(frozen=True)
class Look:
    """What a picture owes to lens, exposure and rendering, and not to the sensor: a photo and its fake share it."""

    exposure: float
    balance: Field  # (3,) the error that automatic white balance leaves
    contrast: float
    vignetting: float
    defocus: float  # standard deviation of the lens's blur, pixels of the finished picture
    noise_reduction: float
    sharpening: float

    @classmethod
    def draw(cls, camera: "Camera", rng: np.random.Generator) -> "Look":
        """A look at random, within what `camera` does."""
        return cls(
            exposure=float(rng.uniform(0.85, 1.12)),
            balance=rng.normal(1, 0.02, 3).astype(np.float32),
            contrast=float(rng.uniform(0.0, 0.35)),
            vignetting=float(rng.uniform(0.0, 0.22)),
            defocus=float(rng.uniform(0.3, 0.75)),
            noise_reduction=float(rng.uniform(0, 0.8)),
            sharpening=float(rng.uniform(*camera.sharpening)),
        )


@dataclass(frozen=True)
class Camera:
    """A body: how it demosaics and sharpens, and how noisy its sensor is."""

    name: str
    demosaicing: int  # an OpenCV colour conversion
    gains: tuple[float, float, float]  # white balance: what red, green and blue are multiplied by
    electrons: tuple[float, float]  # full-well capacity over ISO gain, range: fewer electrons, more shot noise
    read_noise: float  # standard deviation, share of full scale
    sharpening: tuple[float, float]


CAMERAS = (
    Camera("camera_a", cv2.COLOR_BayerRGGB2RGB, (1.9, 1.0, 1.6), (300, 1800), 0.002, (0.1, 0.5)),
    Camera("camera_b", cv2.COLOR_BayerRGGB2RGB_EA, (2.1, 1.0, 1.45), (350, 2400), 0.0025, (0.0, 0.35)),
)

# From the camera's own red, green and blue to sRGB's; rows sum to 1, so grey stays grey.
_COLOUR = np.array([[1.55, -0.42, -0.13], [-0.2, 1.48, -0.28], [0.03, -0.5, 1.47]], np.float32)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def through_lens(scene: Field, size: tuple[int, int], look: Look) -> Field:
    """What falls on the sensor: `scene` in linear light, blurred, dimmed to the corners, at `size` (h, w)."""
    height, width = size
    ratio = scene.shape[1] / width
    light = cv2.resize(blurred(scene, look.defocus * ratio), (width, height), interpolation=cv2.INTER_AREA)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    falloff = 1 - np.float32(look.vignetting / 2) * (x * x + y * y)
    return np.asarray(light * falloff * np.float32(look.exposure) * look.balance, np.float32)


def expose(light: Field, camera: Camera, rng: np.random.Generator) -> Field:
    """The camera's linear picture (h, w, 3) of `light` (h, w, 3): sensed through a mosaic, then demosaiced."""
    gains = np.array(camera.gains, np.float32)
    sensed = np.clip(cv2.transform(light, np.linalg.inv(_COLOUR)) / gains, 0, 1)
    raw = sensed[..., 1].copy()
    raw[0::2, 0::2] = sensed[0::2, 0::2, 0]
    raw[1::2, 1::2] = sensed[1::2, 1::2, 2]
    low, high = camera.electrons
    electrons = low * (high / low) ** rng.uniform()
    spread = np.sqrt(raw / np.float32(electrons) + np.float32(camera.read_noise**2))
    raw += spread * rng.standard_normal(raw.shape, dtype=np.float32)
    counts = np.clip(np.round((raw + 0.03) * _FULL_SCALE * 0.9), 0, _FULL_SCALE).astype(np.uint16)
    full = cv2.demosaicing(counts, camera.demosaicing).astype(np.float32)
    balanced = np.clip(full / np.float32(_FULL_SCALE * 0.9) - np.float32(0.03), 0, 1) * gains
    return np.asarray(cv2.transform(balanced, _COLOUR), np.float32)


def render(linear: Field, look: Look) -> Field:
    """Linear light to display values in [0, 1], (h, w, 3): tone, noise reduction, sharpening."""
    return _sharpen(_reduce_noise(_tone(linear, look.contrast), look.noise_reduction), look.sharpening)


def _tone(linear: Field, contrast: float) -> Field:
    """The curve of sRGB (IEC 61966-2-1), then contrast."""
    light = np.clip(linear, 0, 1)
    display = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** np.float32(1 / 2.4) - 0.055)
    steeper = display * display * (3 - 2 * display)
    return np.asarray(display + np.float32(contrast) * (steeper - display), np.float32)


def _reduce_noise(display: Field, amount: float) -> Field:
    """Smooth colour widely and brightness a little, as cameras do before they store a JPEG; `amount` in [0, 1]."""
    luminance = (display @ _LUMA)[..., None]
    colour = blurred(display - luminance, 1.5)
    smooth = blurred(luminance, 0.8)[..., None]
    return np.asarray(luminance + np.float32(amount) * (smooth - luminance) + colour, np.float32)


def _sharpen(display: Field, amount: float) -> Field:
    """Unsharp masking of the luminance, as cameras do; `amount` is the share of detail added."""
    luminance = display @ _LUMA
    detail = luminance - blurred(luminance, 1.0)
    return np.clip(display + np.float32(amount) * detail[..., None], 0, 1)


def photograph(light: Field, camera: Camera, look: Look, rng: np.random.Generator) -> Field:
    """A photograph of `light` (see `through_lens`), display values in [0, 1], (h, w, 3)."""
    return render(expose(light, camera, rng), look)


def encode_jpeg(display: Field, quality: int) -> bytes:
    """`display` in [0, 1] as a baseline JPEG, its colour at half the resolution both ways (4:2:0)."""
    pixels: NDArray[np.uint8] = np.round(np.clip(display, 0, 1) * 255).astype(np.uint8)
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return bytes(encoded)
