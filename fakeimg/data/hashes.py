"""SHA-256 of files, remembered by their stat: a file that has not changed since is not opened again."""

import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from fakeimg.files import cache_folder, sha256

# A file younger than this when it is hashed may still change within one tick of the file system's clock, so its hash
# is used but not remembered (git treats its index the same way, and calls such entries racy).
_SETTLED_NS = 2_000_000_000
_TABLE = "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL)"


def content_hashes(paths: Sequence[Path]) -> list[str | None]:
    """The SHA-256 of each file in hexadecimal, None where it cannot be read.

    A hash is remembered with the file's size, times, inode and device; when one differs, the file is read again.
    """
    names = [os.path.abspath(path) for path in paths]
    stamps = [_stamp(name) for name in names]
    remembered = _remembered()
    found: dict[str, str | None] = {}
    unknown: dict[str, str] = {}
    for name, stamp in zip(names, stamps, strict=True):
        known = remembered.get(name)
        if stamp is None:
            found[name] = None
        elif known is not None and known[0] == stamp:
            found[name] = known[1]
        else:
            unknown[name] = stamp
    # Hashing and reading both let go of the interpreter lock.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found.update(zip(unknown, pool.map(_hash_or_none, unknown), strict=True))
    settled = time.time_ns() - _SETTLED_NS
    _remember(
        (name, stamp, digest)
        for name, stamp in unknown.items()
        if (digest := found[name]) is not None and _changed_ns(stamp) < settled and _stamp(name) == stamp
    )
    return [found[name] for name in names]


def _stamp(name: str) -> str | None:
    try:
        status = os.stat(name)
    except OSError:
        return None
    return f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_size} {status.st_ino} {status.st_dev}"


def _changed_ns(stamp: str) -> int:
    modified, changed = stamp.split()[:2]
    return max(int(modified), int(changed))


def _hash_or_none(name: str) -> str | None:
    try:
        return sha256(name)
    except OSError:
        return None


def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(cache_folder("hashes") / "sha256.sqlite", timeout=30)
    connection.execute(_TABLE)
    return connection


def _remembered() -> dict[str, tuple[str, str]]:
    # The memory only saves time: when it cannot be read or written, every file is hashed.
    try:
        with closing(_database()) as connection:
            return {path: (stamp, digest) for path, stamp, digest in connection.execute("SELECT * FROM hashes")}
    except (sqlite3.Error, OSError):
        return {}


def _remember(rows: Iterable[tuple[str, str, str]]) -> None:
    new = list(rows)
    if not new:
        return
    try:
        with closing(_database()) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", new)
    except (sqlite3.Error, OSError):
        return
