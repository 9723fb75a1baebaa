"""Rerunning a recorded experiment, and comparing what comes out with what was recorded and what was published."""

import json
import platform
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError, did_you_mean
from fakeimg.files import write_json
from fakeimg.models.artifact import current_versions

CATALOGUE = "catalogue.toml"
FIGURES = "figures.json"
Figures = dict[str, dict[str, Any]]


class Entry(BaseModel):
    """One experiment of the catalogue.

    Attributes:
        system: the number of the published system.
        job: what is run: one training, a grid, leave-one-source-out, one training tested on every source, or a mixture.
        published: figures of the publication, by name.
        tolerance: how far a figure may lie from the recorded one.
        breakdown: attributes that a training's test predictions are broken down by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: int
    job: Literal["train", "search", "transfer", "matrix", "mixture"]
    config: str
    set: tuple[str, ...] = ()
    published: dict[str, float] = {}
    tolerance: Annotated[float, Field(gt=0)]
    breakdown: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    stress: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reproduction:
    """What a rerun gave.

    Attributes:
        name: in the catalogue.
        figures: name → {"value", "low", "high", "n"}.
        recorded: the same, as recorded; empty when nothing was.
        published: name → value.
        tolerance: how far `figures` may lie from `recorded`.
    """

    name: str
    figures: Figures
    recorded: Figures
    published: dict[str, float]
    tolerance: float

    @property
    def differing(self) -> tuple[str, ...]:
        """Names of figures that are missing, or further from the recorded ones than the tolerance."""
        return tuple(
            name
            for name, was in self.recorded.items()
            if name not in self.figures or abs(self.figures[name]["value"] - was["value"]) > self.tolerance
        )

    def __str__(self) -> str:
        lines = [f"{'':36}{'published':>10}{'recorded':>10}{'now':>8}  95 % interval"]
        for name, now in self.figures.items():
            published = f"{self.published[name]:.3f}" if name in self.published else ""
            recorded = f"{self.recorded[name]['value']:.3f}" if name in self.recorded else ""
            interval = f"{now['low']:.3f}–{now['high']:.3f}, n {now['n']:,}" if "low" in now else ""
            mark = "  differs" if name in self.differing else ""
            lines.append(f"{name:36}{published:>10}{recorded:>10}{now['value']:8.3f}  {interval}{mark}")
        return "\n".join(lines)


def reproduce(
    name: str,
    data: Path | str,
    *,
    out: Path | str,
    overrides: tuple[str, ...] = (),
    experiments: Path | str = "experiments",
    record: bool = False,
) -> Reproduction:
    """Rerun the experiment called `name`.

    Args:
        name: in `experiments/catalogue.toml`.
        data: the images; the recorded figures belong to one data set, which the record names by its fingerprint.
        out: folder for everything that the run writes; it goes on there when it was stopped.
        overrides: `key=value` for the experiment, such as `weights=FILE`.
        experiments: the folder of the catalogue.
        record: write the figures into `results/NAME/figures.json`.
    Raises:
        ConfigError: no such experiment or catalogue.
    """
    root = Path(experiments)
    entry = _entry(root, name)
    experiment = Experiment.read(root / entry.config, (*entry.set, *overrides))
    if experiment.data.sources == ():
        experiment = experiment.with_values({"data.sources": None})
    dataset = Dataset.open(data, classes=experiment.data.classes)
    figures = _JOBS[entry.job](entry, experiment, dataset, Path(out))
    file = root / "results" / name / FIGURES
    recorded = json.loads(file.read_bytes())["figures"] if file.is_file() else {}
    if record:
        write_json(
            file,
            {
                "command": " ".join(
                    ["fakeimg reproduce", name, "DATA", *(f"--set {_shown(item)}" for item in overrides)]
                ),
                "data": dataset.fingerprint(),
                "machine": f"{platform.machine()}, Python {platform.python_version()}",
                "versions": current_versions(),
                "figures": figures,
            },
        )
    return Reproduction(name, figures, recorded, entry.published, entry.tolerance)


def _entry(root: Path, name: str) -> Entry:
    file = root / CATALOGUE
    try:
        catalogue = tomllib.loads(file.read_text("utf-8"))
    except OSError:
        raise ConfigError(f"no {file}; run this in a checkout of fakeimg, or name its experiments folder") from None
    if name not in catalogue:
        raise ConfigError(f"no experiment {name!r}; there are {', '.join(catalogue)}{did_you_mean(name, catalogue)}")
    try:
        return Entry.model_validate(catalogue[name])
    except ValidationError as error:
        raise ConfigError(f"{file}: {name}: {error.errors()[0]['msg']}") from None


def _shown(override: str) -> str:
    """An override without the folders of this machine."""
    key, _, value = override.partition("=")
    return f"{key}={Path(value).name}" if "/" in value else override


def _train(entry: Entry, experiment: Experiment, data: Dataset, out: Path) -> Figures:
    from fakeimg.evaluation.breakdown import breakdown
    from fakeimg.evaluation.evaluate import evaluate
    from fakeimg.training.train import train

    result = train(experiment, data, out=out)
    evaluation = evaluate(result.detector, result.data.split("test"))
    evaluation.write(out / "test")
    metrics = evaluation.metrics
    figures = {name: metrics[name] for name in ("accuracy", "auc", "precision", "recall")}
    figures["8×8 thumbnail accuracy"] = _thumbnail(result.data)
    for source, numbers in metrics.get("by_source", {}).items():
        figures[f"accuracy on {source}"] = numbers["accuracy"]
    for attribute in entry.breakdown:
        for row in breakdown(evaluation.predictions, attribute).itertuples():
            figures[f"accuracy, {attribute} {row.value}"] = _interval(row)
    return {name: figure for name, figure in figures.items() if figure.get("value") is not None}


def _search(entry: Entry, experiment: Experiment, data: Dataset, out: Path) -> Figures:
    from fakeimg.training.search import search

    result = search(experiment, data, out=out)
    figures: Figures = {}
    for row in result.frame.to_dict("records"):
        name = ", ".join(f"{axis.rpartition('.')[2]} {row[axis]:g}" for axis in result.axes)
        figures[name] = {
            "value": row["accuracy"],
            "low": row["accuracy_low"],
            "high": row["accuracy_high"],
            "n": row["n"],
        }
    return figures


def _transfer(entry: Entry, experiment: Experiment, data: Dataset, out: Path) -> Figures:
    from fakeimg.evaluation.transfer import leave_one_source_out

    result = leave_one_source_out(experiment, data)
    result.write(out)
    figures = {f"left out: {row.source} ({row.label})": _interval(row) for row in result.frame.itertuples()}
    figures["mean over sources"] = result.mean.to_json()
    if result.mean_thumbnail is not None:
        figures["8×8 thumbnail, mean over sources"] = result.mean_thumbnail.to_json()
    return figures


def _matrix(entry: Entry, experiment: Experiment, data: Dataset, out: Path) -> Figures:
    from fakeimg.evaluation.transfer import transfer_matrix

    result = transfer_matrix(experiment, data, trained_on={experiment.name: entry.trained_on})
    result.write(out)
    return {
        f"{row.tested_on} ({row.label}{', own test part' if row.seen else ''})": _interval(row)
        for row in result.frame.itertuples()
    }


def _mixture(entry: Entry, experiment: Experiment, data: Dataset, out: Path) -> Figures:
    from fakeimg.evaluation.mixture import mixture

    result = mixture(experiment, data, add=entry.add, stress=entry.stress)
    result.write(out)
    comparison = result.comparison
    return {
        f"without {' and '.join(entry.add)}": comparison.accuracy_a.to_json(),
        f"with {' and '.join(entry.add)}": comparison.accuracy_b.to_json(),
        "difference": comparison.difference.to_json(),
    }


def _thumbnail(data: Dataset) -> dict[str, Any]:
    """What logistic regression on 8×8 thumbnails reaches on the same test part."""
    import numpy as np

    from fakeimg.evaluation.training_sets import TrainingSet
    from fakeimg.evaluation.transfer import shortcut_guesses
    from fakeimg.scoring.intervals import wilson

    split = data.frame["split"].to_numpy(str)
    tested = split == "test"
    guess = shortcut_guesses(data, {"test": TrainingSet(split, tested)})["thumbnail"]["test"]
    known = tested & ~np.isnan(guess)
    right = (guess[known] >= 0.5) == (data.labels[known] > 0)
    return wilson(int(right.sum()), int(known.sum())).to_json()


def _interval(row: Any) -> dict[str, Any]:
    return {"value": float(row.accuracy), "low": float(row.low), "high": float(row.high), "n": int(row.n)}


_JOBS = {"train": _train, "search": _search, "transfer": _transfer, "matrix": _matrix, "mixture": _mixture}
