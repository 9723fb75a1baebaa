"""Data that lives elsewhere: `s3://`, `gs://`, `https://` and `hf://datasets/…` become a local copy, through fsspec.

What is downloaded is kept in the cache. A download that was cut goes on where it stopped, as long as the file there is
still the same one; a copy is used as long as what stands for the remote file (its ETag, checksum, or size and date) has
not changed. Where only single files can be asked for (https), they are looked at again when the manifest has changed.
"""

import hashlib
import json
import re
import threading
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fakeimg.data.archives import contained, unpacked
from fakeimg.data.download import download, one_line, retried, stamp_of
from fakeimg.data.images import SUFFIXES
from fakeimg.data.layouts import MANIFESTS, read_table
from fakeimg.errors import DatasetError
from fakeimg.files import cache_folder, write_json
from fakeimg.progress import progress_bar

_THREADS = 8
_INDEX = "fakeimg-copy.json"
_EXTRAS = {
    "s3": "pip install 'fakeimg[s3]'",
    "https": "pip install 'fakeimg[s3]'",
    "http": "pip install 'fakeimg[s3]'",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
}


def is_url(data: Path | str) -> bool:
    """Whether `data` names something that fsspec has to fetch."""
    return isinstance(data, str) and re.match(r"[a-z][a-z0-9+.-]*://", data) is not None


def local_copy(data: Path | str) -> Path:
    """Where `data` is on this machine, fetched first if it is a URL, unpacked if it is a zip archive.

    Args:
        data: a path or URL of a folder, a manifest or a zip archive.
    Raises:
        DatasetError: it cannot be reached and is not in the cache, does not exist, or is not what it should be.
    """
    location = _fetched(str(data).rstrip("/")) if is_url(data) else Path(data).expanduser().absolute()
    return unpacked(location) if location.suffix.lower() == ".zip" and location.is_file() else location


def _fetched(url: str) -> Path:
    from filelock import FileLock

    place = _Place.of(url)
    folder = cache_folder("remote") / hashlib.sha256(url.encode()).hexdigest()[:32]
    folder.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        copy = _Copy(place, folder)
        try:
            return copy.fetch()
        except OSError as error:  # network errors, missing files, refused keys and full disks are all of this kind
            return copy.as_it_was(error)


@dataclass(frozen=True)
class _Place:
    """A URL and the file system that serves it."""

    url: str
    system: Any
    path: str

    @classmethod
    def of(cls, url: str) -> "_Place":
        from fsspec.core import url_to_fs

        protocol = url.split("://")[0]
        if "::" in url:
            raise DatasetError(f"{url}: give the archive's own URL; it is unpacked here")
        try:
            system, path = url_to_fs(url)
        except ImportError as error:
            what = _EXTRAS.get(protocol, f"install what fsspec needs for {protocol}")
            raise DatasetError(f"{protocol}:// needs a library that is not installed: {what}") from error
        except ValueError as error:
            raise DatasetError(
                f"{protocol}:// is not understood ({error}); use s3, gs, https, hf or a local path"
            ) from error
        except OSError as error:
            raise DatasetError(f"{url} cannot be reached: {one_line(error)}") from error
        return cls(url, system, path)

    @property
    def lists(self) -> bool:
        """Whether folders can be listed; a web server has none."""
        return not self.url.startswith(("http://", "https://"))

    def parent(self) -> "_Place":
        return _Place(self.url, self.system, self.path.rpartition("/")[0])

    def child(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"


class _Copy:
    """The local copy of one URL.

    Attributes:
        index: by relative path, what stood for each file when it was fetched.
        whole: what `fetch` last returned, relative to the folder; None while the copy has never been whole.
        date: of that.
    """

    def __init__(self, place: _Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.index: dict[str, str] = {}
        self.whole: str | None = None
        self.date = ""
        self._lock = threading.Lock()
        if (folder / _INDEX).is_file():
            record = json.loads((folder / _INDEX).read_bytes())
            self.index, self.whole, self.date = record["files"], record["whole"], record["date"]

    def fetch(self) -> Path:
        """Bring the copy up to date; where it is."""
        place, name = self.place, PurePosixPath(self.place.path).name
        suffix = PurePosixPath(name).suffix.lower()
        if suffix == ".zip":
            self._files({name: place.path})
            where = self.folder / name
        elif suffix in MANIFESTS:
            where = self._manifest(name, place.parent())
        elif place.lists:
            where = self._folder()
        else:
            where = self._manifest("manifest.csv", place).parent
        self.whole, self.date = where.relative_to(self.folder).as_posix(), time.strftime("%Y-%m-%d")
        self._write()
        return where

    def as_it_was(self, error: OSError) -> Path:
        """The last whole copy, with a warning, now that the remote files cannot be had."""
        url = self.place.url
        if isinstance(error, FileNotFoundError):
            hint = "" if self.place.lists else "; a folder on a web server needs a manifest.csv, or give a zip archive"
            raise DatasetError(f"{url} does not exist, or may not be seen with the key at hand{hint}") from error
        if self.whole is None:
            raise DatasetError(f"{url} cannot be fetched: {one_line(error)}") from error
        warnings.warn(f"{url} cannot be fetched ({one_line(error)}); the copy of {self.date} is used", stacklevel=5)
        return self.folder / self.whole

    def _manifest(self, name: str, parent: _Place) -> Path:
        """Fetch a manifest, then the images that it lists; one that is missing there will be missing here."""
        before = self.index.get(name)
        self._files({name: parent.child(name)})
        frame = read_table(self.folder / name)
        column = next((column for column in frame.columns if str(column).strip().casefold() == "path"), None)
        if column is None:
            raise DatasetError(f"{self.place.url} has no column 'path'; it has {', '.join(map(str, frame.columns))}")
        paths = [contained(str(path), self.place.url) for path in frame[column].dropna()]
        if not parent.lists and before == self.index[name]:
            paths = [path for path in paths if path not in self.index or not (self.folder / path).is_file()]
        listing = self._listing(parent) if parent.lists else None
        if listing is not None:
            paths = [path for path in paths if path in listing]
        self._files({path: parent.child(path) for path in paths}, listing, missing_ok=True)
        return self.folder / name

    def _folder(self) -> Path:
        listing = self._listing(self.place)
        manifests = [name for name in listing if name in ("manifest.csv", "manifest.parquet")]
        if len(manifests) == 1:
            return self._manifest(manifests[0], self.place).parent
        names = {name for name in listing if PurePosixPath(name).suffix.lower() in (*SUFFIXES, *MANIFESTS)}
        if not names:
            raise FileNotFoundError(self.place.url)
        self._files({name: self.place.child(name) for name in names}, listing)
        for gone in [name for name in self.index if name not in names]:  # a copy holds what is there, not what was
            del self.index[gone]
            (self.folder / gone).unlink(missing_ok=True)
        return self.folder

    def _listing(self, place: _Place) -> dict[str, Mapping[str, Any]]:
        """Every file below `place`, by its relative path."""
        place.system.invalidate_cache()
        found = retried(lambda: place.system.find(place.path, detail=True))
        start = str(place.system._strip_protocol(place.path)).rstrip("/") + "/"
        return {
            contained(name.removeprefix(start), place.url): details
            for name, details in found.items()
            if name.startswith(start)
        }

    def _files(
        self,
        wanted: Mapping[str, str],
        listing: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        missing_ok: bool = False,
    ) -> None:
        """Make the copy hold these files, by local name and place; `listing` saves asking for each one's details."""

        def fetch(name: str) -> None:
            try:
                details = listing[name] if listing is not None else retried(lambda: system.info(wanted[name]))
                self._file(name, wanted[name], details)
            except FileNotFoundError:
                if not missing_ok:
                    raise

        system = self.place.system
        try:
            with progress_bar("fetching", len(wanted)) as advance, ThreadPoolExecutor(_THREADS) as pool:
                running = [pool.submit(fetch, name) for name in wanted]
                try:
                    for future in running:
                        future.result()
                        advance()
                finally:
                    for future in running:
                        future.cancel()
        finally:
            self._write()  # also when it was cut: what has come need not come again

    def _file(self, name: str, remote: str, details: Mapping[str, Any]) -> None:
        target, stamp = self.folder / name, stamp_of(details)
        if self.index.get(name) == stamp and target.is_file():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        download(self.place.system, remote, target, stamp, details.get("size"))
        with self._lock:
            self.index[name] = stamp

    def _write(self) -> None:
        record = {"url": self.place.url, "date": self.date, "whole": self.whole, "files": self.index}
        write_json(self.folder / _INDEX, record)
