"""Unpacking a zip archive that may come from a stranger: only pictures and tables, and nothing outside the folder."""

import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from fakeimg.data.images import SUFFIXES
from fakeimg.data.layouts import MANIFESTS
from fakeimg.data.source import MAX_BYTES
from fakeimg.errors import DatasetError
from fakeimg.files import cache_folder, sha256

MAX_MEMBERS = 2_000_000
MAX_RATIO = 50
"""How many times larger than the archive its content may be: photographs hardly shrink, a bomb shrinks 1,000-fold."""
FREE_BYTES = 2**26
"""What may be unpacked whatever the ratio: a small archive of drawings."""

_BLOCK = 1 << 20


def unpacked(archive: Path) -> Path:
    """The folder that holds the pictures and tables of `archive`, unpacked into the cache when it is first seen.

    Everything is checked before anything is written. Members of other kinds, and hidden ones, are passed over.

    Raises:
        DatasetError: not a zip archive, damaged, encrypted, too large unpacked, or with a member that is a link or
            would lie outside the folder.
    """
    from filelock import FileLock

    folder = cache_folder("archives") / sha256(archive)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            try:
                with zipfile.ZipFile(archive) as opened:
                    _unpack(opened, archive, folder)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
                raise DatasetError(f"{archive} is not a whole zip archive: {' '.join(str(error).split())}") from error
    return folder


def _unpack(opened: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    members = _members(opened, archive)
    needed = sum(member.file_size for member in members.values())
    if (free := shutil.disk_usage(folder.parent).free) < needed:
        raise DatasetError(f"{archive} unpacks to {needed / 1e9:.1f} GB, and {folder.parent} has {free / 1e9:.1f} free")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        for name, member in members.items():
            target = Path(scratch, "content", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            # zipfile never hands out more than the size that the directory declares, which has been checked.
            with opened.open(member) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, _BLOCK)
        Path(scratch, "content").mkdir(exist_ok=True)
        os.replace(Path(scratch, "content"), folder)


def _members(opened: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """What is to be unpacked, by its place below the folder."""
    entries = opened.infolist()
    if len(entries) > MAX_MEMBERS:
        raise DatasetError(f"{archive} lists {len(entries):,} files, over {MAX_MEMBERS:,}")
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = contained(entry.filename, archive)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DatasetError(f"{archive} holds a link, {entry.filename!r}; only plain files are unpacked")
        hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
        if entry.is_dir() or hidden or PurePosixPath(name).suffix.lower() not in (*SUFFIXES, *MANIFESTS):
            continue
        if entry.flag_bits & 1:
            raise DatasetError(f"{archive} is encrypted; unpack it yourself and give the folder")
        if entry.file_size > MAX_BYTES:
            raise DatasetError(f"{archive} holds {entry.filename!r} of {entry.file_size:,} bytes, over {MAX_BYTES:,}")
        if name in members:
            raise DatasetError(f"{archive} holds {entry.filename!r} twice")
        members[name] = entry
    total, size = sum(entry.file_size for entry in members.values()), archive.stat().st_size
    if total > max(FREE_BYTES, MAX_RATIO * size):
        raise DatasetError(f"{archive} of {size:,} bytes would unpack to {total:,}; no set of pictures shrinks so much")
    return members


def contained(name: str, where: object) -> str:
    """`name`, a relative path with forward slashes, when it stays below the folder that it is relative to.

    Raises:
        DatasetError: it is absolute, climbs with `..`, or means something else to another system.
    """
    path = PurePosixPath(name)
    climbs = path.is_absolute() or ".." in path.parts or not path.parts
    if climbs or "\\" in name or "\0" in name or re.match(r"[A-Za-z]:", name):
        raise DatasetError(f"{where} names {name!r}, which would lie outside its folder")
    return str(path)
