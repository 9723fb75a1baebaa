"""How a detector holds up when its pictures are damaged: reals alone, fakes alone, and both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.data.images import read_image, resize
from fakeimg.errors import ConfigError, DatasetError, ImageError
from fakeimg.evaluation.perturbations import PERTURBATIONS, get_perturbation
from fakeimg.evaluation.sampling import in_order, sampled_rows
from fakeimg.files import replacing, write_json
from fakeimg.models.detector import Detector
from fakeimg.models.engines import EngineName
from fakeimg.progress import progress_bar
from fakeimg.scoring.intervals import auc_interval, wilson

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STRESS = "stress.json"
MAX_IMAGES = 1000
UNCHANGED = "none"
APPLIED_TO = ("reals", "fakes", "both")
_RATES = ("accuracy", "fpr", "fnr", "auc")
Level = tuple[str, float]


@dataclass(frozen=True)
class StressResult:
    """What damage does to a detector's verdicts.

    Attributes:
        frame: one row a perturbation, strength and `applied_to` ("reals", "fakes" or "both"; the rest stays unchanged):
            n, accuracy, fpr (reals called fake), fnr (fakes called real) and auc, each with low and high. Its first row
            is the unchanged images, perturbation "none".
        scores: probability of fake, (n, levels), one column a level.
        levels: (perturbation, strength) of each column of `scores`; the first is ("none", 0).
        fake: (n,) the truth.
        threshold: the probability from which an image counts as fake.
        model: the detector's name and weights.
        unreadable: path → reason.
    """

    frame: "pd.DataFrame"
    scores: NDArray[np.float64]
    levels: tuple[Level, ...]
    fake: NDArray[np.bool_]
    threshold: float
    model: dict[str, str]
    unreadable: dict[str, str]

    @property
    def sentence(self) -> str:
        """The unchanged accuracy, and what lowers it most, in plain words."""
        clean = self.frame.iloc[0]
        both = self.frame[(self.frame["applied_to"] == "both") & (self.frame["perturbation"] != UNCHANGED)]
        words = f"{_percent(clean, 'accuracy')} of {clean['n']:,} unchanged images are judged right"
        if both.empty:
            return f"{words}."
        worst = both.iloc[int(both["accuracy"].argmin())]
        return (
            f"{words}; at worst, after {worst['perturbation']} ({PERTURBATIONS[worst['perturbation']].unit} "
            f"{worst['strength']:g}), {_percent(worst, 'accuracy')}."
        )

    def curve(self, perturbation: str, applied_to: str = "both") -> "pd.DataFrame":
        """The rows of one curve, mildest strength first."""
        rows = self.frame
        return rows[(rows["perturbation"] == perturbation) & (rows["applied_to"] == applied_to)]

    def plot(self, perturbation: str = "jpeg", ax: "Axes | None" = None) -> "Axes":
        """False alarms and misses as the damage grows: lines where both classes are damaged, dots where only theirs is.

        A detector that judges the damage instead of the face shows it here: false alarms that rise when photographs
        alone are recompressed.
        """
        from fakeimg.evaluation.stress_figure import plot_curve

        return plot_curve(self, perturbation, ax)

    def to_json(self) -> dict[str, Any]:
        """Everything but the single scores."""
        return {
            "sentence": self.sentence,
            "threshold": self.threshold,
            "model": self.model,
            "unreadable": self.unreadable,
            "rows": [
                {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
                for row in self.frame.to_dict("records")
            ],
        }

    def write(self, out: Path | str) -> None:
        """Write `stress.json`, `stress.csv` and a figure a perturbation into the folder `out`."""
        folder = Path(out)
        write_json(folder / STRESS, self.to_json())
        with replacing(folder / "stress.csv") as temporary:
            self.frame.to_csv(temporary, index=False)
        for name in dict.fromkeys(name for name, _ in self.levels[1:]):
            with replacing(folder / f"stress_{name}.png") as temporary:
                self.plot(name).figure.savefig(temporary, dpi=120)  # type: ignore[union-attr]

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence)}</p>{self.frame.to_html(index=False, float_format='{:.3f}'.format)}"


def stress(
    detector: Detector,
    data: Dataset | Path | str,
    *,
    perturbations: Sequence[str] | Mapping[str, Sequence[float]] = tuple(PERTURBATIONS),
    max_images: int | None = MAX_IMAGES,
    threshold: float = 0.5,
    engine: EngineName = "auto",
    seed: int = 0,
) -> StressResult:
    """Score images as they are and damaged, at every strength of every perturbation.

    Each image is decoded once and damaged in memory at its own resolution, before it is brought to the detector's size:
    that is the order in which it happens to pictures. A level is scored once; what it does to reals alone, to fakes
    alone and to both are three ways to count.

    Args:
        perturbations: names from `PERTURBATIONS`, or a mapping of names to strengths.
        max_images: at most so many, each class in proportion, drawn at random; None takes all.
        threshold: the probability from which an image counts as fake.
        engine: which engine scores.
        seed: of the draw, the noise and the bootstrap.
    Raises:
        ConfigError: no such perturbation, or an argument out of range.
        DatasetError: the classes are not the detector's, or no image can be read.
    """
    dataset = data if isinstance(data, Dataset) else Dataset.open(data, classes=detector.class_names)
    if dataset.class_names != detector.class_names:
        raise DatasetError(
            f"the data's classes are {', '.join(dataset.class_names)}, the detector's {', '.join(detector.class_names)}"
        )
    if (max_images is not None and max_images < 1) or not 0 < threshold < 1:
        raise ConfigError(f"max_images is at least 1 and threshold between 0 and 1, got {max_images} and {threshold}")
    levels = perturbation_levels(perturbations)
    dataset = dataset.take(sampled_rows(dataset.labels, max_images, seed))
    scores = np.full((len(dataset), len(levels)), np.nan)
    unreadable: dict[str, str] = {}
    work = partial(damaged, levels=levels, detector=detector, seed=seed)
    with progress_bar("stressing", len(dataset)) as advance:
        for (row, _), found in in_order(work, enumerate(dataset.paths)):
            if isinstance(found, ImageError):
                unreadable[str(dataset.frame["path"].iloc[row])] = str(found)
            else:
                scores[row] = detector.predict(found, engine=engine).probability_fake
            advance()
    read = ~np.isnan(scores[:, 0])
    if not read.any():
        raise DatasetError(f"none of the {len(dataset)} images can be read; the first says: {min(unreadable.values())}")
    scores, fake = scores[read], dataset.labels[read] > 0
    groups = dataset.frame["group"][read]
    frame = _table(scores, levels, fake, threshold, groups.to_numpy(object) if groups.notna().any() else None, seed)
    model = {"name": detector.name, "sha256": detector.weights_sha256}
    return StressResult(frame, scores, levels, fake, threshold, model, unreadable)


def perturbation_levels(perturbations: Sequence[str] | Mapping[str, Sequence[float]]) -> tuple[Level, ...]:
    """(name, strength) of every level, the unchanged picture first.

    Raises:
        ConfigError: no such perturbation.
    """
    named = perturbations if isinstance(perturbations, Mapping) else dict.fromkeys(perturbations, ())
    chosen = [
        (name, float(strength))
        for name, strengths in named.items()
        for strength in strengths or get_perturbation(name).strengths
    ]
    for name in named:
        get_perturbation(name)
    return ((UNCHANGED, 0.0), *chosen)


def damaged(
    job: tuple[int, Path], *, levels: Sequence[Level], detector: Detector, seed: int
) -> NDArray[np.uint8] | ImageError:
    """One image at every level and the detector's size, (levels, h, w, 3), or why it cannot be read."""
    row, path = job
    try:
        pixels = read_image(path)
    except ImageError as error:
        return error
    framing = detector.spec.architecture.framing
    versions = [pixels]
    for i, (name, strength) in enumerate(levels[1:], 1):
        versions.append(PERTURBATIONS[name].apply(pixels, strength, np.random.default_rng((seed, row, i))))
    return np.stack([resize(np.ascontiguousarray(image), detector.image_size, framing) for image in versions])


def _table(
    scores: NDArray[np.float64],
    levels: Sequence[Level],
    fake: NDArray[np.bool_],
    threshold: float,
    groups: NDArray[np.object_] | None,
    seed: int,
) -> "pd.DataFrame":
    import pandas as pd

    rows = []
    for column, (name, strength) in enumerate(levels):
        for applied_to in APPLIED_TO if column else APPLIED_TO[-1:]:
            changed = {"reals": ~fake, "fakes": fake, "both": np.ones_like(fake)}[applied_to]
            mixed = np.where(changed, scores[:, column], scores[:, 0])
            row = {"perturbation": name, "strength": strength, "applied_to": applied_to, "n": int(fake.size)}
            rows.append(row | _rates(mixed, fake, threshold, groups, seed))
    return pd.DataFrame(rows)


def _rates(
    scores: NDArray[np.float64],
    fake: NDArray[np.bool_],
    threshold: float,
    groups: NDArray[np.object_] | None,
    seed: int,
) -> dict[str, float]:
    called = scores >= threshold
    alarms, misses = int((called & ~fake).sum()), int((~called & fake).sum())
    intervals = {
        "accuracy": wilson(fake.size - alarms - misses, fake.size),
        "fpr": wilson(alarms, int((~fake).sum())),
        "fnr": wilson(misses, int(fake.sum())),
    }
    if 0 < fake.sum() < fake.size:
        intervals["auc"] = auc_interval(fake, scores, groups, seed, 200)
    numbers: dict[str, float] = {}
    for name in _RATES:
        interval = intervals.get(name)
        numbers[name] = interval.value if interval else np.nan
        numbers[f"{name}_low"] = interval.low if interval else 0.0
        numbers[f"{name}_high"] = interval.high if interval else 1.0
    return numbers


def _percent(row: "pd.Series[Any]", name: str) -> str:
    return f"{row[name]:.1%} ({row[f'{name}_low']:.1%}–{row[f'{name}_high']:.1%})"
