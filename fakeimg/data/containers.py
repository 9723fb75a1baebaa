"""What an image file says of itself before a pixel is decoded: format, size, completeness, orientation.

Pillow alone is not enough here. Its switch for truncated files is one flag for the whole process, so two threads cannot
disagree about it; it accepts files whose last bytes are missing; and it parses metadata (EXIF, ICC, text), which can be
a bomb or set off warnings. So each file is walked once, piece by piece, and Pillow gets the pixels without metadata.
"""

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from fakeimg.data.tiff import exif_orientation, read_tiff
from fakeimg.errors import ImageError

MAX_CHUNKS = 100_000
"""Chunks of a PNG; a 64-megapixel one in pieces of 8 kB has about 25,000."""
MAX_SCANS = 200
"""Scans of a progressive JPEG; encoders write about ten, and each costs a pass over the whole image."""


@dataclass(frozen=True)
class Container:
    """One image file, walked but not decoded.

    Attributes:
        format: Pillow's name: JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF.
        pixels: the file without metadata, ready for Pillow; of a cut JPEG, closed where it ends.
        width: in pixels, as stored (before orientation); 0 where only the decoder can tell.
        height: in pixels, as stored.
        complete: nothing is missing at the end.
        frames: pictures in the file; the first is the one that is read.
        exif: whether EXIF is there.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        bits: bits a sample, where it matters (PNG, TIFF).
        white_is_zero: TIFF samples count down from white.
        mode: colour mode, where Pillow could only tell by allocating the image (WebP).
    """

    format: str
    pixels: bytes
    width: int
    height: int
    complete: bool
    frames: int = 1
    exif: bool = False
    orientation: int = 1
    bits: int = 8
    white_is_zero: bool = False
    mode: str | None = None


def scan(data: bytes) -> Container:
    """Walk an image file held in memory.

    Raises:
        ImageError: it is not an image of a known format, or its header is missing, damaged or absurd.
    """
    if not data:
        raise ImageError("empty file")
    walk = _walker(data)
    if walk is None:
        raise ImageError(f"not a JPEG, PNG, WebP, BMP, TIFF, GIF or AVIF image (it begins with {data[:8]!r})")
    try:
        container = walk(data)
    except (struct.error, IndexError) as error:
        raise ImageError("truncated or damaged header") from error
    if container.format != "AVIF" and (container.width < 1 or container.height < 1):
        raise ImageError(f"impossible size {container.width}x{container.height}")
    return container


def _walker(data: bytes) -> Callable[[bytes], Container] | None:
    """Tell the format by content: a PNG that is named .jpg is a PNG."""
    for signature, walk in _SIGNATURES:
        if data.startswith(signature):
            return walk
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp
    if data[4:8] == b"ftyp" and (b"avif" in (brands := data[8:64]) or b"avis" in brands):
        return _avif
    return None


def _jpeg(data: bytes) -> Container:
    kept, at, width, height, exif = [data[:2]], 2, 0, 0, b""
    while True:
        at = data.index(b"\xff", at) if b"\xff" in data[at : at + 64] else len(data)
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD9:
            at += 2
            continue
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            exif = exif or data[at + 10 : end]
        if marker == 0xDA:
            break
        # APP0 (JFIF) and APP14 (Adobe) say what the colour components mean; other APPn and comments are metadata.
        if marker in (0xE0, 0xEE) or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(data[at:end])
        at = end
    # Inside a scan 0xFF is always followed by 0x00 or a restart marker: the first "end of image" is the real one.
    close = data.find(b"\xff\xd9", end)
    if data.count(b"\xff\xda", at, close if close >= 0 else len(data)) > MAX_SCANS:
        raise ImageError(f"more than {MAX_SCANS} scans in one JPEG")
    if close < 0 and len(data) <= end:
        raise ImageError("truncated before its first pixel")
    kept.append(data[at:close] if close >= 0 else _whole_segments(data, at))
    pixels = b"".join([*kept, b"\xff\xd9"])
    return Container("JPEG", pixels, width, height, close >= 0, exif=bool(exif), orientation=exif_orientation(exif))


def _whole_segments(data: bytes, start: int) -> bytes:
    """The scans of a cut JPEG, up to a table that is cut itself: what follows would be taken for its contents."""
    for match in re.finditer(rb"\xff[\xc0-\xcf\xda-\xfe]", data[start:]):
        at = start + match.start()
        if at + 4 > len(data) or at + 2 + struct.unpack_from(">H", data, at + 2)[0] > len(data):
            return data[start:at]
    return data[start:].rstrip(b"\xff")


def _png(data: bytes) -> Container:
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    kept, at, complete, exif, frames, pieces = [data[:8]], 8, False, b"", 1, 0
    while at < len(data) and not complete:
        if at + 8 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        pieces += 1
        if pieces > MAX_CHUNKS:
            raise ImageError(f"more than {MAX_CHUNKS} chunks in one PNG")
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[at:end])
            if end <= len(data) and zlib.crc32(kept[-1][4:-4]) != struct.unpack_from(">I", data, end - 4)[0]:
                raise ImageError(f"damaged: PNG chunk {kind.decode()} fails its checksum")
        elif kind == b"eXIf":
            exif = data[at + 8 : end - 4]
        elif kind == b"acTL":
            frames = max(1, struct.unpack_from(">I", data, at + 8)[0])
        complete = kind == b"IEND" and end <= len(data)
        at = end
    return Container(
        "PNG", b"".join(kept), width, height, complete, frames, bool(exif), exif_orientation(exif), bits if bits else 8
    )


def _gif(data: bytes) -> Container:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    start = at = 13 + _gif_palette(flags)
    control, frame, frames, complete = b"", b"", 0, False
    while at < len(data) and not complete:
        if data[at] == 0x21:  # extension
            end = _gif_blocks(data, at + 2)
            if not frame and data[at + 1] == 0xF9:
                control = data[at:end]
        elif data[at] == 0x2C:  # image
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, at + 1)
            end = _gif_blocks(data, at + 11 + _gif_palette(flags))
            if not frame:
                frame = data[at:end]
                width, height = max(width, left + across), max(height, top + down)
            frames += 1
        else:
            complete = data[at] == 0x3B
            break
        at = end
    if not frame:
        raise ImageError("a GIF without a picture, or truncated before its first")
    close = b"" if frames == 1 and not complete else b";"
    return Container("GIF", data[:start] + control + frame + close, width, height, complete, frames)


def _gif_palette(flags: int) -> int:
    """Bytes of the colour table that `flags` announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, at: int) -> int:
    """Where a chain of data blocks that starts at `at` ends; past the end of `data` when it is cut."""
    size = len(data)
    while at < size:
        length = data[at]
        at += 1 + length
        if length == 0:
            return at
    return size + 1


def _webp(data: bytes) -> Container:
    size = struct.unpack_from("<I", data, 4)[0] + 8
    kind, _, _ = struct.unpack_from("<4s10sI", data, 12)
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        alpha = bool(data[20] & 0x10)
    elif kind == b"VP8L":
        packed = struct.unpack_from("<I", data, 21)[0]
        width, height, alpha = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF), bool(packed >> 28 & 1)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
        alpha = False
    else:
        raise ImageError(f"a WebP file without a picture (its first chunk is {kind!r})")
    at, exif, frames = 12, b"", 0
    while at + 8 <= min(size, len(data)):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            exif = data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0")
        frames += kind == b"ANMF"
        at += 8 + length + length % 2
    mode = "RGBA" if alpha else "RGB"
    complete = size <= len(data)
    return Container(
        "WEBP", data, width, height, complete, max(1, frames), bool(exif), exif_orientation(exif), mode=mode
    )


def _bmp(data: bytes) -> Container:
    start, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = size = 0
    else:
        width, height, _, bits, compression, size = struct.unpack_from("<iiHHII", data, 18)
    if compression not in (1, 2):  # not run-length encoded: rows of whole 32-bit words
        size = (width * bits + 31) // 32 * 4 * abs(height)
    return Container("BMP", data, width, abs(height), start + size <= len(data))


def _tiff(data: bytes) -> Container:
    tiff = read_tiff(data)
    return Container(
        "TIFF",
        tiff.pixels,
        tiff.width,
        tiff.height,
        tiff.complete,
        tiff.pages,
        tiff.exif,
        tiff.orientation,
        tiff.bits,
        tiff.white_is_zero,
    )


def _avif(data: bytes) -> Container:
    at, complete, pixels, width, height, exif = 0, False, data, 0, 0, False
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            size = struct.unpack_from(">Q", data, at + 8)[0]
        end = at + size if size else len(data)
        if end > len(data) or (size and size < 8):
            complete = False
            break
        complete = complete or kind == b"mdat"  # the coded picture; it may also lie inside "meta", as "idat"
        if kind == b"meta":
            meta = data[at:end]
            complete = b"idat" in meta
            exif = b"Exif" in meta
            # An item of unknown type is ignored, so its EXIF is never parsed.
            pixels = data[:at] + meta.replace(b"Exif", b"skip") + data[end:]
            for match in re.finditer(b"ispe....", meta, re.DOTALL):
                across, down = struct.unpack_from(">II", meta, match.end())
                width, height = max(width, across), max(height, down)
        at = end
    return Container("AVIF", pixels, width, height, complete and at == len(data), exif=exif)


_SIGNATURES: tuple[tuple[bytes, Callable[[bytes], Container]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"BM", _bmp),
)
