"""Fetching one file through fsspec: in blocks, so that what was cut goes on, and again when the network fails."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

_BLOCK = 8 * 2**20  # bytes asked for at a time: what a cut costs at most
_ATTEMPTS = 4


def download(system: Any, remote: str, target: Path, stamp: str, size: int | None) -> None:
    """Fetch one file in blocks to a partial file beside `target`, going on with one of the same stamp.

    Raises:
        OSError: the file cannot be read, or the disk is full; what was fetched stays for the next time.
    """
    name = hashlib.sha256(stamp.encode()).hexdigest()[:12]
    partial = target.with_name(f".{target.name}.{name}.part")
    for stale in target.parent.glob(f".{_escaped(target.name)}.*.part"):
        if stale != partial:
            stale.unlink()
    done = partial.stat().st_size if partial.is_file() else 0
    if size is not None and size - done > (free := shutil.disk_usage(target.parent).free):
        raise OSError(
            f"{target.name} needs {(size - done) / 1e9:.1f} GB, and the cache's disk has {free / 1e9:.1f} free"
        )
    with partial.open("ab") as file:
        while size is None or done < size:
            end = None if size is None else min(done + _BLOCK, size)
            block = retried(_reader(system, remote, done, end))
            if end is not None and done == 0 and len(block) == size:  # a server without ranges sends everything
                end = size
            if end is not None and len(block) != end - done:
                raise OSError(f"{remote}: {end - done:,} bytes were asked for, {len(block):,} came")
            file.write(block)
            done += len(block)
            if end is None:
                break
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, target)


def _reader(system: Any, remote: str, start: int, end: int | None) -> Callable[[], bytes]:
    if end is None:
        return lambda: bytes(system.cat_file(remote))
    return lambda: bytes(system.cat_file(remote, start=start, end=end))


def retried(ask: Callable[[], Any]) -> Any:
    """`ask()`, again after a pause when the network fails; a file that is not there is not asked for twice."""
    for attempt in range(_ATTEMPTS):
        try:
            return ask()
        except Exception as error:  # each file system has its own kinds
            if isinstance(error, PermissionError) or _is_missing(error):
                raise
            if attempt == _ATTEMPTS - 1:
                raise OSError(one_line(error.__cause__ or error)) from error
            time.sleep(0.5 * 2**attempt)
    raise OSError("unreachable")


def stamp_of(details: Mapping[str, Any]) -> str:
    """What stands for one version of a remote file."""
    for key in ("ETag", "etag", "md5Hash", "blob_id", "oid"):
        if details.get(key):
            return f"{key} {details[key]} {details.get('size')}"
    dates: Iterable[Any] = (details.get(key) for key in ("LastModified", "updated", "mtime", "last_modified"))
    return f"{details.get('size')} {next((date for date in dates if date), '')}"


def _escaped(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _is_missing(error: Exception) -> bool:
    """Whether the file does not exist; fsspec says so too of a web server that fails, and why is the cause."""
    cause = error.__cause__
    if isinstance(cause, TimeoutError) or type(cause).__module__.startswith("aiohttp"):
        return getattr(cause, "status", None) in (404, 410)
    return isinstance(error, FileNotFoundError)
