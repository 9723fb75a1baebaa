"""TIFF directories: the header of a TIFF file, and of the EXIF that other formats carry (TIFF 6.0, section 2)."""

import ctypes
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from fakeimg.errors import ImageError

MAX_PIECES = 100_000
"""Strips, tiles or pages in one file; a 64-megapixel file has a few ten thousand at most."""
MAX_TILE = 2**26
"""Pixels in one tile."""
MAX_SAMPLES = 6
"""Samples in one pixel; Pillow reads no more."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_INTEGERS = {1: "B", 3: "H", 4: "I"}
_WIDTH, _LENGTH, _BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _TILE_WIDTH, _TILE_LENGTH, _EXIF, _DNG = (
    256, 257, 258, 262, 274, 277, 322, 323, 34665, 50706,
)  # fmt: skip
# Compression, fill order, rows per strip, planar configuration and predictor are single numbers, too.
_SCALARS = frozenset({_WIDTH, _LENGTH, 259, _PHOTOMETRIC, 266, _SAMPLES, 278, 284, 317, _TILE_WIDTH, _TILE_LENGTH})
# Where the samples are and what they mean: strips, tiles, colour map, inks, extra samples, formats, JPEG tables, YCbCr.
_STRUCTURE = _SCALARS | {_BITS, 273, 279, 292, 293, 320, 324, 325, 332, 338, 339, 347, 529, 530, 531, 532}

Entries = dict[int, bytes]


@dataclass(frozen=True)
class Tiff:
    """The header of a TIFF file.

    Attributes:
        pixels: the file with its first page alone, without metadata and without orientation.
        width: in pixels, as stored.
        height: in pixels, as stored.
        complete: every page and every value lies inside the file.
        pages: pages in the file.
        exif: whether an EXIF directory is there.
        orientation: 1 (upright) to 8.
        bits: bits a sample.
        white_is_zero: samples count down from white.
    """

    pixels: bytes
    width: int
    height: int
    complete: bool
    pages: int
    exif: bool
    orientation: int
    bits: int
    white_is_zero: bool


def read_tiff(data: bytes) -> Tiff:
    """Read the directories of a TIFF file.

    Raises:
        ImageError: the first page's directory is absurd, or belongs to a camera's raw file.
        struct.error: it is cut or damaged.
    """
    order = _order(data)
    page = struct.unpack_from(f"{order}I", data, 4)[0]
    first: Entries = {}
    pages: set[int] = set()
    complete = True
    while page and page not in pages and len(pages) < MAX_PIECES:
        try:
            entries, following = _directory(data, order, page)
        except struct.error:
            if not pages:
                raise
            complete = False
            break
        first = first or entries
        pages.add(page)
        complete = complete and _page_complete(data, order, entries)
        page = following
    if _DNG in first:
        raise ImageError("a camera's raw file (DNG), not a picture")
    for tag in _STRUCTURE & first.keys():
        count = struct.unpack_from(f"{order}I", first[tag], 4)[0]
        if count > MAX_PIECES or (tag in _SCALARS and count != 1):
            raise ImageError(f"absurd TIFF: tag {tag} has {count} values")
        if not _inside(data, order, first[tag]):
            raise struct.error("values outside the file")
    number = {tag: _values(data, order, first[tag])[0] for tag in (_SCALARS | {_BITS, _ORIENTATION}) & first.keys()}
    if number.get(_TILE_WIDTH, 1) * number.get(_TILE_LENGTH, 1) > MAX_TILE or number.get(_SAMPLES, 1) > MAX_SAMPLES:
        raise ImageError("absurd TIFF: tiles or samples of impossible size")
    return Tiff(
        pixels=_first_page(data, order, [first[tag] for tag in sorted(_STRUCTURE & first.keys())]),
        width=number.get(_WIDTH, 0),
        height=number.get(_LENGTH, 0),
        complete=complete,
        pages=len(pages),
        exif=_EXIF in first,
        orientation=_known_orientation(number.get(_ORIENTATION, 1)),
        bits=number.get(_BITS, 1),
        white_is_zero=number.get(_PHOTOMETRIC) == 0,
    )


def exif_orientation(exif: bytes) -> int:
    """The orientation of an EXIF block, 1 to 8; 1 (upright) where there is none or the block is damaged."""
    if exif[:2] not in (b"II", b"MM"):
        return 1
    order = _order(exif)
    try:
        # Some writers leave out the four bytes that say that no directory follows.
        entries, _ = _directory(exif + b"\0\0\0\0", order, struct.unpack_from(f"{order}I", exif, 4)[0])
        return _known_orientation(_values(exif, order, entries[_ORIENTATION])[0]) if _ORIENTATION in entries else 1
    except (struct.error, ImageError):
        return 1


@cache
def silence_libtiff() -> None:
    """Stop libtiff from printing what it finds in a damaged file; Pillow raises it anyway.

    Pillow switches off libtiff's warnings, but has no setting for its errors. Where its library cannot be reached by
    name, they are printed to stderr as before.
    """
    from PIL import _imaging

    with suppress(AttributeError, OSError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def _order(data: bytes) -> str:
    return "<" if data[:2] == b"II" else ">"


def _known_orientation(value: int) -> int:
    return value if 1 <= value <= 8 else 1


def _directory(data: bytes, order: str, at: int) -> tuple[Entries, int]:
    """The 12-byte entries of a directory by tag, and where the next directory is (0: nowhere)."""
    count = struct.unpack_from(f"{order}H", data, at)[0]
    following = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)[0]
    entries = (data[start : start + 12] for start in range(at + 2, at + 2 + 12 * count, 12))
    return {struct.unpack_from(f"{order}H", entry)[0]: entry for entry in entries}, following


def _values(data: bytes, order: str, entry: bytes) -> tuple[int, ...]:
    """The whole numbers of an entry.

    Raises:
        ImageError: they are too many.
        struct.error: they lie outside the file, or are not whole numbers.
    """
    tag, kind, count = struct.unpack_from(f"{order}HHI", entry)
    if count > MAX_PIECES:
        raise ImageError(f"absurd TIFF: tag {tag} has {count} values")
    if kind not in _INTEGERS or count == 0:
        raise struct.error("not whole numbers")
    layout = f"{order}{count}{_INTEGERS[kind]}"
    if struct.calcsize(layout) <= 4:
        return struct.unpack_from(layout, entry, 8)
    return struct.unpack_from(layout, data, struct.unpack_from(f"{order}I", entry, 8)[0])


def _inside(data: bytes, order: str, entry: bytes) -> bool:
    """Whether the values of an entry lie inside the file."""
    kind, count, start = struct.unpack_from(f"{order}HII", entry, 2)
    size = _SIZES.get(kind, 0) * count
    return bool(size <= 4 or start + size <= len(data))


def _page_complete(data: bytes, order: str, entries: Entries) -> bool:
    """Whether every value and every strip or tile of a page lies inside the file."""
    if not all(_inside(data, order, entry) for entry in entries.values()):
        return False
    for offsets, counts in ((273, 279), (324, 325)):
        if offsets in entries and counts in entries:
            starts = _values(data, order, entries[offsets])
            sizes = _values(data, order, entries[counts])
            if any(start + size > len(data) for start, size in zip(starts, sizes, strict=False)):
                return False
    return True


def _first_page(data: bytes, order: str, entries: list[bytes]) -> bytes:
    """The file with a new directory at its end that holds `entries` alone; what the old ones point to stays unread."""
    even = data + b"\0" * (len(data) % 2)
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    return b"".join([even[:4], struct.pack(f"{order}I", len(even)), even[8:], directory])
