"""What adding a source to training does to one fixed stress set, compared image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError
from fakeimg.evaluation.compare import SIGNIFICANT, Comparison, compare
from fakeimg.evaluation.training_sets import (
    NO_PART,
    Progress,
    TrainingSet,
    divided,
    known_sources,
    score_by_training_set,
    without_test,
)
from fakeimg.files import write_json

WITHOUT, WITH = "without", "with"


@dataclass(frozen=True)
class Mixture:
    """Two trainings that differ in one thing, the added sources, on a stress set that neither saw.

    Attributes:
        add: the sources that one of the trainings had and the other had not.
        stress: the sources that both are judged on.
        comparison: image by image; a is the training without, b the one with.
        trained_on: how many images each training had.
    """

    add: tuple[str, ...]
    stress: tuple[str, ...]
    comparison: Comparison
    trained_on: tuple[int, int]

    @property
    def sentence(self) -> str:
        """The change in plain words, its errors counted, and whether it is noise."""
        result = self.comparison
        wrong = [result.both_wrong + only for only in (result.only_a_wrong, result.only_b_wrong)]
        verdict = "more than noise" if result.p_value <= SIGNIFICANT else "it may well be noise"
        added, stressed = " and ".join(self.add), " and ".join(self.stress)
        return (
            f"{added} added to training: {result.accuracy_a.value:.1%} → {result.accuracy_b.value:.1%} "
            f"of {stressed} judged right, {wrong[0]:,} vs {wrong[1]:,} wrong of {result.n:,} "
            f"({100 * result.difference.value:+.1f} points, {100 * result.difference.low:+.1f} to "
            f"{100 * result.difference.high:+.1f}): {verdict} (McNemar p = {result.p_value:.2g})."
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but the single images."""
        return {
            "sentence": self.sentence,
            "add": list(self.add),
            "stress": list(self.stress),
            "trained_on": dict(zip((WITHOUT, WITH), self.trained_on, strict=True)),
            "comparison": self.comparison.to_json(),
        }

    def write(self, out: Path | str) -> None:
        """Write `mixture.json` into the folder `out`."""
        write_json(Path(out) / "mixture.json", self.to_json())

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence)}</p>"


def mixture(
    experiment: Experiment,
    data: Dataset | Path | str,
    *,
    add: str | Sequence[str],
    stress: str | Sequence[str],
    progress: Progress | None = None,
) -> Mixture:
    """Train an experiment without and with the sources `add`, and judge both on the sources `stress`.

    Neither training sees the stress set; everything else of the data is in both.

    Args:
        add: the source, or sources, that make the difference.
        stress: the fixed stress set: a source, or several.
        progress: called with (what, done, total).
    Raises:
        DatasetError: a source is unknown or named twice, or a class is left without images.
    """
    added, stressed = ((names,) if isinstance(names, str) else tuple(names) for names in (add, stress))
    if both := sorted(set(added) & set(stressed)):
        raise DatasetError(f"{both[0]!r} cannot be both added to training and the stress set")
    dataset = divided(experiment, data)
    known_sources(dataset, [*added, *stressed])
    sources, split = dataset.frame["source"].to_numpy(str), without_test(dataset)
    tested = np.isin(sources, stressed)
    parts = {
        name: TrainingSet(np.where(tested | np.isin(sources, left_out), NO_PART, split), tested)
        for name, left_out in ((WITHOUT, added), (WITH, ()))
    }
    frames = {}
    for name, scored in score_by_training_set(experiment, dataset, parts, progress=progress):
        frame = dataset.frame.assign(probability_fake=scored.probability_fake)
        frames[name] = frame[tested].reset_index(drop=True)
    trained = {name: int((part.split == "train").sum()) for name, part in parts.items()}
    comparison = compare(
        frames[WITHOUT], frames[WITH], names=(WITHOUT, WITH), negative=dataset.class_names[0], seed=experiment.seed
    )
    return Mixture(added, stressed, comparison, (trained[WITHOUT], trained[WITH]))
