"""One progress bar, on a terminal only: a log file gets none."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

Advance = Callable[..., None]
Listener = Callable[[str, int, int, str], None]

_listeners: list[Listener] = []


@contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Call `listener(description, done, total, note)` in place of drawing bars: for a process without a terminal."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Advance]:
    """A bar of `total` steps on stderr; what it yields moves it: `advance(3)`, `advance(1, "val_loss 0.31")`."""
    if _listeners:
        done = 0

        def report(steps: int = 1, note: str = "") -> None:
            nonlocal done
            done += steps
            _listeners[-1](description, done, total, note)

        yield report
        return
    if not sys.stderr.isatty() or total <= 1:
        yield lambda steps=1, note="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(description, total=total, note="")

        def advance(steps: int = 1, note: str = "") -> None:
            bars.update(task, advance=steps, note=note)

        yield advance


@contextmanager
def progress_board() -> Iterator[Callable[[str, int, int], None] | None]:
    """Several bars on stderr, one for each thing that `board(what, done, total)` names; None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def board(what: str, done: int, total: int) -> None:
            name = what.partition(":")[0]  # a cell has one bar, whatever it is about
            if name not in tasks:
                tasks[name] = bars.add_task(what, total=total)
            bars.update(tasks[name], description=what, completed=done, total=total, visible=done < total)

        yield board
