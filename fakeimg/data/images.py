"""The only decoder: any picture file becomes upright 8-bit RGB, or an `ImageError` that says why not."""

import importlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.containers import Container, scan
from fakeimg.data.pixels import Framing, Pixels, check_option, check_size, resize, to_rgb, upright
from fakeimg.data.source import LARGE, MAX_BYTES, Source, only_image_errors, read_source
from fakeimg.data.tiff import silence_libtiff
from fakeimg.errors import ConfigError, DatasetError, ImageError

if TYPE_CHECKING:
    from PIL import Image, ImageFile

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "DecodedImage",
    "Framing",
    "ImageHeader",
    "Truncated",
    "decode",
    "find_images",
    "inspect",
    "read_batches",
    "read_image",
    "resize",
]

Truncated = Literal["refuse", "tolerate"]
Batch = tuple[NDArray[np.int64], Pixels, dict[int, ImageError]]
T = TypeVar("T")

MAX_PIXELS = 64_000_000
"""A 30,000x30,000 picture of one colour is a file of 110 kB and an array of 2.7 GB."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"})

_LARGE_PIXELS = 8_000_000
_PLUGINS = {
    "JPEG": "JpegImagePlugin.JpegImageFile",
    "PNG": "PngImagePlugin.PngImageFile",
    "WEBP": "WebPImagePlugin.WebPImageFile",
    "BMP": "BmpImagePlugin.BmpImageFile",
    "TIFF": "TiffImagePlugin.TiffImageFile",
    "GIF": "GifImagePlugin.GifImageFile",
    "AVIF": "AvifImagePlugin.AvifImageFile",
}


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A picture as a viewer would show it.

    Attributes:
        pixels: uint8 RGB, shape (height, width, 3), upright, on white where the file is transparent.
        format: JPEG, PNG, WEBP, BMP, TIFF, GIF or AVIF, by content and not by name.
        truncated: the end of the file is missing, and so is a part of the picture.
    """

    pixels: Pixels
    format: str
    truncated: bool = False

    @property
    def width(self) -> int:
        """Pixels across, after orientation."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down, after orientation."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class ImageHeader:
    """What a file's header says; nothing of it is visible in the pixels, and all of it can give a label away.

    Attributes:
        format: JPEG, PNG, WEBP, BMP, TIFF, GIF or AVIF, by content.
        width: pixels across, as stored (before orientation).
        height: pixels down, as stored.
        mode: Pillow's colour mode, e.g. RGB, L, P, RGBA, CMYK, I;16.
        frames: pictures in the file; the first is the one that is read.
        bytes: size of the file.
        exif: whether EXIF is there.
        orientation: EXIF orientation, 1 (upright) to 8.
        jpeg_quality_tables: quantisation tables of a JPEG, each 64 steps in row order.
        jpeg_subsampling: chroma subsampling of a JPEG, e.g. 4:2:0; "grey" with one component.
    """

    format: str
    width: int
    height: int
    mode: str
    frames: int
    bytes: int
    exif: bool
    orientation: int
    jpeg_quality_tables: tuple[tuple[int, ...], ...] | None = None
    jpeg_subsampling: str | None = None


def decode(source: Source, *, truncated: Truncated = "refuse") -> DecodedImage:
    """Read a picture.

    The first frame is taken of an animation, the first page of a document. Samples of 16 bits keep their high byte;
    floating-point samples are 0 to 1, or 0 to 255 when one of them exceeds 1. Colour profiles are not applied: a
    detector is trained on the numbers as stored. Safe to call from many threads.

    Args:
        source: a path, or the content of a file.
        truncated: "refuse" raises for a file whose end is missing; "tolerate" returns what there is of it, marked.

    Raises:
        ImageError: the picture cannot be read, or is over `MAX_PIXELS` or `MAX_BYTES`; whatever the file holds,
            nothing else is raised.
        ConfigError: `truncated` is neither "refuse" nor "tolerate".
    """
    check_option("truncated", truncated, get_args(Truncated))
    return _decode(source, truncated, lambda image: image)


def read_image(source: Source, *, truncated: Truncated = "refuse") -> Pixels:
    """The pixels of `decode`: uint8 RGB, shape (h, w, 3)."""
    return decode(source, truncated=truncated).pixels


def inspect(source: Source) -> ImageHeader:
    """Read a picture's header, and no pixel; a file that `decode` refuses for its size or its end still has one.

    Raises:
        ImageError: the header cannot be read.
    """
    with only_image_errors(source), ExitStack() as turn:
        data = read_source(source, turn)
        container = scan(data)
        image = None if container.format == "WEBP" else _open(container)
        tables = subsampling = None
        if image is not None and container.format == "JPEG":
            quantization: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
            tables = tuple(tuple(quantization[key]) for key in sorted(quantization))
            subsampling = _subsampling([(layer[1], layer[2]) for layer in image.layer])  # type: ignore[attr-defined]
        return ImageHeader(
            format=container.format,
            width=image.width if image else container.width,
            height=image.height if image else container.height,
            mode=image.mode if image else container.mode or "RGB",
            frames=int(getattr(image, "n_frames", 1)) if container.format == "AVIF" else container.frames,
            bytes=len(data),
            exif=container.exif,
            orientation=_orientation(container, image),
            jpeg_quality_tables=tables,
            jpeg_subsampling=subsampling,
        )


def read_batches(
    paths: Iterable[Path | str],
    size: tuple[int, int],
    *,
    framing: Framing = "stretch",
    batch_size: int = 32,
    truncated: Truncated = "refuse",
    workers: int | None = None,
) -> Iterator[Batch]:
    """Read pictures at one size, in order, while the caller works on the batch before.

    Threads decode about one batch ahead, so memory does not grow with the number of pictures. They end with the
    iterator, also when it is closed early.

    Args:
        paths: files, in any number; taken as they are needed.
        size: (height, width) in pixels.
        framing: see `resize`.
        batch_size: paths per batch; a batch holds fewer pictures when some of its paths cannot be read.
        truncated: see `decode`.
        workers: threads; by default one per processor, at most 8.

    Yields:
        (indices, images, errors): positions in `paths`, shape (k,), of the pictures that were read; uint8 RGB of shape
        (k, *size, 3); and why the others of this batch could not be read, by position.

    Raises:
        ConfigError: an argument is out of its range; at the call, not at the first batch.
    """
    check_option("framing", framing, get_args(Framing))
    check_option("truncated", truncated, get_args(Truncated))
    check_size(size)
    if batch_size < 1 or (workers is not None and workers < 1):
        raise ConfigError(f"batch_size and workers must be at least 1; received {batch_size} and {workers}")

    def read(path: Path | str) -> Pixels | ImageError:
        try:
            return _decode(path, truncated, lambda image: resize(image.pixels, size, framing))
        except ImageError as error:
            return error

    return _batches(iter(paths), read, size, batch_size, workers or min(8, os.cpu_count() or 1))


def _batches(
    paths: Iterator[Path | str],
    read: Callable[[Path | str], Pixels | ImageError],
    size: tuple[int, int],
    batch_size: int,
    workers: int,
) -> Iterator[Batch]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="fakeimg-decode")
    try:
        waiting = deque(pool.submit(read, path) for path in islice(paths, max(batch_size, 2 * workers)))
        start = 0
        while waiting:
            results = []
            for _ in range(min(batch_size, len(waiting))):
                results.append(waiting.popleft().result())
                waiting.extend(pool.submit(read, path) for path in islice(paths, 1))
            good = [(start + i, result) for i, result in enumerate(results) if not isinstance(result, ImageError)]
            errors = {start + i: result for i, result in enumerate(results) if isinstance(result, ImageError)}
            images = np.stack([image for _, image in good]) if good else np.empty((0, *size, 3), np.uint8)
            yield np.array([index for index, _ in good], np.int64), images, errors
            start += len(results)
    finally:
        pool.shutdown(cancel_futures=True)


def find_images(folder: Path | str) -> list[Path]:
    """Every file below `folder` with the suffix of a picture, sorted; hidden ones are left out, links are followed.

    Raises:
        DatasetError: `folder` is not a folder, or one below it cannot be listed.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"no folder {str(root)!r}")

    def refuse(error: OSError) -> None:
        raise DatasetError(f"cannot list folder {error.filename!r}: {error.strerror}") from error

    found: list[Path] = []
    seen: set[str] = set()  # a link to a folder above would otherwise be followed for ever
    for place, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real in seen:
            continue
        seen.add(real)
        found += (
            Path(place, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
        )
    return sorted(found)


def _decode(source: Source, truncated: Truncated, finish: Callable[[DecodedImage], T]) -> T:
    """Decode and `finish`, both within the turn of a large picture, so that only what `finish` returns outlives it."""
    with only_image_errors(source), ExitStack() as turn:
        container = scan(read_source(source, turn))
        _check_size(container.width, container.height)
        if not container.complete and truncated == "refuse":
            raise ImageError('truncated: the end of the file is missing (truncated="tolerate" reads what there is)')
        if container.width * container.height > _LARGE_PIXELS:
            turn.enter_context(LARGE)
        image = _open(container)
        _check_size(image.width, image.height)
        partial = _load(image, container, truncated)
        pixels = upright(to_rgb(image, container), _orientation(container, image))
        return finish(DecodedImage(pixels, container.format, partial))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"too large: {width}x{height} pixels, over {MAX_PIXELS / 1e6:.0f} megapixels")


def _open(container: Container) -> "ImageFile.ImageFile":
    """Pillow's reader of this one format: `Image.open` would try others, and warn about sizes we have checked."""
    if container.format == "TIFF":
        silence_libtiff()
    module, name = _PLUGINS[container.format].split(".")
    reader = getattr(importlib.import_module(f"PIL.{module}"), name)
    try:
        image: ImageFile.ImageFile = reader(io.BytesIO(container.pixels))
    except Exception as error:  # of many kinds; see `only_image_errors`
        if container.complete:
            raise
        raise ImageError("truncated before its first pixel") from error
    return image


def _load(image: "ImageFile.ImageFile", container: Container, truncated: Truncated) -> bool:
    """Decode into Pillow's memory; True when a part of the picture is missing."""
    try:
        image.load()
    except OSError as error:
        if truncated == "refuse":
            raise
        # What was decoded before the data ended is there; without tiles to read, load() hands it out.
        image.tile = []
        with suppress(Exception):  # some libraries hand out nothing of what they have
            image.load()
            if image.getbbox(alpha_only=False) is not None:
                return True
        raise ImageError("truncated before its first pixel") from error
    return not container.complete


def _orientation(container: Container, image: "Image.Image | None") -> int:
    if container.format == "AVIF" and image is not None:  # turned by its own boxes, which Pillow reports as EXIF
        return int(image.getexif().get(274, 1))
    return container.orientation


def _subsampling(factors: list[tuple[int, int]]) -> str:
    """J:a:b notation of a JPEG's sampling factors (across, down) per component."""
    if len(factors) == 1:
        return "grey"
    across, down = (max(factor[axis] for factor in factors[:3]) for axis in (0, 1))
    if (
        factors[1:3] == [(1, 1)] * len(factors[1:3])
        and factors[0] == (across, down)
        and across in (1, 2, 4)
        and down <= 2
    ):
        return f"4:{4 // across}:{4 // across if down == 1 else 0}"
    return ",".join(f"{x}x{y}" for x, y in factors)
