"""Cells that train the trunk: each in a process of its own, which reports as it goes and ends with its parent.

A process a cell, as TensorFlow keeps the memory of every network it has built.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Queue
from shutil import rmtree

from fakeimg.training.bundles import Progress, train_whole
from fakeimg.training.cell_record import Record, failed_record
from fakeimg.training.grid import Run


def train_apart(
    runs: Sequence[Run], *, jobs: int = 1, folder: Path | None = None, progress: Progress | None = None
) -> Iterator[Record]:
    """The record of each run, as soon as it is there.

    Args:
        runs: what to train.
        jobs: processes at a time.
        folder: where unfinished trainings are kept from epoch to epoch, to go on after a kill.
        progress: called with (which cell and what it does, steps done, steps to do).
    """
    done: Queue[Record | BaseException] = Queue()
    children: list[subprocess.Popen[str]] = []
    stopping = threading.Event()

    def one(run: Run) -> None:
        try:
            if not stopping.is_set():
                done.put(_train(run, jobs, folder, progress, children.append))
        except BaseException as error:
            done.put(error)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for run in runs:
                pool.submit(one, run)
            for _ in runs:
                outcome = done.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            stopping.set()
            for child in children:
                child.kill()


def _train(
    run: Run,
    jobs: int,
    folder: Path | None,
    progress: Progress | None,
    started: Callable[["subprocess.Popen[str]"], None],
) -> Record:
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads, "TF_CPP_MIN_LOG_LEVEL": "2"}
    workplace = None if folder is None else folder / f"{run.key}.unfinished"
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        child = subprocess.Popen(
            [sys.executable, "-m", "fakeimg.training.whole_cell"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env={**os.environ, **environment} if jobs > 1 else None,
            start_new_session=True,  # Ctrl-C is for the parent, which then ends its children
        )
        started(child)
        record: Record | None = None
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the process has no pipes")
        with suppress(BrokenPipeError):
            # The pipe stays open: when it closes, the parent is gone, and so the child goes too.
            child.stdin.write(pickle.dumps((run, workplace)).hex() + "\n")
            child.stdin.flush()
        for line in child.stdout:
            with suppress(ValueError):
                message = json.loads(line)
                if "record" in message:
                    record = message["record"]
                elif progress is not None:
                    what, steps, total = message["progress"]
                    progress(f"cell {run.cell + 1}: {what}", steps, total)
        code = child.wait()
        child.stdin.close()
        complaints.seek(0)
        last = ([line.strip() for line in complaints if line.strip()] or ["nothing said"])[-1]
    if record is None:
        return failed_record(run, f"the process that trained it ended with code {code}: {last}")
    if workplace is not None and record["status"] == "ok":
        rmtree(workplace, ignore_errors=True)
    return record


def _main() -> None:
    """In the child: read a run from stdin, train it, and write progress and the record to stdout as JSON lines."""
    # What comes through the pipe was written by the process that started this one.
    run, workplace = pickle.loads(bytes.fromhex(sys.stdin.readline()))  # noqa: S301
    threading.Thread(target=_end_with_parent, daemon=True).start()
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints must not mix with the messages

    def say(message: dict[str, object]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    from fakeimg.progress import reported_to

    with reported_to(lambda what, done, total, note: say({"progress": [f"{what} {note}".strip(), done, total]})):
        record = train_whole(run, workplace)
    say({"record": record})


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    _main()
