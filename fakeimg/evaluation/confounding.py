"""Whether the source gives the label away, and whether the sources can be told apart without looking at a face."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.evaluation.shortcuts import FEWEST, out_of_fold, stratified_folds
from fakeimg.scoring.intervals import Interval, group_codes, wilson

if TYPE_CHECKING:
    import pandas as pd

MISSING = "(none given)"


@dataclass(frozen=True)
class Confounding:
    """How source and label hang together.

    Attributes:
        table: images of each source (rows) and label (columns).
        cramers_v: 0 when the source says nothing of the label, 1 when it decides it.
        pure: sources that hold one label only.
        source_accuracy: how often the source is told from an 8×8 thumbnail, out of fold; None with too few images.
        chance: how often always naming the commonest source is right.
    Source: Cramér 1946, "Mathematical methods of statistics", section 21.9.
    """

    table: "pd.DataFrame"
    cramers_v: float
    pure: tuple[str, ...]
    source_accuracy: Interval | None
    chance: float

    @property
    def separability(self) -> float:
        """The lower bound of `source_accuracy` on a scale from chance, 0, to certainty, 1; 0 where it is unknown."""
        if self.source_accuracy is None or self.chance >= 1:
            return 0.0
        return max(0.0, (self.source_accuracy.low - self.chance) / (1 - self.chance))

    def to_json(self) -> dict[str, Any]:
        """All of it, the table as source → label → count."""
        counts = {str(source): {str(k): int(v) for k, v in row.items()} for source, row in self.table.iterrows()}
        return {
            "images": counts,
            "cramers_v": self.cramers_v,
            "pure_sources": list(self.pure),
            "source_accuracy": self.source_accuracy.to_json() if self.source_accuracy else None,
            "chance": self.chance,
        }


def find_confounding(
    dataset: Dataset, rows: NDArray[np.int64], thumbnails: NDArray[np.float32], groups: NDArray[Any], *, seed: int = 0
) -> Confounding | None:
    """How source and label hang together; None when the data names fewer than two sources.

    Args:
        rows: the images that `thumbnails` (m, k) and `groups` (m,) belong to.
    """
    import pandas as pd
    from scipy.stats.contingency import association

    sources = dataset.frame["source"].fillna(MISSING)
    if sources.nunique() < 2:
        return None
    table = pd.crosstab(sources, dataset.frame["label"])
    both = table.shape[1] > 1
    names = sources.to_numpy(object)[rows]
    found, counts = np.unique(names, return_counts=True)
    enough = np.isin(names, found[counts >= FEWEST])
    accuracy = None
    if (counts >= FEWEST).sum() > 1:
        labels = np.searchsorted(found, names[enough])
        folds = stratified_folds(labels, group_codes(groups[enough], labels.size), seed)
        guesses = out_of_fold("linear", thumbnails[enough], labels, folds).argmax(axis=1)
        right = int((np.unique(labels)[guesses] == labels).sum())
        accuracy = wilson(right, labels.size)
    return Confounding(
        table=table,
        cramers_v=float(association(table.to_numpy(), method="cramer")) if both else 0.0,
        pure=tuple(str(name) for name, row in table.iterrows() if (row > 0).sum() == 1),
        source_accuracy=accuracy,
        chance=float(counts[counts >= FEWEST].max(initial=0) / max(enough.sum(), 1)),
    )
