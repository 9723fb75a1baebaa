"""What happens to pictures on their way: recompression, resizing, blur, cropping, noise, screenshots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ConfigError, did_you_mean

Pixels = NDArray[np.uint8]
SCREENSHOT_QUALITY = 90


@dataclass(frozen=True)
class Perturbation:
    """One way to damage a picture.

    Attributes:
        name: what it is called.
        unit: what its strength counts.
        strengths: mildest first.
        apply: (uint8 RGB (h, w, 3), strength, random generator) to uint8 RGB of any size.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]


def jpeg(image: Pixels, quality: float, rng: np.random.Generator) -> Pixels:
    """Recompressed at `quality`, 1 to 100, with chroma at half the resolution as most software does it."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image[..., ::-1], options)[1], cv2.IMREAD_COLOR))[..., ::-1]


def resized(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """Each side reduced to `share` of its length, averaging over areas."""
    import cv2

    size = (max(1, round(image.shape[1] * share)), max(1, round(image.shape[0] * share)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def blurred(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Gaussian blur with standard deviation `sigma`, in pixels of the picture as stored."""
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def cropped(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """The middle, `share` of each side."""
    height, width = image.shape[:2]
    inner = max(1, round(height * share)), max(1, round(width * share))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    return image[top : top + inner[0], left : left + inner[1]]


def noisy(image: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    """Independent Gaussian noise of this standard deviation, in grey levels, on every sample."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
    return np.asarray(np.clip(np.rint(image + noise), 0, 255), np.uint8)


def screenshot(image: Pixels, scale: float, rng: np.random.Generator) -> Pixels:
    """Shown `scale` times as large, interpolated linearly, and captured as a JPEG of quality 90."""
    import cv2

    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    shown = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return jpeg(shown, SCREENSHOT_QUALITY, rng)


PERTURBATIONS: Mapping[str, Perturbation] = {
    perturbation.name: perturbation
    for perturbation in (
        Perturbation("jpeg", "quality", (95, 85, 75, 60, 45, 30), jpeg),
        Perturbation("resize", "share of each side", (0.9, 0.75, 0.5, 0.25), resized),
        Perturbation("blur", "sigma, pixels", (0.5, 1.0, 2.0, 3.0), blurred),
        Perturbation("crop", "share of each side", (0.95, 0.9, 0.8, 0.7), cropped),
        Perturbation("noise", "standard deviation, grey levels", (2.0, 5.0, 10.0, 20.0), noisy),
        Perturbation("screenshot", "scale", (1.25, 1.5, 2.0), screenshot),
    )
}


def get_perturbation(name: str) -> Perturbation:
    """The perturbation called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in PERTURBATIONS:
        raise ConfigError(
            f"no perturbation {name!r}; there are {', '.join(PERTURBATIONS)}{did_you_mean(name, PERTURBATIONS)}"
        )
    return PERTURBATIONS[name]
