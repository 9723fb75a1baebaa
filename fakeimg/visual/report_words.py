"""The verdict of a report: what the numbers amount to, in sentences, the most important first."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fakeimg.evaluation.breakdown import SUFFICIENT, describe
from fakeimg.evaluation.shortcuts import WORDS
from fakeimg.visual.page import number

if TYPE_CHECKING:
    import pandas as pd

    from fakeimg.evaluation.audit import Audit
    from fakeimg.evaluation.evaluate import Evaluation
    from fakeimg.evaluation.stress import StressResult
    from fakeimg.evaluation.transfer import LeaveOneSourceOut

_CHANCE = 0.5


@dataclass(frozen=True)
class Words:
    """A headline, whether it is good news, and the sentences that carry it."""

    headline: str
    mood: Literal["good", "bad", "open"]
    sentences: tuple[str, ...]


def words(
    evaluation: "Evaluation",
    audit: "Audit | None",
    stress: "StressResult | None",
    transfer: "LeaveOneSourceOut | None",
    breakdowns: "tuple[pd.DataFrame, ...]",
) -> Words:
    """What a person who reads one paragraph should know."""
    headline, mood = _headline(evaluation.metrics, audit, transfer)
    sentences = [
        _accuracy(evaluation.metrics),
        _operating_point(evaluation.metrics),
        _prevalence(evaluation.metrics),
        audit.sentence if audit else "",
        transfer.sentence if transfer else "",
        _worst_source(evaluation.metrics),
        f"Under damage: {stress.sentence}" if stress else "",
        *(line for table in breakdowns for line in describe(table).splitlines()),
    ]
    return Words(headline, mood, tuple(sentence[0].upper() + sentence[1:] for sentence in sentences if sentence))


def _headline(
    metrics: dict[str, Any], audit: "Audit | None", transfer: "LeaveOneSourceOut | None"
) -> tuple[str, Literal["good", "bad", "open"]]:
    accuracy, auc = metrics["accuracy"], metrics["auc"]
    score = f"{number(accuracy['value'])} of {metrics['n']:,} images judged right"
    if "refused" in auc:
        return f"{score}; with one class alone that says nothing of telling two apart.", "open"
    if auc["low"] <= _CHANCE:
        return f"{score}: on these images it cannot be told from guessing.", "bad"
    best = audit.strongest if audit is not None and audit.failed else None
    if best is not None and best["auc_high"] >= auc["low"]:
        return (
            f"{score}, but {WORDS[best['shortcut']]} alone does as well ({number(best['accuracy'])}): these numbers do "
            "not show that forgery is detected.",
            "bad",
        )
    if audit is not None and audit.failed:
        return (
            f"{score}; part of that may be shortcuts, which the audit found, so expect less on images from elsewhere.",
            "bad",
        )
    if transfer is not None and transfer.mean.high < accuracy["low"]:
        return f"{score}, but only {number(transfer.mean.value)} on sources that it never saw.", "open"
    if audit is None:
        return f"{score}; what a trivial shortcut would score is unknown, as the data was not audited.", "open"
    return f"{score}, and no shortcut in the data explains it.", "good"


def _accuracy(metrics: dict[str, Any]) -> str:
    accuracy, auc = metrics["accuracy"], metrics["auc"]
    told = f"Accuracy {_rate(accuracy)} at a probability of one half"
    if "refused" in auc:
        return f"{told}; {auc['refused']}."
    return f"{told}; AUC {number(auc['value'], False)} ({number(auc['low'], False)}–{number(auc['high'], False)})."


def _operating_point(metrics: dict[str, Any]) -> str:
    point = metrics.get("operating_point")
    if not point:
        return ""
    parts = []
    if point["false_alarms"]["value"] is not None:
        parts.append(f"{_rate(point['false_alarms'])} of photographs are called fake")
    if point["misses"]["value"] is not None:
        parts.append(f"{_rate(point['misses'])} of fakes are called real")
    return f"With the detector's own thresholds {', '.join(parts)}, and {_rate(point['inconclusive'])} get no verdict."


def _prevalence(metrics: dict[str, Any]) -> str:
    rarest = min(metrics["prevalence"], key=lambda row: row["prevalence"])
    if rarest["ppv"]["value"] is None:
        return ""
    return (
        f"Where {rarest['prevalence']:.0%} of images are fake, “fake” would be right {number(rarest['ppv']['value'])} "
        f"of the time ({number(rarest['ppv']['low'])}–{number(rarest['ppv']['high'])})."
    )


def _worst_source(metrics: dict[str, Any]) -> str:
    enough = {name: row for name, row in metrics.get("by_source", {}).items() if row["n"] >= SUFFICIENT}
    if len(enough) < 2:
        return ""
    name, row = min(enough.items(), key=lambda item: item[1]["accuracy"]["value"])
    return f"Its worst source is {name} ({row['label']}): {_rate(row['accuracy'])} right."


def _rate(rate: dict[str, Any]) -> str:
    return f"{number(rate['value'])} ({number(rate['low'])}–{number(rate['high'])})"
