"""From a logit to a verdict: calibrated probabilities, two thresholds, and "out-of-domain".

NumPy alone, so that `fakeimg detect` starts fast; the thresholds are chosen in `fakeimg.scoring.operating_point`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.errors import ModelError, did_you_mean

Verdict = Literal["fake", "real", "inconclusive", "out-of-domain"]
VERDICTS: Final[tuple[Verdict, ...]] = ("fake", "real", "inconclusive", "out-of-domain")


@dataclass(frozen=True)
class OperatingPoint:
    """Two thresholds on the probability of "fake", and what is known of the place where they were chosen.

    "fake" at or above `threshold_fake`, "real" below `threshold_real`, "inconclusive" between; where they are equal
    nothing is inconclusive. A `threshold_fake` above 1 or a `threshold_real` of 0: this verdict is never given.

    Attributes:
        chosen_on: in words, the images it was chosen on, e.g. "validation".
        n_real, n_fake: how many images those were; 0 where the thresholds are a convention and nothing was measured.
        max_false_alarms, max_misses: the rates allowed when the thresholds were chosen.
        false_alarms, misses: share of reals called fake and of fakes called real there: value, low, high (95 %), n.
        temperature: what the logit is divided by before the sigmoid (`calibrated`).
    """

    threshold_fake: float = 0.5
    threshold_real: float = 0.5
    chosen_on: str = "not chosen: the convention of one half"
    n_real: int = 0
    n_fake: int = 0
    max_false_alarms: float | None = None
    max_misses: float | None = None
    false_alarms: Mapping[str, float | int | None] | None = None
    misses: Mapping[str, float | int | None] | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold_real <= self.threshold_fake <= np.nextafter(1, 2):
            raise ModelError(
                "an operating point needs 0 ≤ threshold_real ≤ threshold_fake ≤ 1, "
                f"got {self.threshold_real} and {self.threshold_fake}"
            )
        if not 0 < self.temperature < np.inf:
            raise ModelError(f"a temperature is a positive number, got {self.temperature}")

    def to_json(self) -> dict[str, Any]:
        """The fields by name, as `fakeimg.json` holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "OperatingPoint":
        """Back from `to_json`.

        Raises:
            ModelError: a field is unknown, or a threshold is out of range or no number.
        """
        names = [field.name for field in fields(cls)]
        for name in content:
            if name not in names:
                raise ModelError(f"an operating point has no field {name!r}{did_you_mean(name, names)}")
        for name in ("threshold_fake", "threshold_real", "temperature"):
            value = content.get(name, 0.5)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ModelError(f"an operating point's {name} is a number, got {value!r}")
        return cls(**content)


def calibrated(logit: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """The probability 1 / (1 + exp(-logit / temperature)) in float64, any shape, without overflow.

    Source: Guo et al. 2017, "On calibration of modern neural networks", section 4.2.
    """
    scaled = np.asarray(logit, np.float64) / temperature
    small = np.exp(-np.abs(scaled))
    return np.where(scaled >= 0, 1.0, small) / (1.0 + small)


def verdict(probability: ArrayLike, point: OperatingPoint, out_of_domain: ArrayLike | None = None) -> NDArray[np.str_]:
    """One of `VERDICTS` for each image.

    Args:
        probability: (n,) of "fake" (with more classes, of anything but "real"), in [0, 1].
        out_of_domain: (n,) bool, `DomainGuard.is_outside`; these are "out-of-domain" whatever their probability.
    Raises:
        ModelError: a probability is not a number.
    """
    scores = np.asarray(probability, np.float64)
    if np.isnan(scores).any():
        raise ModelError(
            f"{np.isnan(scores).sum()} of {scores.size} probabilities are not numbers; the model is damaged"
        )
    calls = np.where(scores >= point.threshold_fake, "fake", "inconclusive").astype("U13")
    calls[scores < point.threshold_real] = "real"
    if out_of_domain is not None:
        calls[np.asarray(out_of_domain, bool)] = "out-of-domain"
    return calls
