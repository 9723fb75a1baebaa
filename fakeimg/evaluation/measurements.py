"""What an audit looks at: each file's header and a few summaries of its pixels, from one decoding."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.data.images import DecodedImage, ImageHeader, decode, inspect
from fakeimg.errors import ImageError
from fakeimg.evaluation.face_framing import face_framing
from fakeimg.evaluation.sampling import in_order
from fakeimg.progress import progress_bar

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
MODES = ("RGB", "L", "P", "RGBA", "CMYK")
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "grey")
THUMBNAIL = 8
PREVIEW = 16
SPECTRUM_SIDE = 256
SPECTRUM_BINS = 32


@dataclass(frozen=True)
class Measurements:
    """What was measured of the n images of a data set.

    Attributes:
        fingerprints: (n,) uint64, `perceptual_hash`; 0 where the image cannot be read.
        previews: (n, 16, 16) uint8, grey; tells pictures apart whose hashes are close by accident.
        rows: (m,) the readable images that `features` describe, ascending.
        features: by candidate shortcut, float32 (m, k); NaN where it does not apply (JPEG tables of a PNG).
        errors: row → why the image cannot be read.
    """

    fingerprints: NDArray[np.uint64]
    previews: NDArray[np.uint8]
    rows: NDArray[np.int64]
    features: dict[str, NDArray[np.float32]]
    errors: dict[int, str]


def measure(
    dataset: Dataset, rows: NDArray[np.int64] | None = None, *, fingerprints: bool = True, workers: int | None = None
) -> Measurements:
    """Measure every image with one decoding each; memory grows by 270 bytes an image, and 2 KB for each of `rows`.

    Args:
        rows: the images whose features are wanted; all when absent.
        fingerprints: also hash the images that are not in `rows`; without, those are not opened.
        workers: threads; by default one a processor.
    """
    n = len(dataset)
    chosen = np.arange(n) if rows is None else np.unique(rows)
    opened = np.arange(n) if fingerprints else chosen
    wanted = np.zeros(n, bool)
    wanted[chosen] = True
    hashes, previews = np.zeros(n, np.uint64), np.zeros((n, PREVIEW, PREVIEW), np.uint8)
    described: dict[int, dict[str, NDArray[np.float32]]] = {}
    errors: dict[int, str] = {}
    paths = dataset.paths
    with progress_bar("measuring", len(opened)) as advance:
        for row, found in in_order(lambda row: _measure_one(paths[row], bool(wanted[row])), opened.tolist(), workers):
            if isinstance(found, ImageError):
                errors[row] = str(found)
            else:
                hashes[row], previews[row], features = found
                if features is not None:
                    described[row] = features
            advance()
    names = next(iter(described.values()), {})
    return Measurements(
        hashes,
        previews,
        np.array(list(described), np.int64),
        {name: np.stack([features[name] for features in described.values()]) for name in names},
        errors,
    )


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """64 bits that hardly change when a picture is resized, recompressed or brightened.

    The signs, against their median, of the 8 x 8 lowest frequencies of the picture at 32 x 32 greys. The first bit,
    which is the mean's and would always be set, says whether the picture is light.

    Args:
        image: uint8 grey, shape (h, w).
    Source: Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", section 3.2.1.
    """
    import cv2

    small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    low = np.asarray(cv2.dct(small.astype(np.float32)))[:8, :8].ravel()
    bits = low > np.median(low[1:])
    bits[0] = low[0] > 32 * 128
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def radial_spectrum(image: NDArray[np.uint8], bins: int = SPECTRUM_BINS) -> NDArray[np.float32]:
    """Mean log power, (bins,), over rings of spatial frequency from 0 to .71 cycles a pixel, a checkerboard's.

    The middle of the picture, at most 256 x 256 pixels as stored: resizing would remove what upsampling leaves.

    Args:
        image: uint8 grey, shape (h, w).
    Source: Durall, Keuper and Keuper 2020, "Watch your up-convolution", section 3.1.
    """
    height, width = image.shape
    side = SPECTRUM_SIDE
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    window = image[top : top + side, left : left + side].astype(np.float32)
    height, width = window.shape
    # A Hann window: without it the border's jump fills every ring.
    window = (window - window.mean()) * np.outer(np.hanning(height), np.hanning(width))
    power = np.log(np.abs(np.fft.rfft2(window)) ** 2 + 1.0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    ring = np.minimum((frequency / np.sqrt(0.5) * bins).astype(np.int64), bins - 1).ravel()
    counts = np.bincount(ring, minlength=bins)
    sums = np.bincount(ring, power.ravel(), minlength=bins)
    return np.asarray(sums / np.maximum(counts, 1), np.float32)


def header_features(header: ImageHeader) -> dict[str, NDArray[np.float32]]:
    """What the file says of itself, by candidate shortcut."""
    pixels = header.width * header.height
    tables = np.full(128, np.nan, np.float32)
    chroma = np.full(len(SUBSAMPLINGS) + 1, np.nan, np.float32)
    if header.jpeg_quality_tables is not None:
        steps = np.ravel(header.jpeg_quality_tables[:2])
        tables[: steps.size] = steps
        chroma = _one_hot(header.jpeg_subsampling, SUBSAMPLINGS)
    return {
        "container": np.concatenate(
            [_one_hot(header.format, FORMATS), _one_hot(header.mode, MODES), [np.float32(header.frames)]]
        ),
        "dimensions": np.array([header.width, header.height, header.width / header.height, pixels], np.float32),
        "file size": np.array([header.bytes, header.bytes / pixels], np.float32),
        "JPEG settings": np.concatenate([tables, chroma]),
        "EXIF": np.array([header.exif, header.orientation], np.float32),
    }


def pixel_features(image: DecodedImage, grey: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Summaries of the pixels that say nothing of what a face looks like, by candidate shortcut."""
    import cv2

    thumbnail = cv2.resize(image.pixels, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return {
        "mean colour": image.pixels.mean(axis=(0, 1)).astype(np.float32),
        "8×8 thumbnail": np.asarray(thumbnail, np.float32).ravel() / 255,
        "face framing": face_framing(grey),
        "power spectrum": radial_spectrum(grey),
    }


def _one_hot(value: str | None, names: tuple[str, ...]) -> NDArray[np.float32]:
    """One place a name, and a last one for anything else."""
    places = np.zeros(len(names) + 1, np.float32)
    places[names.index(value) if value in names else -1] = 1
    return places


Found = tuple[int, NDArray[np.uint8], dict[str, NDArray[np.float32]] | None]


def _measure_one(path: Path, features: bool) -> Found | ImageError:
    import cv2

    try:
        image = decode(path)
        header = inspect(path) if features else None
    except ImageError as error:
        return error
    grey = np.asarray(cv2.cvtColor(image.pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    preview = np.asarray(cv2.resize(grey, (PREVIEW, PREVIEW), interpolation=cv2.INTER_AREA), np.uint8)
    described = header_features(header) | pixel_features(image, grey) if header else None
    return perceptual_hash(grey), preview, described
