"""Shards of trunk features on disk: content-addressed, checksummed, locked, and recomputed when damaged.

A store is a folder named by the hash of everything that decides a feature but the image itself: trunk weights,
preprocessing, engine, augmentation and view. A shard in it is `NAME.npy`, rows of features, and `NAME.json`, the
SHA-256 of each row's image file; the `.json` is written last, so a shard that has one is whole. A row is found by its
image's hash: other data, another order or another split of the same images finds what is there.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.files import cache_folder, replacing, write_json

if TYPE_CHECKING:
    from filelock import BaseFileLock

SHARD_ROWS = 512
# Part of every store's name: raise it when the same key would stand for other numbers.
STORE_VERSION = 1


class FeatureStore:
    """The features of one trunk for one view; several processes may read and fill it together."""

    def __init__(self, key: Mapping[str, Any]) -> None:
        """`key` is everything that decides a feature but the image; it must be JSON."""
        self.key = {"version": STORE_VERSION, **key}
        self.name = digest(self.key)
        self.folder = cache_folder("features") / self.name
        if not (self.folder / "store.json").is_file():
            write_json(self.folder / "store.json", self.key)
        self._owner: dict[str, str] = {}

    def missing(self, images: Iterable[str]) -> list[str]:
        """Those of `images` (hashes) that no shard holds; sorted, so that all processes make the same shards."""
        self._owner = {image: shard.stem for shard in self._headers() for image in self._images(shard)}
        return sorted(set(images) - self._owner.keys())

    def lock(self, images: Sequence[str]) -> "BaseFileLock":
        """The lock to hold while the shard of `images` is computed."""
        from filelock import FileLock

        return FileLock(self.folder / f"{digest(list(images))}.lock")

    def has_shard(self, images: Sequence[str]) -> bool:
        """Whether the shard of exactly `images` is written."""
        return (self.folder / f"{digest(list(images))}.json").is_file()

    def write(self, images: Sequence[str], values: NDArray[np.float32], errors: Mapping[str, str]) -> None:
        """Add a shard: `values[i]` belongs to `images[i]`; `errors` says why an image has none."""
        name = digest(list(images))
        content = io.BytesIO()
        np.save(content, values)
        data = content.getbuffer()
        with replacing(self.folder / f"{name}.npy") as temporary:
            temporary.write_bytes(data)
        header = {"store": self.name, "sha256": hashlib.sha256(data).hexdigest(), "images": list(images)}
        write_json(self.folder / f"{name}.json", {**header, "errors": dict(errors)})

    def gather(self, images: Sequence[str]) -> tuple[NDArray[np.float32], dict[str, str], list[str]]:
        """Rows in the order of `images`, as one read-only memory-mapped array.

        Returns:
            (n, …) features, why images have none (their rows are NaN), and the images that are not here, or no longer:
            a damaged shard is taken away with a warning.
        """
        absent = set(self.missing(images))
        wanted: dict[str, list[int]] = {}
        for place, image in enumerate(images):
            wanted.setdefault(image, []).append(place)
        reasons: dict[str, str] = {}
        shape: tuple[int, ...] = (0,)
        # An unnamed file beside the shards, not an array: the system may drop its pages when memory is short. It is
        # written, not mapped, while it is filled: a full disk is then an error that can be caught.
        with tempfile.TemporaryFile(dir=self.folder) as file:
            for name in sorted({self._owner[image] for image in wanted if image in self._owner}):
                shard = self._read(name)
                if shard is None:
                    absent.update(image for image in wanted if self._owner.get(image) == name)
                    continue
                owners, values, errors = shard
                shape = max(
                    shape, values.shape[1:], key=lambda shape: int(np.prod(shape))
                )  # a shard without one readable image has no width
                reasons.update({image: reason for image, reason in errors.items() if image in wanted})
                for image, row in zip(owners, values, strict=True):
                    for place in wanted.get(image, ()):
                        os.pwrite(file.fileno(), row.tobytes(), place * row.nbytes)
            nothing = np.full(shape, np.nan, np.float32).tobytes()
            for place in (place for image in reasons for place in wanted[image]):
                os.pwrite(file.fileno(), nothing, place * len(nothing))
            file.truncate(len(images) * len(nothing))
            if not images or 0 in shape:
                return np.empty((len(images), *shape), np.float32), reasons, sorted(absent)
            return np.memmap(file, np.float32, "r", shape=(len(images), *shape)), reasons, sorted(absent)

    def damaged(self) -> list[Path]:
        """The headers of the shards that do not hold what they should; nothing is changed."""
        return [header for header in self._headers() if self._problem(header.stem)]

    def discard(self, name: str) -> None:
        """Take a shard away, its header first."""
        for suffix in (".json", ".npy"):
            (self.folder / f"{name}{suffix}").unlink(missing_ok=True)

    def _headers(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.json") if path.name != "store.json" and path.name[0] != ".")

    def _images(self, header: Path) -> list[str]:
        try:
            return [str(image) for image in json.loads(header.read_bytes())["images"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _read(self, name: str) -> tuple[list[str], NDArray[np.float32], dict[str, str]] | None:
        if problem := self._problem(name):
            warnings.warn(f"cached features {name[:12]} {problem}; they are computed again", stacklevel=3)
            self.discard(name)
            return None
        header = json.loads((self.folder / f"{name}.json").read_bytes())
        return header["images"], np.load(self.folder / f"{name}.npy"), header["errors"]

    def _problem(self, name: str) -> str:
        """What is wrong with a shard, or an empty string."""
        try:
            header = json.loads((self.folder / f"{name}.json").read_bytes())
            if header["store"] != self.name or digest(header["images"]) != name:
                return "belong elsewhere"
            data = (self.folder / f"{name}.npy").read_bytes()
            if hashlib.sha256(data).hexdigest() != header["sha256"]:
                return "are damaged"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"cannot be read ({error})"
        return ""


@dataclass(frozen=True)
class CacheEntry:
    """One folder of the cache.

    Attributes:
        kind: "features", "graphs" (exported networks) or "hashes" (of files).
        name: the folder's name.
        description: what it holds, in words.
        files: how many files.
        bytes: their size together.
        used: when it was last written, seconds since 1970.
    """

    kind: str
    name: str
    description: str
    files: int
    bytes: int
    used: float


def list_cache() -> list[CacheEntry]:
    """What the cache holds, the most recently written first."""
    entries = [_entry("hashes", cache_folder("hashes"))]
    for kind in ("features", "graphs"):
        entries += [_entry(kind, path) for path in cache_folder(kind).iterdir() if path.is_dir()]
    return sorted((entry for entry in entries if entry.files), key=lambda entry: -entry.used)


def verify_cache(*, repair: bool = False) -> list[Path]:
    """The shards of features that are damaged; `repair` takes them away, to be computed again when they are needed."""
    found = []
    for store in _stores():
        bad = store.damaged()
        found += bad
        for header in bad if repair else ():
            store.discard(header.stem)
    return found


def prune_cache(
    *, max_bytes: int | None = None, older_than: float | None = None, everything: bool = False
) -> list[CacheEntry]:
    """Delete cached features and graphs, those written longest ago first, and say which.

    Args:
        max_bytes: until no more than so many bytes are left.
        older_than: what was last written more than so many seconds ago.
        everything: all of it.
    """
    entries = list_cache()
    left = sum(entry.bytes for entry in entries)
    removed = []
    for entry in reversed(entries):
        old = older_than is not None and entry.used < time.time() - older_than
        if everything or old or (max_bytes is not None and left > max_bytes):
            folder = cache_folder(entry.kind)
            shutil.rmtree(folder if entry.kind == "hashes" else folder / entry.name, ignore_errors=True)
            left -= entry.bytes
            removed.append(entry)
    return removed


def digest(content: Any) -> str:
    """SHA-256 of JSON content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _stores() -> list[FeatureStore]:
    stores = []
    for folder in sorted(cache_folder("features").iterdir()):
        try:
            key = json.loads((folder / "store.json").read_bytes())
        except (OSError, ValueError):
            continue
        store = FeatureStore({name: value for name, value in key.items() if name != "version"})
        if store.folder == folder:
            stores.append(store)
    return stores


def _entry(kind: str, folder: Path) -> CacheEntry:
    files = [(path, path.stat()) for path in folder.iterdir() if path.is_file()]
    words = {"graphs": "an exported network", "hashes": "SHA-256 of data files, by path and time"}.get(kind, "")
    if kind == "features":
        try:
            key = json.loads((folder / "store.json").read_bytes())
            size = "x".join(map(str, key["image_size"]))
            view = "" if key["view"] is None else f", view {key['view']['view']}"
            words = f"{key['backbone']} at {size} by {key['engine']}{view}"
        except (OSError, ValueError, KeyError, TypeError):
            words = "damaged"
    used = max((status.st_mtime for _, status in files), default=0.0)
    return CacheEntry(kind, folder.name, words, len(files), sum(status.st_size for _, status in files), used)
