"""Choosing the two thresholds on validation images, so that false alarms and misses stay within what was asked for."""

from math import floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.errors import ConfigError, DatasetError
from fakeimg.models.decision import OperatingPoint
from fakeimg.scoring.intervals import wilson

_CERTAIN = 1e-12  # probabilities closer to 0 or 1 than this have no finite logit to take the middle of


def choose_operating_point(
    labels: ArrayLike,
    probability: ArrayLike,
    *,
    max_false_alarms: float = 0.05,
    max_misses: float = 0.05,
    chosen_on: str = "validation",
    temperature: float = 1.0,
) -> OperatingPoint:
    """Thresholds that keep at most `max_false_alarms` of reals from being called fake, and `max_misses` of fakes real.

    The promise is for new images like these: of n reals, k may lie above the threshold when (k + 1) / (n + 1) is at
    most `max_false_alarms` (so none of fewer than 39 at the default; with fewer than 19 the promise cannot be kept, and
    the interval says so). A threshold lies midway, in logits, between the scores it separates. Between the two
    thresholds the verdict is "inconclusive". Where the classes separate so well that the thresholds cross, every value
    between them keeps both promises: both become the one in the middle, in logits, and nothing is inconclusive.

    Args:
        labels: (n,), 0 for real, anything above for fake.
        probability: (n,) of fake, already divided by `temperature`.
        chosen_on: in words, what these images are; never the test split.
    Raises:
        ConfigError: a rate is not between 0 and 1.
        DatasetError: there are no reals or no fakes, or a probability is not a number.
    Source: Lei et al. 2018, "Distribution-free predictive inference for regression", section 2 (finite-sample rank).
    """
    for name, rate in (("max_false_alarms", max_false_alarms), ("max_misses", max_misses)):
        if not 0 < rate < 1:
            raise ConfigError(f"{name} is a rate between 0 and 1, got {rate}; 0.05 is the default")
    fake, scores = np.asarray(labels) > 0, np.asarray(probability, np.float64)
    if fake.shape != scores.shape or np.isnan(scores).any():
        raise DatasetError(f"an operating point needs one probability a label, got {fake.shape} and {scores.shape}")
    n_real, n_fake = int((~fake).sum()), int(fake.sum())
    if n_real == 0 or n_fake == 0:
        raise DatasetError(f"an operating point needs real and fake images, got {n_real} and {n_fake} ({chosen_on})")

    upper = _threshold_above(np.sort(scores[~fake])[::-1], scores, max_false_alarms)
    lower = _threshold_below(np.sort(scores[fake]), scores, max_misses)
    if upper < lower:
        upper = lower = _midway(upper, lower)
    return OperatingPoint(
        threshold_fake=upper,
        threshold_real=lower,
        chosen_on=chosen_on,
        n_real=n_real,
        n_fake=n_fake,
        max_false_alarms=max_false_alarms,
        max_misses=max_misses,
        false_alarms=wilson(int((scores[~fake] >= upper).sum()), n_real).to_json(),
        misses=wilson(int((scores[fake] < lower).sum()), n_fake).to_json(),
        temperature=temperature,
    )


def _allowed(n: int, rate: float) -> int:
    return max(floor(rate * (n + 1) + 1e-9) - 1, 0)


def _threshold_above(reals: NDArray[np.float64], scores: NDArray[np.float64], rate: float) -> float:
    """The lowest threshold that only `_allowed` of `reals` (highest first) reach."""
    barred = float(reals[_allowed(reals.size, rate)])
    higher = scores[scores > barred]
    return _midway(barred, float(higher.min())) if higher.size else float(np.nextafter(barred, 2.0))


def _threshold_below(fakes: NDArray[np.float64], scores: NDArray[np.float64], rate: float) -> float:
    """The highest threshold that only `_allowed` of `fakes` (lowest first) lie below."""
    kept = float(fakes[_allowed(fakes.size, rate)])
    lower = scores[scores < kept]
    return _midway(float(lower.max()), kept) if lower.size else kept


def _midway(low: float, high: float) -> float:
    """Above `low`, at most `high`, and midway in logits where floating point allows."""
    a, b = np.clip([low, high], _CERTAIN, 1 - _CERTAIN)
    middle = float(1 / (1 + np.exp(-(np.log(a / (1 - a)) + np.log(b / (1 - b))) / 2)))
    return middle if low < middle <= high else high
