"""The numbers of `metrics.json`: every rate with its interval, or the reason it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.errors import DatasetError
from fakeimg.models.decision import OperatingPoint, verdict
from fakeimg.scoring.calibration import calibration_metrics
from fakeimg.scoring.intervals import (
    RESAMPLES,
    Interval,
    Z,
    auc_bounds,
    bootstrap_bounds,
    class_counts,
    f1_interval,
    group_codes,
    mean_of_rates,
    wilson,
)
from fakeimg.scoring.ranking import Ranking

FALSE_POSITIVE_RATES = (0.01, 0.05)
PREVALENCES = (0.5, 0.1, 0.01)
_ONE_CLASS = {"refused": "needs images of two classes or more"}
_CLIP = 1e-7  # a probability of 0 for what turns out true would cost an infinite loss


@dataclass(frozen=True)
class Curve:
    """A curve's points: `x` and `y` of shape (m,), and the threshold at or above which an image counts as fake."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    threshold: NDArray[np.float64]


def evaluate_scores(
    labels: ArrayLike,
    probability: ArrayLike,
    *,
    class_names: Sequence[str] = ("real", "fake"),
    threshold: float = 0.5,
    point: OperatingPoint | None = None,
    groups: ArrayLike | None = None,
    sources: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """What the scores of `n` labelled images say, ready for JSON.

    `accuracy`, `balanced_accuracy`, `per_class` and `confusion` are about all classes; everything else is about "fake",
    which with three classes or more is anything but the first. A number is {"value", "low", "high", "n"}, or
    {"refused": why}.

    Args:
        labels: (n,) class indices.
        probability: (n,) of fake, or (n, k), one a class.
        class_names: k names, the negative class first.
        threshold: the probability from which two-class images count as fake in accuracy, precision, recall and F1; with
            more classes the most probable one counts.
        point: the detector's operating point; adds what its verdicts are worth.
        groups: (n,) images of one group are drawn together in every bootstrap.
        sources: (n,) where each image comes from; adds `by_source`.
    Raises:
        DatasetError: no images, shapes that do not fit, or probabilities outside [0, 1].
    """
    truth, scores, fake_score = _checked(labels, probability, class_names)
    decided = (fake_score >= threshold).astype(np.int64) if len(class_names) == 2 else scores.argmax(axis=1)
    fake, called = truth > 0, decided > 0
    per_class = _per_class(truth, decided, class_names)
    recalls = [wilson(int(((truth == c) & (decided == c)).sum()), int((truth == c).sum())) for c in np.unique(truth)]
    caught, missed, alarms = int((fake & called).sum()), int((fake & ~called).sum()), int((~fake & called).sum())
    codes = group_codes(groups, truth.size)
    ranking = _ranking(truth, scores, codes, seed, resamples)
    metrics: dict[str, Any] = {
        "n": truth.size,
        "class_names": list(class_names),
        "threshold": threshold if len(class_names) == 2 else None,
        "accuracy": wilson(int((truth == decided).sum()), truth.size).to_json(),
        "balanced_accuracy": mean_of_rates(recalls).to_json() if len(recalls) > 1 else _ONE_CLASS,
        "auc": ranking["auc"],
        "average_precision": ranking["average_precision"],
        "precision": wilson(caught, caught + alarms).to_json(),
        "recall": wilson(caught, caught + missed).to_json(),
        "f1": f1_interval(caught, alarms, missed).to_json(),
        "tpr_at_fpr": ranking["tpr_at_fpr"],
        "per_class": per_class,
        "confusion": {"labels": list(class_names), "matrix": _confusion(truth, decided, len(class_names)).tolist()},
        "calibration": calibration_metrics(fake, fake_score, codes, seed, resamples)
        | {"log_loss": float(image_loss(truth, scores).mean()), "temperature": point.temperature if point else 1.0},
        "prevalence": _prevalence(wilson(caught, caught + missed), wilson(alarms, int((~fake).sum()))),
    }
    if "auc_one_vs_rest" in ranking:
        by_index = ranking["auc_one_vs_rest"]
        metrics["auc_one_vs_rest"] = {
            "macro": by_index.pop("macro"),
            **{class_names[int(c)]: auc for c, auc in by_index.items()},
        }
    if point is not None:
        metrics["operating_point"] = _verdict_metrics(fake, fake_score, point)
    if sources is not None:
        metrics["by_source"] = _by_source(truth, decided, fake_score, np.asarray(sources, object), class_names)
    return metrics


def image_loss(labels: ArrayLike, probability: ArrayLike) -> NDArray[np.float64]:
    """Log loss of each image, (n,), in nats; probabilities are clipped at 1e-7, so the worst is 16.1.

    Args:
        labels: (n,) class indices.
        probability: (n,) of class 1, or (n, k).
    """
    truth, scores = np.asarray(labels, np.int64), np.asarray(probability, np.float64)
    of_truth = np.where(truth > 0, scores, 1 - scores) if scores.ndim == 1 else scores[np.arange(truth.size), truth]
    loss: NDArray[np.float64] = -np.log(np.clip(of_truth, _CLIP, 1.0))
    return loss


def roc_curve(labels: ArrayLike, probability: ArrayLike) -> Curve:
    """False positive rate against true positive rate; needs both classes."""
    from sklearn.metrics import roc_curve as curve

    x, y, threshold = curve(np.asarray(labels) > 0, probability, drop_intermediate=True)
    return Curve(x, y, threshold)


def precision_recall_curve(labels: ArrayLike, probability: ArrayLike) -> Curve:
    """Recall against precision, without scikit-learn's added end point, which belongs to no threshold."""
    from sklearn.metrics import precision_recall_curve as curve

    precision, recall, threshold = curve(np.asarray(labels) > 0, probability)
    return Curve(recall[:-1], precision[:-1], threshold)


def ppv_npv(tpr: float, fpr: float, prevalence: float) -> tuple[float, float]:
    """How often "fake" is right, and how often "real" is, where a share `prevalence` of all images is fake.

    NaN where that verdict is never given. Source: Bayes' rule; Altman and Bland 1994, BMJ 309:102.
    """
    alarms = tpr * prevalence + fpr * (1 - prevalence)
    passes = (1 - tpr) * prevalence + (1 - fpr) * (1 - prevalence)
    return (
        tpr * prevalence / alarms if alarms > 0 else float("nan"),
        (1 - fpr) * (1 - prevalence) / passes if passes > 0 else float("nan"),
    )


def reals_needed(false_positive_rate: float) -> int:
    """How many reals a claim about this rate takes: 381 for 1 %, 73 for 5 %.

    With fewer, the upper Wilson bound lies above the rate even when there is no false alarm at all.
    """
    return ceil(Z**2 * (1 - false_positive_rate) / false_positive_rate)


def _checked(
    labels: ArrayLike, probability: ArrayLike, class_names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Labels (n,), probabilities as given, probability of fake (n,)."""
    truth, scores = np.asarray(labels).astype(np.int64), np.asarray(probability, np.float64)
    classes = len(class_names)
    if truth.size == 0:
        raise DatasetError("there are no images to evaluate; every one may have been unreadable, or the split is empty")
    if scores.ndim == 2 and classes == 2 and scores.shape[1] == 2:
        scores = scores[:, 1]
    expected = (truth.size,) if classes == 2 else (truth.size, classes)
    if truth.ndim != 1 or scores.shape != expected:
        raise DatasetError(
            f"{truth.size} labels of {classes} classes go with probabilities of shape {expected}, got {scores.shape}"
        )
    if truth.min() < 0 or truth.max() >= classes:
        raise DatasetError(f"labels are class indices from 0 to {classes - 1}, got {truth.min()} to {truth.max()}")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DatasetError(f"probabilities lie in [0, 1], got {np.nanmin(scores):g} to {np.nanmax(scores):g} or NaN")
    return truth, scores, scores if scores.ndim == 1 else 1 - scores[:, 0]


def _confusion(truth: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(classes, classes): row the true class, column the one decided."""
    counts = np.bincount(truth * classes + decided, minlength=classes**2).astype(np.int64)
    return counts.reshape(classes, classes)


def _per_class(truth: NDArray[np.int64], decided: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    matrix = _confusion(truth, decided, len(names))
    table = {}
    for index, name in enumerate(names):
        hits, support, given = int(matrix[index, index]), int(matrix[index].sum()), int(matrix[:, index].sum())
        table[name] = {
            "precision": wilson(hits, given).to_json(),
            "recall": wilson(hits, support).to_json(),
            "f1": f1_interval(hits, given - hits, support - hits).to_json(),
            "support": support,
        }
    return table


def _ranking(
    truth: NDArray[np.int64], scores: NDArray[np.float64], codes: NDArray[np.int64], seed: int, resamples: int
) -> dict[str, Any]:
    """AUC, average precision and TPR at an FPR, of fake against real; with more classes also each against the rest."""
    fake = truth > 0
    reals, fakes = int((~fake).sum()), int(fake.sum())
    if reals == 0 or fakes == 0:
        refusal = {"refused": f"needs images of two classes, got {reals} real and {fakes} fake"}
        curve_points: dict[str, Any] = {f"{rate:g}": refusal for rate in FALSE_POSITIVE_RATES}
        return {"auc": refusal, "average_precision": refusal, "tpr_at_fpr": curve_points}
    ranking = Ranking(fake, scores if scores.ndim == 1 else 1 - scores[:, 0])
    values = ranking.statistics(np.ones((1, truth.size)), FALSE_POSITIVE_RATES)[0]
    bounds = bootstrap_bounds(lambda counts: ranking.statistics(counts, FALSE_POSITIVE_RATES), codes, seed, resamples)

    def widened(column: int, low: float, high: float, n: int) -> dict[str, Any]:
        # A bootstrap of a perfect score never leaves it, so it is widened to the bounds of a score interval.
        return Interval(values[column], min(low, bounds[0, column]), max(high, bounds[1, column]), n).to_json()

    def rate(column: int, n: int) -> dict[str, Any]:
        score = wilson(values[column] * fakes, fakes)
        return widened(column, score.low, score.high, n)

    result = {
        "auc": widened(0, *auc_bounds(values[0], *class_counts(fake, codes)), truth.size),
        "average_precision": rate(1, truth.size),
        "tpr_at_fpr": {
            f"{target:g}": rate(column, fakes) if reals >= reals_needed(target) else _too_few_reals(reals, target)
            for column, target in enumerate(FALSE_POSITIVE_RATES, start=2)
        },
    }
    if scores.ndim == 2:
        result["auc_one_vs_rest"] = _one_vs_rest(truth, scores, codes, seed, resamples)
    return result


def _one_vs_rest(
    truth: NDArray[np.int64], scores: NDArray[np.float64], codes: NDArray[np.int64], seed: int, resamples: int
) -> dict[str, Any]:
    """By class index (of those that occur), and "macro", their plain mean over the same resamples."""
    classes = np.unique(truth)
    rankings = [Ranking(truth == c, scores[:, c]) for c in classes]

    def aucs(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        each = np.column_stack([ranking.auc(counts) for ranking in rankings])
        return np.column_stack([each, each.mean(axis=1)])

    values = aucs(np.ones((1, truth.size)))[0]
    low, high = bootstrap_bounds(aucs, codes, seed, resamples)
    outer = np.array([auc_bounds(values[i], *class_counts(truth == c, codes)) for i, c in enumerate(classes)])
    outer = np.vstack([outer, outer.mean(axis=0)])
    return {
        name: Interval(values[i], min(low[i], outer[i, 0]), max(high[i], outer[i, 1]), truth.size).to_json()
        for i, name in enumerate([*map(str, classes), "macro"])
    }


def _too_few_reals(reals: int, rate: float) -> dict[str, str]:
    bound = wilson(0, reals).high
    return {
        "refused": f"{reals} reals are too few: even without one false alarm the true rate could be {bound:.1%}; "
        f"a claim about {rate:.0%} takes {reals_needed(rate)}"
    }


def _prevalence(tpr: Interval, fpr: Interval) -> list[dict[str, Any]]:
    """PPV and NPV at each of `PREVALENCES`; cautious bounds, from both rates at their worst and at their best."""
    rows = []
    for prevalence in PREVALENCES:
        worst, best = ppv_npv(tpr.low, fpr.high, prevalence), ppv_npv(tpr.high, fpr.low, prevalence)
        value = ppv_npv(tpr.value, fpr.value, prevalence)
        ppv, npv = (
            Interval(value[i], 0.0 if isnan(worst[i]) else worst[i], 1.0 if isnan(best[i]) else best[i], tpr.n + fpr.n)
            for i in (0, 1)
        )
        rows.append({"prevalence": prevalence, "ppv": ppv.to_json(), "npv": npv.to_json()})
    return rows


def _verdict_metrics(fake: NDArray[np.bool_], fake_score: NDArray[np.float64], point: OperatingPoint) -> dict[str, Any]:
    """What the verdicts at the detector's own thresholds are worth on these images."""
    calls = verdict(fake_score, point)
    decided = calls != "inconclusive"
    right = (calls == "fake") == fake
    return {
        "threshold_fake": point.threshold_fake,
        "threshold_real": point.threshold_real,
        "false_alarms": wilson(int((calls[~fake] == "fake").sum()), int((~fake).sum())).to_json(),
        "misses": wilson(int((calls[fake] == "real").sum()), int(fake.sum())).to_json(),
        "caught": wilson(int((calls[fake] == "fake").sum()), int(fake.sum())).to_json(),
        "passed": wilson(int((calls[~fake] == "real").sum()), int((~fake).sum())).to_json(),
        "inconclusive": wilson(int((~decided).sum()), fake.size).to_json(),
        "accuracy_of_decided": wilson(int(right[decided].sum()), int(decided.sum())).to_json(),
    }


def _by_source(
    truth: NDArray[np.int64],
    decided: NDArray[np.int64],
    fake_score: NDArray[np.float64],
    sources: NDArray[np.object_],
    class_names: Sequence[str],
) -> dict[str, Any]:
    """By source, "(missing)" where there is none: n, class or "mixed", accuracy, mean probability of fake."""
    names = np.array([name if isinstance(name, str) and name else "(missing)" for name in sources], object)
    table = {}
    for name in sorted(set(names)):
        here = names == name
        classes = np.unique(truth[here])
        table[name] = {
            "n": int(here.sum()),
            "label": class_names[classes[0]] if classes.size == 1 else "mixed",
            "accuracy": wilson(int((truth == decided)[here].sum()), int(here.sum())).to_json(),
            "mean_probability_fake": float(fake_score[here].mean()),
        }
    return table
