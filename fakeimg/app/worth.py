"""What a verdict is worth: how often it is right where so many pictures are generated, and where that was measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from fakeimg.models.artifact import DetectorSpec
from fakeimg.scoring.metrics import ppv_npv


@dataclass(frozen=True)
class Rates:
    """How a detector's verdicts fall on pictures whose class is known; each rate with value, low, high and n.

    Attributes:
        false_alarms: share of photographs called fake.
        misses: share of fakes called real.
        caught: share of fakes called fake.
        passed: share of photographs called real.
        measured_on: in words.
    """

    false_alarms: Mapping[str, Any]
    misses: Mapping[str, Any]
    caught: Mapping[str, Any]
    passed: Mapping[str, Any]
    measured_on: str

    @classmethod
    def of(cls, spec: DetectorSpec) -> "Rates | None":
        """Those of the recorded evaluation, else those of the images on which the thresholds were chosen; or None."""
        point = spec.decision
        measured = spec.metrics.get("operating_point", {})
        where = f"{spec.metrics.get('n', 0):,} labelled pictures that it was evaluated on"
        if _known(measured.get("false_alarms")) and _known(measured.get("misses")):
            alarms, misses = measured["false_alarms"], measured["misses"]
        elif _known(point.false_alarms) and _known(point.misses):
            alarms, misses = dict(point.false_alarms or {}), dict(point.misses or {})
            where = f"the {point.n_real + point.n_fake:,} pictures on which its thresholds were chosen"
        else:
            return None
        # Older records lack the other two; without an inconclusive zone they are the complements.
        return cls(
            false_alarms=alarms,
            misses=misses,
            caught=measured.get("caught") or _complement(misses),
            passed=measured.get("passed") or _complement(alarms),
            measured_on=where,
        )

    def right(self, verdict: str, prevalence: float) -> tuple[float, float, float]:
        """How often "fake" or "real" is right where a share `prevalence` is fake: value, low, high.

        The bounds combine the unfavourable ends of both rates' 95 % intervals, so they are wider than 95 %.
        """

        def share(end: str, other: str) -> float:
            if verdict == "fake":
                return ppv_npv(self.caught[end], self.false_alarms[other], prevalence)[0]
            # Seen from the other class: photographs that pass, against fakes that are missed.
            return ppv_npv(self.passed[end], self.misses[other], 1 - prevalence)[0]

        value, low, high = share("value", "value"), share("low", "high"), share("high", "low")
        return value, (0.0 if isnan(low) else low), (1.0 if isnan(high) else high)


def meaning(verdict: str | None, rates: Rates | None, prevalence: float) -> str:
    """What a verdict means where a share `prevalence` of the pictures are generated, in whole pictures of 1,000."""
    share = f"{100 * prevalence:g} in 100 pictures are generated"
    if verdict not in ("fake", "real"):
        return "No claim is made about this picture, so there is nothing to be right or wrong about."
    if rates is None:
        return "How often this model is right was not recorded with it, so nobody can say what its verdict is worth."
    called, of_fakes, of_reals = (
        ("looks generated", rates.caught, rates.false_alarms)
        if verdict == "fake"
        else ("looks like a photograph", rates.misses, rates.passed)
    )
    fakes = round(1000 * prevalence * of_fakes["value"])
    reals = round(1000 * (1 - prevalence) * of_reals["value"])
    value, low, high = rates.right(verdict, prevalence)
    if isnan(value):
        return f"Where {share}, this model never says “{called}”."
    kinds = ("generated", "photographs") if verdict == "fake" else ("photographs", "generated")
    counts = (fakes, reals) if verdict == "fake" else (reals, fakes)
    return (
        f"Where {share}, this model says “{called}” of {fakes + reals} in 1,000: {counts[0]} are {kinds[0]}, "
        f"{counts[1]} are {kinds[1]}. So it is right in {percent(value)} of cases ({percent(low)} to {percent(high)})."
    )


def measured(spec: DetectorSpec) -> str:
    """How sure the model is, and on what that was measured."""
    metrics = spec.metrics
    accuracy = metrics.get("accuracy", {})
    if not _known(accuracy):
        return "This model carries no evaluation: treat its verdicts as unproven."
    text = f"Right in {_with_interval(accuracy)} of {metrics['n']:,} labelled pictures at a threshold of one half."
    if _known(metrics.get("operating_point", {}).get("false_alarms")):
        text += f" Calls {_with_interval(metrics['operating_point']['false_alarms'])} of photographs generated."
    sources = [
        (row["accuracy"]["value"], name, row["accuracy"])
        for name, row in metrics.get("by_source", {}).items()
        if _known(row.get("accuracy"))
    ]
    if len(sources) > 1:
        _, name, rate = min(sources, key=lambda source: source[:2])
        text += f" Weakest source: {name}, {_with_interval(rate)}."
    return text + " On other cameras and generators it can be wrong most of the time."


def percent(share: float) -> str:
    """`7 %`, `0.4 %`, and never 0 or 100 where it is neither."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{100 * share:.1f} %" if 0.0005 <= share < 0.9995 else ("<0.1 %" if share < 0.5 else ">99.9 %")
    return f"{100 * share:.0f} %"


def _with_interval(rate: Mapping[str, Any]) -> str:
    return f"{percent(rate['value'])} ({percent(rate['low'])} to {percent(rate['high'])})"


def _known(rate: Mapping[str, Any] | None) -> bool:
    return rate is not None and rate.get("value") is not None


def _complement(rate: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": 1 - rate["value"], "low": 1 - rate["high"], "high": 1 - rate["low"]}
