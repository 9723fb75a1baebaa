"""A folder of odd and bad images, made by code: what people's folders really hold.

Every good file shows the same picture, `PICTURE`, so that what comes out of the decoder can be compared with what went
in.
"""

import functools
import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, features

HEIGHT, WIDTH = 32, 48
EXACT, CLOSE, LOSSY = 0, 10, 14  # greatest difference allowed in the middle of a patch


def picture() -> NDArray[np.uint8]:
    """Six patches of six colours, with no symmetry, so that no turn or flip goes unnoticed."""
    patches = np.array(
        [[(200, 30, 30), (30, 160, 40), (40, 60, 200)], [(240, 240, 240), (220, 200, 40), (20, 20, 20)]], np.uint8
    )
    return np.ascontiguousarray(patches.repeat(HEIGHT // 2, axis=0).repeat(WIDTH // 3, axis=1))


PICTURE = picture()
GREY = np.asarray(Image.fromarray(PICTURE).convert("L").convert("RGB"))


@dataclass(frozen=True)
class Expectation:
    """What the decoder owes for one file of the corpus.

    Attributes:
        pixels: uint8 RGB, shape (h, w, 3), of a file that can be read; None for one that cannot.
        tolerance: greatest difference allowed.
        reason: words in the error of a file that cannot be read.
        format: what the file is by content.
        truncated: readable with truncated="tolerate"; then `pixels` are those of the whole picture.
    """

    pixels: NDArray[np.uint8] | None = None
    tolerance: int = EXACT
    reason: str = ""
    format: str = ""
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the file can be read as it is."""
        return not self.reason


def difference(pixels: NDArray[np.uint8], expected: Expectation) -> int:
    """The greatest difference from what is expected; of a lossy file away from the edges, where colours bleed."""
    if expected.pixels is None or pixels.shape != expected.pixels.shape:
        return 256
    gap = np.abs(pixels.astype(int) - expected.pixels).max(axis=2)
    if expected.tolerance and gap.size > 1:
        inside = np.pad(np.ones((12, 12), bool), 2)
        gap = gap[np.tile(inside, (HEIGHT // 16, WIDTH // 16))]
    return int(gap.max())


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    """The bytes of `image` in a format."""
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


@functools.cache
def good_files() -> dict[str, tuple[bytes, Expectation]]:
    """Files that show `PICTURE`, one for each way to store it."""
    rgb = Image.fromarray(PICTURE)
    grey = rgb.convert("L")
    palette = rgb.quantize(8)
    transparent = rgb.convert("RGBA")
    transparent.putalpha(Image.fromarray(np.where(PICTURE[:, :, 0] == 240, 0, 255).astype(np.uint8)))
    transparent_white = PICTURE.copy()
    transparent_white[PICTURE[:, :, 0] == 240] = 255
    half = rgb.convert("RGBA")
    half.putalpha(128)
    half_pixels = np.rint(PICTURE * (128 / 255) + 255 * (127 / 255)).astype(np.uint8)
    # 16-bit samples whose low byte differs from their high byte, so that a wrong scale shows.
    deep = PICTURE.astype(np.uint16) * 256 + 77
    deep_grey = GREY[:, :, 0].astype(np.uint16) * 256 + 77
    see_through_palette = palette.copy()
    index = int(np.asarray(palette)[-1, 0])
    other = Image.fromarray(255 - PICTURE)
    white_grey = np.dstack([np.asarray(grey), np.asarray(transparent)[:, :, 3]])
    lab = ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    one_bit = Image.fromarray(np.where(GREY[:, :, 0] > 128, 255, 0).astype(np.uint8)).convert("1")
    one_bit_pixels = np.where(GREY > 128, 255, 0).astype(np.uint8)
    files = {
        "jpeg.jpg": (encode(rgb, "JPEG", quality=95), PICTURE, LOSSY),
        "progressive.jpg": (encode(rgb, "JPEG", quality=95, progressive=True), PICTURE, LOSSY),
        "grey.jpg": (encode(grey, "JPEG", quality=95), GREY, LOSSY),
        "cmyk.jpg": (encode(rgb.convert("CMYK"), "JPEG", quality=95), PICTURE, LOSSY),
        "ycck.jpg": (_ycck_jpeg(), PICTURE, LOSSY),
        "trailing_bytes.jpg": (encode(rgb, "JPEG", quality=95) + b"\0" * 1000, PICTURE, LOSSY),
        "upper_case.JPG": (encode(rgb, "JPEG", quality=95), PICTURE, LOSSY),
        "rgb.png": (encode(rgb, "PNG"), PICTURE, EXACT),
        "png_named.jpg": (encode(rgb, "PNG"), PICTURE, EXACT),
        "jpeg_named.png": (encode(rgb, "JPEG", quality=95), PICTURE, LOSSY),
        "palette.png": (encode(palette, "PNG"), PICTURE, EXACT),
        "palette_transparent.png": (
            encode(see_through_palette, "PNG", transparency=index), transparent_white, EXACT,
        ),
        "grey.png": (encode(grey, "PNG"), GREY, EXACT),
        "grey_alpha.png": (
            encode(Image.fromarray(white_grey, "LA"), "PNG"), np.where(GREY == 240, 255, GREY).astype(np.uint8), EXACT,
        ),
        "grey_key.png": (encode(grey, "PNG", transparency=240), np.where(GREY == 240, 255, GREY), EXACT),
        "grey16.png": (encode(Image.fromarray(deep_grey), "PNG"), GREY, EXACT),
        "rgb16.png": (cv2.imencode(".png", deep[:, :, ::-1])[1].tobytes(), PICTURE, EXACT),
        "one_bit.png": (encode(one_bit, "PNG"), one_bit_pixels, EXACT),
        "alpha.png": (encode(transparent, "PNG"), transparent_white, EXACT),
        "half_alpha.png": (encode(half, "PNG"), half_pixels, 1),
        "animated.png": (encode(rgb, "PNG", save_all=True, append_images=[other]), PICTURE, EXACT),
        "lossy.webp": (encode(rgb, "WEBP", quality=95), PICTURE, LOSSY),
        "lossless.webp": (encode(rgb, "WEBP", lossless=True), PICTURE, EXACT),
        "alpha.webp": (encode(transparent, "WEBP", lossless=True), transparent_white, EXACT),
        "animated.webp": (
            encode(rgb, "WEBP", save_all=True, append_images=[other, rgb], lossless=True), PICTURE, EXACT,
        ),
        "rgb.bmp": (encode(rgb, "BMP"), PICTURE, EXACT),
        "palette.bmp": (encode(palette, "BMP"), PICTURE, EXACT),
        "rgb.tiff": (encode(rgb, "TIFF"), PICTURE, EXACT),
        "lzw.tif": (encode(rgb, "TIFF", compression="tiff_lzw"), PICTURE, EXACT),
        "grey16.tiff": (encode(Image.fromarray(deep_grey), "TIFF"), GREY, EXACT),
        "grey16_big_endian.tiff": (encode(Image.fromarray(deep_grey.astype(">u2")), "TIFF"), GREY, EXACT),
        "rgb16.tiff": (cv2.imencode(".tiff", deep[:, :, ::-1])[1].tobytes(), PICTURE, EXACT),
        "float.tiff": (encode(Image.fromarray(GREY[:, :, 0] / np.float32(255)), "TIFF"), GREY, EXACT),
        "float255.tiff": (encode(Image.fromarray(GREY[:, :, 0].astype(np.float32)), "TIFF"), GREY, EXACT),
        "one_bit.tiff": (encode(one_bit, "TIFF", compression="group4"), one_bit_pixels, EXACT),
        "cmyk.tiff": (encode(rgb.convert("CMYK"), "TIFF"), PICTURE, CLOSE),
        "lab.tiff": (encode(lab, "TIFF"), PICTURE, CLOSE),
        "alpha.tiff": (encode(transparent, "TIFF"), transparent_white, EXACT),
        "pages.tiff": (encode(rgb, "TIFF", save_all=True, append_images=[other, other]), PICTURE, EXACT),
        "still.gif": (encode(palette, "GIF"), PICTURE, EXACT),
        "animated.gif": (
            encode(palette, "GIF", save_all=True, append_images=[other.quantize(8), palette]), PICTURE, EXACT,
        ),
        "one_pixel.png": (encode(rgb.crop((0, 0, 1, 1)), "PNG"), PICTURE[:1, :1], EXACT),
        "one_pixel.jpg": (encode(rgb.crop((0, 0, 1, 1)), "JPEG", quality=95), PICTURE[:1, :1], LOSSY),
    }  # fmt: skip
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        stored = Image.fromarray(_stored(PICTURE, orientation))
        files[f"exif_{orientation}.jpg"] = encode(stored, "JPEG", quality=95, exif=exif), PICTURE, LOSSY
        files[f"exif_{orientation}.png"] = encode(stored, "PNG", exif=exif), PICTURE, EXACT
        files[f"exif_{orientation}.webp"] = encode(stored, "WEBP", lossless=True, exif=exif), PICTURE, EXACT
        files[f"exif_{orientation}.tiff"] = encode(stored, "TIFF", tiffinfo={274: orientation}), PICTURE, EXACT
    if features.check("avif"):
        files["lossy.avif"] = encode(rgb, "AVIF", quality=90), PICTURE, LOSSY
        exif = Image.Exif()
        exif[274] = 6
        files["exif_6.avif"] = (
            encode(Image.fromarray(_stored(PICTURE, 6)), "AVIF", quality=90, exif=exif),
            PICTURE,
            LOSSY,
        )
    return {
        name: (data, Expectation(pixels, tolerance, format=_format(data)))
        for name, (data, pixels, tolerance) in files.items()
    }


def truncated_files() -> dict[str, tuple[bytes, Expectation]]:
    """Files cut in the middle of their pixels, of formats of which the rest can be read."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    whole = {
        "jpg": encode(image, "JPEG", quality=95),
        "progressive.jpg": encode(image, "JPEG", quality=95, progressive=True),
        "png": encode(image, "PNG"),
        "bmp": encode(image, "BMP"),
        "tiff": encode(image, "TIFF"),
        "gif": encode(image.quantize(64), "GIF", interlace=False),
    }
    return {
        f"truncated.{name}": (
            data[: len(data) * 7 // 10],
            Expectation(_by_pillow(data), reason="truncated", format=_format(data), truncated=True),
        )
        for name, data in whole.items()
    }


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Files that are no picture, or none that should be read, and words of the reason."""
    rgb = Image.fromarray(PICTURE)
    return {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"This is not a photograph.\n", "not a JPEG"),
        "page.html.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "not a JPEG"),
        "two_bytes.jpg": (b"\xff\xd8", "not a JPEG"),
        "header_only.jpg": (encode(rgb, "JPEG")[:30], "truncated"),
        "header_only.png": (encode(rgb, "PNG")[:20], "truncated"),
        "truncated.webp": (encode(rgb, "WEBP", lossless=True)[:-20], "truncated"),
        "truncated_animation.webp": (
            encode(rgb, "WEBP", save_all=True, append_images=[Image.fromarray(255 - PICTURE)])[:-20], "truncated",
        ),
        "bomb.png": (bomb_png(30_000), "too large"),
        "bomb.gif": (b"GIF89a" + struct.pack("<HH", 65_000, 65_000) + encode(rgb, "GIF")[10:], "too large"),
        "bomb.webp": (_bomb_webp(), "too large"),
        "bomb.bmp": (b"BM" + struct.pack("<IHHIIiiHH24x", 54, 0, 0, 54, 40, 30_000, 30_000, 1, 24), "too large"),
        "bomb.tiff": (
            tiff({256: 30_000, 257: 30_000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 30_000, 279: 1}), "too large",
        ),
        "million_strips.tiff": (_million_strips(), "absurd"),
        "damaged.png": (_damaged_png(), "damaged"),
        "no_numbers.tiff": (
            encode(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"), "floating-point",
        ),
    }  # fmt: skip


def write_corpus(folder: Path) -> dict[str, Expectation]:
    """Write the corpus into `folder`, which must exist; what the decoder owes for each file, by name."""
    expected = {}
    for name, (data, expectation) in {**good_files(), **truncated_files(), **metadata_bombs()}.items():
        (folder / name).write_bytes(data)
        expected[name] = expectation
    for name, (data, reason) in bad_files().items():
        (folder / name).write_bytes(data)
        expected[name] = Expectation(reason=reason)
    (folder / "folder.jpg").mkdir()
    expected["folder.jpg"] = Expectation(reason="a folder")
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    expected["dangling.jpg"] = Expectation(reason="a link to nothing")
    os.mkfifo(folder / "pipe.jpg")
    expected["pipe.jpg"] = Expectation(reason="not a regular file")
    if os.geteuid() != 0:  # root reads everything
        (folder / "unreadable.jpg").write_bytes(b"")
        (folder / "unreadable.jpg").chmod(0)
        expected["unreadable.jpg"] = Expectation(reason="cannot be read")
    if os.path.exists("/proc/self/mem"):  # a file of which no read succeeds, whoever reads
        (folder / "read_error.jpg").symlink_to("/proc/self/mem")
        expected["read_error.jpg"] = Expectation(reason="cannot be read")
    return expected


@functools.cache
def metadata_bombs() -> dict[str, tuple[bytes, Expectation]]:
    """Good pictures whose metadata would fill the memory, or set off warnings, if they were unpacked."""
    packed = zlib.compress(bytes(100_000_000), 9)  # 100 MB in 100 kB
    png = encode(Image.fromarray(PICTURE), "PNG")
    head, tail = png[:33], png[33:]
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 2000) + b"\x0f\x01\x02\0\xff\xff\xff\x7f\0\0\0\0" * 2000
    jpeg = encode(Image.fromarray(PICTURE), "JPEG", quality=95)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
    return {
        "text_bomb.png": (
            head + png_chunk(b"zTXt", b"note\0\0" + packed) * 3 + tail, Expectation(PICTURE, format="PNG"),
        ),
        "icc_bomb.png": (head + png_chunk(b"iCCP", b"p\0\0" + packed) + tail, Expectation(PICTURE, format="PNG")),
        "exif_bomb.jpg": (jpeg[:2] + segment + jpeg[2:], Expectation(PICTURE, LOSSY, format="JPEG")),
        "multi_picture_bomb.jpg": (
            jpeg[:2] + b"\xff\xe2\x00\x20MPF\0II*\0\xff\xff\xff\xff" + bytes(18) + jpeg[2:],
            Expectation(PICTURE, LOSSY, format="JPEG"),
        ),
        "bad_animation.png": (
            head + png_chunk(b"acTL", struct.pack(">II", 0, 0)) + tail, Expectation(PICTURE, format="PNG"),
        ),
    }  # fmt: skip


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG, with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb_png(side: int) -> bytes:
    """A one-bit PNG of `side` by `side` black pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def tiff(tags: dict[int, int], *, count: int = 1, tail: bytes = b"") -> bytes:
    """A TIFF of one directory of long numbers; strip offsets (tag 273) have `count` values."""
    entries = b"".join(
        struct.pack("<HHII", tag, 4, count if tag == 273 else 1, value) for tag, value in sorted(tags.items())
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + tail


def _stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """How a camera stores what is upright, per EXIF orientation (Exif 2.32, 4.6.4.A): by turning and flipping it."""
    rot90 = np.rot90
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: rot90(upright, 2),
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: rot90(upright, 1),  # must be turned clockwise to be upright, so it is stored turned the other way
        7: rot90(upright.transpose(1, 0, 2), 2),
        8: rot90(upright, -1),
    }[orientation]
    return np.ascontiguousarray(stored)


def _ycck_jpeg() -> bytes:
    """CMYK as Photoshop writes it: inverted, and its first three inks turned into luma and chroma."""
    luma = np.asarray(Image.fromarray(255 - PICTURE).convert("YCbCr"))
    planes = np.dstack([luma, np.full(luma.shape[:2], 255, np.uint8)])
    # Pillow inverts what it writes.
    data = bytearray(encode(Image.fromarray(255 - planes, "CMYK"), "JPEG", quality=95, subsampling=0))
    data[data.index(b"Adobe") + 11] = 2  # the transform: YCCK
    return bytes(data)


def _by_pillow(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _damaged_png() -> bytes:
    data = bytearray(encode(Image.fromarray(PICTURE), "PNG"))
    data[data.index(b"IDAT") + 20] ^= 0xFF
    return bytes(data)


def _million_strips() -> bytes:
    tags = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    return tiff(tags, count=1_000_000, tail=bytes(4_000_200))


def _bomb_webp() -> bytes:
    frame = encode(Image.fromarray(PICTURE), "WEBP", lossless=True)[12:]
    body = b"VP8X" + struct.pack("<IB3x", 10, 0) + (16_000).to_bytes(3, "little") * 2 + frame
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _format(data: bytes) -> str:
    signatures: dict[str, Callable[[bytes], bool]] = {
        "JPEG": lambda d: d[:2] == b"\xff\xd8",
        "PNG": lambda d: d[1:4] == b"PNG",
        "WEBP": lambda d: d[8:12] == b"WEBP",
        "BMP": lambda d: d[:2] == b"BM",
        "TIFF": lambda d: d[:2] in (b"II", b"MM"),
        "GIF": lambda d: d[:3] == b"GIF",
        "AVIF": lambda d: d[4:12] == b"ftypavif",
    }
    return next(name for name, matches in signatures.items() if matches(data))
