"""Grid and random search over any experiment keys; it goes on where it was stopped, and never reads the test part."""

import platform
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError
from fakeimg.files import replacing, write_json, write_text
from fakeimg.models.artifact import current_versions
from fakeimg.models.engines import EngineName
from fakeimg.progress import progress_board
from fakeimg.training.bundles import Progress, bundles, is_frozen, run_bundle
from fakeimg.training.cell_record import METRICS, Record, read_record, write_record
from fakeimg.training.distribute import run_on_ray
from fakeimg.training.grid import Cell, Run, cell_runs, grid_cells
from fakeimg.training.search_table import best_cell, cell_table, run_table
from fakeimg.training.whole_cell import train_apart

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fakeimg.models.detector import Detector


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        frame: one row a cell: its values, seed, fold, status, error, and each metric's mean on validation with its 95 %
            interval (`accuracy`, `accuracy_low`, `accuracy_high`, …). The winner of many cells looks better than it is:
            judge it on data that took no part.
        runs: one row a run: a cell, or one of its folds and repeats.
        best: the best cell's `values`, metrics and resolved `experiment`; None when no cell went well.
        metric: what was compared.
        axes: the columns of `frame` that are hyperparameters.
        detector: the best cell trained again on train + validation, when the experiment asks for it.
    """

    frame: "pd.DataFrame"
    runs: "pd.DataFrame"
    best: dict[str, Any] | None
    metric: str
    axes: tuple[str, ...]
    detector: "Detector | None" = None

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """A heatmap of two axes, lines over the number of epochs, or the cells in order with their intervals."""
        from fakeimg.training.search_figures import plot_search

        return plot_search(self.frame, self.axes, self.metric, ax)

    def _repr_html_(self) -> str:
        columns = [*self.axes, self.metric, f"{self.metric}_low", f"{self.metric}_high", "status"]
        ordered = self.frame[columns].sort_values(self.metric, ascending=self.metric == "loss")
        return str(ordered.to_html(index=False, float_format="{:.4f}".format))


def search(
    experiment: Experiment,
    data: Dataset | Path | str,
    *,
    out: Path | str | None = None,
    jobs: int = 1,
    on: Literal["local", "ray"] = "local",
    address: str | None = None,
    engine: EngineName = "auto",
    progress: Progress | None = None,
) -> SearchResult:
    """Train every cell of `experiment.grid` and compare them on validation.

    Cells with a frozen, averaging backbone share one pass over the images; each of the others trains in its own
    process. Repeats vary a head's initial weights, dropout, order and folds; random trunk weights and cached
    augmentation stay those of the experiment's seed. A cell that fails is a row with its error.

    Args:
        experiment: with `grid` and `search`; without a grid, a single cell.
        data: a data set, or where one is.
        out: the folder to write: `results.csv`, `results.parquet`, `runs.csv`, `best.json`, `cells/KEY.json` (one a
            finished run), figures, the resolved experiment and the environment. Asked again, finished runs are not
            repeated; Ctrl-C leaves the tables of what is done.
        jobs: cells that train their trunk at a time; heads on frozen trunks always use all processors.
        on: "local", or "ray" for `address`, or for a Ray on this machine without one.
        address: of a Ray cluster.
        engine: what runs frozen trunks.
        progress: called with (what, done, total); None draws bars where stderr is a terminal.
    Raises:
        ConfigError: an impossible argument, or another search is writing to `out`.
        DatasetError: the data cannot be opened.
    """
    if on not in ("local", "ray"):
        raise ConfigError(f'a search runs on "local" or "ray", not {on!r}')
    if jobs < 1:
        raise ConfigError(f"jobs must be at least 1, not {jobs}")
    if address is not None and on != "ray":
        raise ConfigError('an address needs on = "ray"')
    with ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            folder = Path(out)
            _claim(folder, stack)
        cells = grid_cells(experiment)
        dataset = data if isinstance(data, Dataset) else _open(cells, experiment, data)
        runs, errors = cell_runs(cells, dataset)
        records = {run.key: found for run in runs if (found := read_record(folder / "cells", run.key))}
        todo = list({run.key: run for run in runs if run.key not in records}.values())
        try:
            total = len(todo)
            if progress is None and todo:
                progress = stack.enter_context(progress_board())
            work = _work(todo, folder, jobs, on, address, engine, progress)
            for done, record in enumerate(stack.enter_context(closing(work)), 1):
                records[record["key"]] = record
                write_record(folder / "cells", record)
                if progress is not None:
                    progress("cells", done, total)
        finally:
            # Also after Ctrl-C: what is done is worth its table.
            result = _result(
                experiment, cells, [(run.cell, records[run.key]) for run in runs if run.key in records], errors
            )
            if out is not None:
                _write(folder, experiment, result)
        if experiment.search.retrain and result.best is not None:
            run = next(run for run in runs if run.cell == result.best["cell"])
            detector = _retrain(run, result.best["best_epoch"], None if out is None else folder / f"best-{run.key[:8]}")
            result = SearchResult(result.frame, result.runs, result.best, result.metric, result.axes, detector)
        return result


def _claim(folder: Path, stack: ExitStack) -> None:
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        stack.enter_context(FileLock(folder / ".lock", timeout=0))
    except Timeout:
        raise ConfigError(f"another search is writing to {folder}; choose another --out or wait for it") from None


def _open(cells: Sequence[Cell], experiment: Experiment, data: Path | str) -> Dataset | Path | str:
    """The data set, opened once; left to each cell when the grid varies which images take part."""
    varied = any(axis.startswith("data.") for axis in experiment.grid)
    return data if varied else Dataset.open(data, classes=experiment.data.classes)


def _work(
    todo: Sequence[Run],
    folder: Path,
    jobs: int,
    on: str,
    address: str | None,
    engine: EngineName,
    progress: Progress | None,
) -> Generator[Record, None, None]:
    whole = [run for run in todo if not is_frozen(run)]
    if on == "ray" and todo:
        yield from run_on_ray(bundles(todo), whole, address=address, engine=engine, progress=progress)
        return
    for bundle in bundles(todo):
        yield from run_bundle(bundle, engine=engine, progress=progress)
    yield from train_apart(whole, jobs=jobs, folder=folder / "cells", progress=progress)


def _result(
    experiment: Experiment, cells: Sequence[Cell], records: Sequence[tuple[int, Record]], errors: dict[int, str]
) -> SearchResult:
    metric = experiment.search.metric
    frame = cell_table(cells, records, errors)
    number = best_cell(frame, cells, metric)
    best = None
    if number is not None:
        row = frame.iloc[number]
        chosen = cells[number]
        best = {
            "cell": number,
            "values": chosen.values,
            "metric": metric,
            **{name: {end: _number(row[f"{name}{suffix}"]) for end, suffix in _ENDS.items()} for name in METRICS},
            "n": int(row["n"]),
            "best_epoch": round(float(row["best_epoch"])),
            "cells_compared": int((frame["status"] == "ok").sum()),
            "experiment": None if chosen.experiment is None else chosen.experiment.model_dump(mode="json"),
        }
    return SearchResult(frame, run_table(cells, records), best, metric, tuple(experiment.grid))


_ENDS = {"value": "", "low": "_low", "high": "_high"}


def _number(value: Any) -> float | None:
    return float(value) if value == value else None


def _write(folder: Path, experiment: Experiment, result: SearchResult) -> None:
    table = result.frame.to_csv(index=False)
    drawn = (folder / "results.png").exists() and (folder / "results.csv").exists()
    if drawn and (folder / "results.csv").read_text("utf-8") == table:
        return  # nothing new
    write_text(folder / "runs.csv", result.runs.to_csv(index=False))
    with replacing(folder / "results.parquet") as temporary:
        result.frame.to_parquet(temporary, index=False)
    write_json(folder / "best.json", result.best)
    write_text(folder / "experiment.toml", experiment.to_toml())
    environment = {"python": platform.python_version(), "machine": platform.machine(), "versions": current_versions()}
    write_json(folder / "environment.json", environment)
    if (result.frame["status"] == "ok").any():
        with replacing(folder / "results.png") as temporary:
            result.plot().figure.savefig(temporary, dpi=150)  # type: ignore[union-attr]
    write_text(folder / "results.csv", table)  # last: it stands for all of them


def _retrain(run: Run, epochs: int, out: Path | None) -> "Detector":
    """A cell, for as many epochs as were best, on training and validation images together.

    Nothing is left to choose thresholds on then, so they are those of the same training without the validation images.
    """
    from fakeimg.training.train import train

    last = {"train.epochs": epochs, "train.patience": None, "search.retrain": False}
    chosen = run.experiment.with_values({"seed": run.feature_seed, **last})
    detector = train(chosen, run.data.assign(split="train"), out=out).detector
    if run.fold is None:
        point = train(chosen, run.data).detector.operating_point
        told = replace(point, chosen_on=f"{point.chosen_on}, by the same training without them").to_json()
        detector.spec = detector.spec.model_copy(update={"operating_point": told})
        detector = detector if out is None else detector.save(out)
    return detector
