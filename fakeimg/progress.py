"""One progress bar, on a terminal only: a log file gets none."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
