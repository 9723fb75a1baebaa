"""One fake of each photograph through a provider: resumable, confirmed before it costs, and nothing paid twice unasked.

Before a request is sent, the ledger says so; when its answer is on the disk, the ledger says that. A process killed in
between leaves requests whose answer is not known. They may have been charged, so they are not sent again without
another confirmation; then under the same idempotency key, by which a provider that knows such keys answers with the
picture that it made before. A request that times out is treated the same way.
"""

import hashlib
import json
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np

from fakeimg.data.dataset import Dataset
from fakeimg.data.generation import Confirm, Estimate, Generation
from fakeimg.data.imitation import imitate
from fakeimg.data.layouts import rebase
from fakeimg.data.ledger import Ledger
from fakeimg.data.provider import BusyError, Provider, RefusedError, UnansweredError, UnreachableError
from fakeimg.errors import ConfigError, DatasetError, FakeimgError, ImageError
from fakeimg.files import write_bytes, write_json
from fakeimg.progress import progress_bar

_ATTEMPTS = 8
_LONGEST_WAIT = 60.0  # seconds between attempts when the provider does not say
PROVIDER = "provider"
"""The subfolder of `out` in which a provider may keep what it needs to go on."""
_RECORD, _LEDGER, _MANIFEST = "generation.json", "ledger.sqlite", "manifest.csv"


def generate(
    data: Dataset | Path | str,
    provider: Provider,
    *,
    out: Path | str,
    max_images: int | None = None,
    confirm: Confirm,
) -> Generation:
    """Make one fake of each photograph.

    The same call goes on where it was stopped. What the provider refuses is recorded and not asked again; what failed
    for now is tried again in the next run. `out` gets the fakes, `manifest.csv` over photographs and fakes, the ledger.

    Args:
        data: a data set, or where one is; only its photographs (the first class) are used.
        provider: what makes the fakes.
        out: a folder, new or of an earlier run with the same provider.
        max_images: use the first so many photographs.
        confirm: asked before anything is sent, and again before anything is sent a second time.
    Raises:
        ConfigError: `out` belongs to another provider or process, or the provider cannot work at all (a wrong key).
        DatasetError: there are no photographs.
    """
    from filelock import FileLock, Timeout

    dataset = data if isinstance(data, Dataset) else Dataset.open(data)
    photographs = dataset.take(dataset.labels == 0)
    if max_images is not None:
        if max_images < 1:
            raise ConfigError(f"--max-images {max_images} leaves nothing to make")
        photographs = photographs.take(np.arange(min(max_images, len(photographs))))
    if not len(photographs):
        raise DatasetError(f"this data has no photographs, images labelled {dataset.class_names[0]!r}")
    folder = Path(out).expanduser().absolute()
    _claim(folder, provider)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _Run(photographs, provider, folder, confirm).go()
    except Timeout:
        raise ConfigError(f"another process is generating into {folder}; choose another --out or wait for it") from None


def _claim(folder: Path, provider: Provider) -> None:
    record = folder / _RECORD
    if record.is_file():
        if (written := json.loads(record.read_bytes()))["fingerprint"] != provider.fingerprint:
            raise ConfigError(
                f"{folder} holds what {written['provider']} made with other settings; choose another --out"
            )
    elif folder.is_dir() and any(entry.name != PROVIDER for entry in folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; choose another --out")
    write_json(record, {"provider": provider.name, "fingerprint": provider.fingerprint})


class _Run:
    """One call of `generate`."""

    def __init__(self, photographs: Dataset, provider: Provider, folder: Path, confirm: Confirm) -> None:
        self.photographs, self.provider, self.folder, self.confirm = photographs, provider, folder, confirm
        self.status: list[tuple[str, str]] = [("declined", "")] * len(photographs)
        self.keys: list[str] = []
        self.made = 0
        self.reached = False
        self.stop = threading.Event()
        self._not_before = 0.0
        self._clock = threading.Lock()

    def go(self) -> Generation:
        """Make what is missing and write the manifest."""
        self.ledger = Ledger(self.folder / _LEDGER)
        try:
            waiting, unanswered = self._sort()
            if waiting and self.confirm(self._estimate(waiting)):
                unanswered += self._make(waiting)
            if unanswered and self.confirm(self._estimate(unanswered, again=True)):
                self._make(unanswered)
        finally:
            self.ledger.close()
            result = self._result()  # whatever ended the run, the manifest lists what there is
        return result

    def _sort(self) -> tuple[list[int], list[int]]:
        """Rows to be asked for, and rows that were asked for and not answered."""
        hashes = self.photographs.content_hashes()
        entries = self.ledger.entries()
        waiting, unanswered = [], []
        first: dict[str, int] = {}
        for row, image in enumerate(hashes):
            key = hashlib.sha256(f"{self.provider.fingerprint}\n{image}".encode()).hexdigest()
            self.keys.append(key)
            entry = entries.get(key)
            if image is None:
                self.status[row] = ("unreadable", "no such file")
            elif key in first:
                self.status[row] = ("duplicate", f"the same picture as {self.photographs.frame['path'][first[key]]}")
            elif self._fake(key) is not None:  # on the disk, so it was answered, whatever the ledger had time to say
                self.status[row] = ("done", "")
                if entry is not None and entry.state != "done":
                    self.ledger.settle(key, "done")
            elif entry is not None and entry.state == "refused":
                self.status[row] = ("refused", entry.reason)
            elif entry is not None and entry.state == "sent":
                self.status[row] = ("unanswered", "no answer came")
                unanswered.append(row)
            else:
                waiting.append(row)
            first.setdefault(key, row)
        return waiting, unanswered

    def _estimate(self, rows: Sequence[int], *, again: bool = False) -> Estimate:
        price = self.provider.price
        return Estimate(len(rows), None if price is None else price * len(rows), len(rows) if again else 0)

    def _make(self, rows: Sequence[int]) -> list[int]:
        """Ask for the fakes of `rows`; those that were not answered."""
        queue = list(reversed(rows))
        running: dict[Future[tuple[str, str]], int] = {}
        workers = max(1, self.provider.workers)
        with (
            progress_bar(f"generating: {self.provider.name}", len(rows)) as advance,
            ThreadPoolExecutor(workers) as pool,
        ):
            try:
                while queue or running:
                    while queue and len(running) < workers:
                        row = queue.pop()
                        running[pool.submit(self._one, row)] = row
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self.status[running.pop(future)] = future.result()
                        advance()
            except BaseException:
                self.stop.set()  # those in flight are paid for already: they may finish
                for future in wait(running).done:
                    if future.exception() is None:
                        self.status[running[future]] = future.result()
                raise
        return [row for row in rows if self.status[row][0] == "unanswered"]

    def _one(self, row: int) -> tuple[str, str]:
        """Make one fake; its status and the reason."""
        key, path = self.keys[row], self.photographs.paths[row]
        reason = ""
        for attempt in range(_ATTEMPTS):
            self._wait()
            if self.stop.is_set():
                return "declined", ""
            try:
                content, suffix = imitate(path, lambda square: self._ask(square, key))
            except ImageError as error:
                return "unreadable", error.reason
            except RefusedError as error:
                self.reached = True
                self.ledger.settle(key, "refused", str(error))
                return "refused", str(error)
            except UnansweredError as error:
                return "unanswered", str(error)
            except BusyError as error:
                reason = str(error)
                self.ledger.settle(key, "open", reason)
                if isinstance(error, UnreachableError) and attempt == 1 and not self.reached:
                    raise ConfigError(f"{reason}; nothing was sent, the same command goes on from here") from error
                self._pause(error.after, attempt)
                continue
            except FakeimgError as error:
                self.ledger.settle(key, "open", str(error))
                raise
            write_bytes(self.folder / "fake" / f"{key[:20]}{suffix}", content)
            self.ledger.settle(key, "done")
            with self._clock:
                self.made += 1
                self.reached = True
            return "done", ""
        return "failed", reason

    def _ask(self, square: Any, key: str) -> Any:
        self.ledger.send(key)
        return self.provider.make(square, key)

    def _wait(self) -> None:
        """Until the provider is ready again; one that is busy is busy for all."""
        while not self.stop.is_set() and (left := self._not_before - time.monotonic()) > 0:
            self.stop.wait(left)

    def _pause(self, after: float | None, attempt: int) -> None:
        if after is None:
            after = min(_LONGEST_WAIT, 2.0**attempt) * random.uniform(0.5, 1)
        with self._clock:
            self._not_before = max(self._not_before, time.monotonic() + after)

    def _fake(self, key: str) -> str | None:
        names = (f"fake/{key[:20]}{suffix}" for suffix in (".jpg", ".png"))
        return next((name for name in names if (self.folder / name).is_file()), None)

    def _result(self) -> Generation:
        import pandas as pd

        frame = self.photographs.frame
        real = frame.assign(
            path=[rebase(path, self.photographs.root, self.folder) for path in frame["path"]],
            group=frame["group"].where(frame["group"].notna(), frame["path"]),
        )
        made = {row: self._fake(key) for row, key in enumerate(self.keys) if self.status[row][0] == "done"}
        done = list(made)
        fake = real.iloc[done].assign(
            path=[str(name) for name in made.values()],
            label=self.photographs.class_names[1],
            generator=self.provider.name,
        )
        dataset = Dataset(pd.concat([real, fake]), self.folder, self.photographs.class_names)
        dataset.write(self.folder / _MANIFEST)
        table = pd.DataFrame(self.status, columns=["status", "reason"])
        table.insert(0, "path", frame["path"].to_numpy())
        price = self.provider.price
        return Generation(dataset, table, None if price is None else price * self.made)
