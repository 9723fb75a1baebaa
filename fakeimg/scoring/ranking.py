"""Statistics of how scores rank two classes (AUC, average precision, TPR at an FPR), for many weightings at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]  # (r, n): how often each image counts in each of r resamples


class Ranking:
    """Images sorted by score once; a method takes (r, n) counts to (r,) values, NaN where a class is absent.

    Equal scores are one step of the curve, as in scikit-learn's `roc_auc_score` and `average_precision_score`.
    """

    def __init__(self, positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # last image of each run of ties
        self._positive = positive[self._order].astype(np.float64)

    def auc(self, counts: Counts) -> NDArray[np.float64]:
        """Area under the ROC curve, by trapezia."""
        return self.statistics(counts)[:, 0]

    def statistics(self, counts: Counts, false_positive_rates: Sequence[float] = ()) -> NDArray[np.float64]:
        """Columns: AUC, average precision, then the highest TPR whose FPR is at most each of `false_positive_rates`."""
        ranked = counts[:, self._order]
        positives = np.cumsum(ranked * self._positive, axis=1)[:, self._ends]
        negatives = np.cumsum(ranked, axis=1)[:, self._ends] - positives
        with np.errstate(divide="ignore", invalid="ignore"):
            found = positives / positives[:, -1:]
            alarms = negatives / negatives[:, -1:]
            step = np.diff(found, axis=1, prepend=0.0)
            area = np.sum(np.diff(alarms, axis=1, prepend=0.0) * (found - step / 2), axis=1)
            # A leading step that drew no image at all has no precision, and weighs nothing.
            precision = np.nan_to_num(positives / (positives + negatives))
            columns = [area, np.sum(step * precision, axis=1)]
        for rate in false_positive_rates:
            allowed = np.sum(alarms <= rate, axis=1)
            reached = np.take_along_axis(found, np.maximum(allowed - 1, 0)[:, None], axis=1)[:, 0]
            reached = np.where(allowed > 0, reached, 0.0)
            columns.append(np.where(np.isnan(alarms[:, 0]), np.nan, reached))
        return np.stack(columns, axis=1)
