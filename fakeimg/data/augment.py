"""Random changes of training images, decided by (seed, image, view) alone and so the same on every thread and run.

The changes that matter here are not those of object recognition. A generated face differs from a photograph in fine
texture, but a *collection* of generated faces differs from a collection of photographs in framing, size and JPEG
quality too, and that is easier to learn. Recompressing, resampling and reframing both classes alike takes those hints
away (Wang et al. 2020, "CNN-generated images are surprisingly easy to spot… for now", section 4.1).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Augment

_SHRINKING = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC)
_GROWING = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, the weights of JPEG's Y


def augment(
    image: NDArray[np.uint8], settings: Augment, *, seed: int, index: int, epoch_or_view: int
) -> NDArray[np.uint8]:
    """One random variant of `image`; the same arguments always give the same bytes.

    Args:
        image: uint8 RGB, shape (h, w, 3); not changed.
        settings: how strong each change may be; `image` itself comes back when none is on.
        seed: of the experiment, at least 0.
        index: the image's place in its data set, so that neighbours change differently.
        epoch_or_view: which variant of this image.
    Returns:
        uint8 RGB, shape (h, w, 3): reframed, then recoloured, resampled, blurred, made noisy and recompressed, the
        order in which a picture on its way through cameras and web sites meets these.
    """
    if not settings.active:
        return image
    rng = np.random.default_rng((seed, index, epoch_or_view))
    image = _reframe(image, settings, rng)
    image = _recolour(image, settings, rng)
    image = _resample(image, settings, rng)
    image = _blur(image, settings, rng)
    image = _add_noise(image, settings, rng)
    return _recompress(image, settings, rng)


def augment_batch(
    images: NDArray[np.uint8], settings: Augment, seed: int, indices: Sequence[int] | NDArray[np.integer], view: int
) -> NDArray[np.uint8]:
    """`augment` of every image of a batch, shape (n, h, w, 3); `indices` are the images' places in their data set."""
    if not settings.active:
        return images
    changed = np.empty_like(images)
    for row, (image, index) in enumerate(zip(images, indices, strict=True)):
        changed[row] = augment(image, settings, seed=seed, index=int(index), epoch_or_view=view)
    return changed


def _reframe(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Window, zoom, rotation and flip as one warp: the pixels are interpolated once, not four times."""
    if settings.flip and rng.random() < settings.flip:
        image = image[:, ::-1]
    if not (settings.rotation or settings.zoom or settings.crop):
        return np.ascontiguousarray(image)
    height, width = image.shape[:2]
    kept = 1 - rng.uniform(0, settings.crop)
    scale = rng.uniform(1 - settings.zoom, 1 + settings.zoom) / kept
    window = np.array([width, height]) * kept
    centre = window / 2 + rng.uniform(size=2) * (np.array([width, height]) - window)
    angle = rng.uniform(-settings.rotation, settings.rotation)
    # OpenCV's coordinates are those of pixel centres, half a pixel less than those of edges.
    matrix = np.asarray(cv2.getRotationMatrix2D((centre[0] - 0.5, centre[1] - 0.5), angle, scale), np.float64)
    matrix[:, 2] += np.array([width, height]) / 2 - centre
    warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, np.uint8)


def _recolour(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast about the mean grey, and saturation about each pixel's grey, as one affine map of RGB."""
    if not (settings.brightness or settings.contrast or settings.saturation):
        return image
    shift = rng.uniform(-settings.brightness, settings.brightness) * 255
    contrast = 1 + rng.uniform(-settings.contrast, settings.contrast)
    saturation = 1 + rng.uniform(-settings.saturation, settings.saturation)
    mean = float(_LUMA @ cv2.mean(image)[:3])
    linear = contrast * (saturation * np.eye(3) + (1 - saturation) * _LUMA)
    offset = np.full((3, 1), mean * (1 - contrast) + shift)
    return np.asarray(cv2.transform(image, np.hstack([linear, offset])), np.uint8)


def _resample(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half the images smaller and back, each way with a kernel drawn at random."""
    if not settings.resize or rng.random() < 0.5:
        return image
    height, width = image.shape[:2]
    factor = 1 - rng.uniform(0, settings.resize)
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = cv2.resize(image, small, interpolation=int(rng.choice(_SHRINKING)))
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=int(rng.choice(_GROWING))), np.uint8)


def _blur(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    sigma = rng.uniform(0, settings.blur) if settings.blur else 0.0
    if sigma < 0.1:  # narrower than a pixel by far: nothing would change
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _add_noise(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    if not settings.noise:
        return image
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= rng.uniform(0, settings.noise)
    noise += image
    return np.rint(np.clip(noise, 0, 255, out=noise)).astype(np.uint8)


def _recompress(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half the images through JPEG; OpenCV's coder takes BGR."""
    if settings.jpeg is None or rng.random() < 0.5:
        return image
    quality = int(rng.integers(settings.jpeg, 100, endpoint=True))
    coded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[:, :, ::-1])
