"""What a visitor may send: pictures and zips of pictures, checked before anything of them is read."""

import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from fakeimg.data.images import MAX_BYTES, SUFFIXES
from fakeimg.errors import ImageError

MAX_UPLOAD = 64 * 2**20
"""Bytes of one uploaded file."""
MAX_IMAGES = 300
"""Pictures scored at a time."""
MAX_UNPACKED = 512 * 2**20
"""Bytes that the pictures of one zip may have together."""
_LONGEST_NAME = 120


@dataclass(frozen=True)
class Upload:
    """One file that a visitor sent.

    Attributes:
        name: what the visitor calls it; for showing, never for opening.
        path: where the server put it.
    """

    name: str
    path: Path


def uploaded(payload: Any, folder: Path) -> Upload:
    """The file that a request names.

    Gradio checks paths only where the request marks them as files, so they are checked again here: a request could name
    any path of the server.

    Args:
        payload: what Gradio hands to a function: a mapping with `path` and perhaps `orig_name`.
        folder: where uploads are put.
    Raises:
        ImageError: nothing was sent, or the path is not that of an upload.
    """
    if payload is None:
        raise ImageError("no picture was sent")
    path = Path(str(payload.get("path") or "")) if isinstance(payload, Mapping) else Path()
    # Links are followed first: one inside the folder could lead out of it.
    if not path.is_absolute() or folder.resolve() not in path.resolve().parents:
        raise ImageError("what was sent is not an upload; send the picture itself")
    if not path.is_file() or path.is_symlink():
        raise ImageError("the picture is no longer here, uploads are deleted after some minutes; send it again")
    return Upload(shown(str(payload.get("orig_name") or path.name)), path)


def shown(name: str) -> str:
    """The last part of a file's name, without what would disturb a table."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    return "".join(letter for letter in last if letter.isprintable())[-_LONGEST_NAME:] or "picture"


@contextmanager
def unpacked(uploads: list[Upload]) -> Iterator[list[Upload]]:
    """The pictures among `uploads` and inside their zips, as files that are deleted afterwards.

    Files of a zip are written under numbers: their names are never paths here.

    Raises:
        ImageError: a zip that is damaged or holds links, names that lead out of it, or too much; too many pictures.
    """
    with TemporaryDirectory(prefix="fakeimg-") as name:
        pictures: list[Upload] = []
        for upload in uploads:
            if upload.name.lower().endswith(".zip"):
                pictures += _unpack(upload, Path(name), len(pictures))
            else:
                pictures.append(upload)
            if len(pictures) > MAX_IMAGES:
                raise ImageError(f"more than {MAX_IMAGES} pictures; send fewer at a time")
        if not pictures:
            raise ImageError("there are no pictures in what was sent")
        yield pictures


def _unpack(upload: Upload, folder: Path, first: int) -> list[Upload]:
    try:
        with zipfile.ZipFile(upload.path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            for entry in entries:
                _check_entry(entry)
            wanted = [entry for entry in entries if _is_picture(entry.filename)]
            # Sizes are what the zip says of itself; `zipfile` reads no further, so it gains nothing by lying.
            if len(wanted) > MAX_IMAGES:
                raise ImageError(f"{upload.name} holds more than {MAX_IMAGES} pictures; send fewer at a time")
            if sum(entry.file_size for entry in wanted) > MAX_UNPACKED:
                raise ImageError(f"{upload.name} unpacks to more than {MAX_UNPACKED >> 20} MB")
            pictures = []
            for number, entry in enumerate(wanted, first):
                path = folder / str(number)
                with archive.open(entry) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
                pictures.append(Upload(shown(entry.filename), path))
            return pictures
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ImageError(f"{upload.name} is not a zip that can be read") from error


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
        raise ImageError("the zip names a file outside itself and was refused")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise ImageError("the zip holds a link and was refused")
    if entry.flag_bits & 1:
        raise ImageError("the zip is encrypted; send it without a password")
    if entry.file_size > MAX_BYTES:
        raise ImageError(f"the zip holds a file of more than {MAX_BYTES >> 20} MB")


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return not hidden and path.suffix.lower() in SUFFIXES
