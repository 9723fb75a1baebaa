"""What an annotator said of an image, kept by the image's content."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256

from fakeimg.files import cache_folder

_TABLE = "CREATE TABLE IF NOT EXISTS judgements (image TEXT PRIMARY KEY, said TEXT NOT NULL)"
_SAVED_EVERY = 2.0  # seconds: what a kill may cost
_AT_A_TIME = 500  # SQLite takes a limited number of values in one query


@dataclass(frozen=True)
class Judgement:
    """One attribute of one face.

    Attributes:
        value: as it goes into the manifest.
        confidence: 0 to 1, as sure as the annotator is of itself; 1 where it reads what somebody wrote.
    """

    value: str
    confidence: float = 1.0


class JudgementStore:
    """The judgements of one annotator, in the cache; a damaged store is begun anew."""

    def __init__(self, fingerprint: str) -> None:
        self._path = cache_folder("judgements") / f"{sha256(fingerprint.encode()).hexdigest()[:32]}.sqlite"

    def read(self, images: Sequence[str]) -> dict[str, Mapping[str, Judgement]]:
        """The judgements of those of `images` (SHA-256 of their content) that are known."""
        known: dict[str, Mapping[str, Judgement]] = {}
        with closing(self._open()) as connection:
            for start in range(0, len(images), _AT_A_TIME):
                part = images[start : start + _AT_A_TIME]
                marks = ",".join("?" * len(part))
                rows = connection.execute(f"SELECT image, said FROM judgements WHERE image IN ({marks})", part)  # noqa: S608
                for image, said in rows:
                    known[image] = {name: Judgement(*pair) for name, pair in json.loads(said).items()}
        return known

    @contextmanager
    def writing(self) -> Iterator[Callable[[str, Mapping[str, Judgement]], None]]:
        """A function that keeps the judgements of one image; what it got is saved every few seconds and at the end."""
        with closing(self._open()) as connection:
            saved = time.monotonic()

            def write(image: str, judgements: Mapping[str, Judgement]) -> None:
                nonlocal saved
                said = json.dumps({name: [each.value, each.confidence] for name, each in judgements.items()})
                connection.execute("INSERT OR REPLACE INTO judgements VALUES (?, ?)", (image, said))
                if time.monotonic() - saved > _SAVED_EVERY:
                    connection.commit()
                    saved = time.monotonic()

            try:
                yield write
            finally:
                connection.commit()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            connection.execute(_TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection
