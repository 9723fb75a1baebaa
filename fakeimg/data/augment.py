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

_SHRINKING = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC)
_GROWING = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, the weights of JPEG's Y


def augment(
    image: NDArray[np.uint8],
    settings: Augment,
    *,
    seed: int,
    index: int,
    epoch_or_view: int,
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """One random variant of `image`; the same arguments always give the same bytes.

    Args:
        image: uint8 RGB, shape (h, w, 3); not changed.
        settings: how strong each change may be; `image` itself comes back when none is on.
        seed: of the experiment, at least 0.
        index: the image's place in its data set, so that neighbours change differently.
        epoch_or_view: which variant of this image.
        size: height and width of the result; those of `image` when absent. A window cut from a larger image stays
            sharp where one cut from an image of the final size must be enlarged.
    Returns:
        uint8 RGB, shape (*size, 3): reframed, then recoloured, resampled, blurred, made noisy and recompressed, the
        order in which a picture on its way through cameras and web sites meets these.
    """
    size = size or (image.shape[0], image.shape[1])
    rng = np.random.default_rng((seed, index, epoch_or_view))
    image = _reframe(image, size, settings, rng)
    image = _recolour(image, settings, rng)
    image = _resample(image, settings, rng)
    image = _blur(image, settings, rng)
    image = _add_noise(image, settings, rng)
    return _recompress(image, settings, rng)


def augment_batch(
    images: NDArray[np.uint8],
    settings: Augment,
    seed: int,
    indices: Sequence[int] | NDArray[np.integer],
    view: int,
    *,
    size: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """`augment` of every image of a batch (n, h, w, 3), to (n, *size, 3).

    `indices` are the images' places in their data set.
    """
    size = size or (images.shape[1], images.shape[2])
    if not settings.active and size == images.shape[1:3]:
        return images
    changed = np.empty((len(images), *size, 3), np.uint8)
    for row, (image, index) in enumerate(zip(images, indices, strict=True)):
        changed[row] = augment(image, settings, seed=seed, index=int(index), epoch_or_view=view, size=size)
    return changed


def random_patches(
    images: NDArray[np.uint8], side: int, seed: int, indices: Sequence[int] | NDArray[np.integer], view: int
) -> NDArray[np.uint8]:
    """A square of `side` pixels from a random place of every image (n, h, w, 3): (n, side, side, 3)."""
    patches = np.empty((len(images), side, side, 3), np.uint8)
    for row, (image, index) in enumerate(zip(images, indices, strict=True)):
        rng = np.random.default_rng((seed, int(index), view, side))
        top, left = rng.integers(0, np.array(image.shape[:2]) - side, endpoint=True)
        patches[row] = image[top : top + side, left : left + side]
    return patches


def _reframe(
    image: NDArray[np.uint8], size: tuple[int, int], settings: Augment, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Flip, window, zoom and rotation, and the final size, with one interpolation."""
    if settings.flip and rng.random() < settings.flip:
        image = np.ascontiguousarray(image[:, ::-1])
    height, width = image.shape[:2]
    windowed = settings.crop and _drawn(settings.crop_share, rng)
    kept = 1 - rng.uniform(0, settings.crop) if windowed else 1.0
    corner = rng.uniform(size=2) * (1 - kept) * (width, height) if windowed else np.zeros(2)
    if settings.rotation or settings.zoom:
        return _warp(image, size, kept, corner, settings, rng)
    left, top = np.rint(corner).astype(int)
    window = image[top : top + max(1, round(height * kept)), left : left + max(1, round(width * kept))]
    if window.shape[:2] == size:
        return window
    shrinks = window.shape[0] * window.shape[1] > size[0] * size[1]
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR  # as `data.images.resize` does
    return np.asarray(cv2.resize(window, size[::-1], interpolation=kernel), np.uint8)


def _warp(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    kept: float,
    corner: NDArray[np.float64],
    settings: Augment,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """The window at `corner` (x, y), zoomed and turned about its centre; beyond the border the picture is mirrored."""
    height, width = image.shape[:2]
    angle = rng.uniform(-settings.rotation, settings.rotation)
    zoom = rng.uniform(1 - settings.zoom, 1 + settings.zoom)
    centre = corner + kept * np.array([width, height]) / 2
    # OpenCV's coordinates are those of pixel centres, half a pixel less than those of edges.
    matrix = np.asarray(cv2.getRotationMatrix2D((centre[0] - 0.5, centre[1] - 0.5), angle, zoom), np.float64)
    matrix[:, 2] += kept * np.array([width, height]) / 2 - centre + 0.5
    scale = np.array([size[1] / width, size[0] / height]) / kept
    matrix = scale[:, None] * matrix
    matrix[:, 2] -= 0.5
    warped = cv2.warpAffine(image, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, np.uint8)


def _recolour(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast about the mean grey, and saturation about each pixel's grey, as one affine map of RGB."""
    if not (settings.brightness or settings.contrast or settings.saturation):
        return image
    shift = rng.uniform(-settings.brightness, settings.brightness) * 255
    contrast = 1 + rng.uniform(-settings.contrast, settings.contrast)
    saturation = 1 + rng.uniform(-settings.saturation, settings.saturation)
    mean = float(LUMA @ cv2.mean(image)[:3])
    linear = contrast * (saturation * np.eye(3) + (1 - saturation) * LUMA)
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
    if not settings.noise or not _drawn(settings.noise_share, rng):
        return image
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= rng.uniform(0, settings.noise)
    noise += image
    return np.rint(np.clip(noise, 0, 255, out=noise)).astype(np.uint8)


def _drawn(share: float, rng: np.random.Generator) -> bool:
    """True with probability `share`; certainty takes nothing from `rng`."""
    return share >= 1 or rng.random() < share


def _recompress(image: NDArray[np.uint8], settings: Augment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half the images through JPEG; OpenCV's coder takes BGR."""
    if settings.jpeg is None or rng.random() < 0.5:
        return image
    quality = int(rng.integers(settings.jpeg, 100, endpoint=True))
    coded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[:, :, ::-1])
