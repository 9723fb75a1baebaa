"""Is a probability of .8 right 8 times in 10: calibration error, reliability bins, temperature scaling."""

from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.errors import DatasetError
from fakeimg.scoring.intervals import RESAMPLES, Interval, bootstrap_bounds, wilson

BINS = 15


def calibration_bins(probability: ArrayLike, bins: int = BINS) -> NDArray[np.int64]:
    """Bin numbers (n,) that hold about equally many images each; equal probabilities share a bin.

    Equal-width bins would leave most of a confident detector's bins nearly empty.
    Source: Roelofs et al. 2022, "Mitigating bias in calibration error estimation".
    """
    scores = np.asarray(probability, np.float64)
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    codes = np.searchsorted(edges, scores, side="right")
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def expected_calibration_error(labels: ArrayLike, probability: ArrayLike, bins: int = BINS) -> float:
    """Mean distance between predicted and observed share of fakes over `calibration_bins`, in [0, 1].

    Even a perfectly calibrated model is above 0, the more so with few images: compare with `calibration_noise`.

    Args:
        labels: (n,), true or 1 for fake.
        probability: (n,) of fake.
    Source: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    scores = np.asarray(probability, np.float64)
    surplus = np.asarray(labels).astype(bool) - scores
    return float(np.abs(np.bincount(calibration_bins(scores, bins), surplus)).sum() / scores.size)


def calibration_noise(probability: ArrayLike, bins: int = BINS, seed: int = 0, simulations: int = 500) -> float:
    """The calibration error that 95 % of perfectly calibrated models with these probabilities stay below.

    Source: Bröcker and Smith 2007, Weather and Forecasting 22:651-661 (consistency resampling).
    """
    scores = np.asarray(probability, np.float64)
    rng = np.random.default_rng(seed)
    codes = calibration_bins(scores, bins)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    ranked = scores[order]
    errors = [
        np.abs(np.add.reduceat((rng.random(ranked.size) < ranked) - ranked, starts)).sum() / ranked.size
        for _ in range(simulations)
    ]
    return float(np.quantile(errors, 0.95))


def reliability(labels: ArrayLike, probability: ArrayLike, bins: int = BINS) -> list[dict[str, Any]]:
    """The points of a reliability diagram: mean `predicted` probability and `observed` share of fakes."""
    fake, scores = np.asarray(labels).astype(bool), np.asarray(probability, np.float64)
    codes = calibration_bins(scores, bins)
    return [
        {
            "predicted": float(scores[codes == code].mean()),
            "observed": wilson(int(fake[codes == code].sum()), int((codes == code).sum())).to_json(),
        }
        for code in range(codes.max() + 1)
    ]


def calibration_metrics(
    fake: NDArray[np.bool_],
    probability: NDArray[np.float64],
    codes: NDArray[np.int64],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """`ece` (beside what a perfectly calibrated model would show), `brier`, and the points of the reliability diagram.

    Args:
        codes: (n,) group numbers, drawn together in the bootstrap.
    """
    surplus = fake - probability
    in_bin = np.eye(calibration_bins(probability).max() + 1)[calibration_bins(probability)]

    def errors(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        total = counts.sum(axis=1)
        ece = np.abs(counts @ (in_bin * surplus[:, None])).sum(axis=1) / total
        return np.column_stack([ece, counts @ surplus**2 / total])

    ece, brier = errors(np.ones((1, fake.size)))[0]
    low, high = bootstrap_bounds(errors, codes, seed, resamples)
    return {
        "ece": Interval(ece, min(low[0], ece), max(high[0], ece), fake.size).to_json(),
        "ece_if_calibrated": calibration_noise(probability, seed=seed),
        "brier": Interval(brier, min(low[1], brier), max(high[1], brier), fake.size).to_json(),
        "bins": reliability(fake, probability),
    }


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature in [.05, 20] that the logits of a validation set should be divided by.

    The targets are Platt's, (N + 1) / (N + 2) instead of 1, so that a validation set which the model separates
    perfectly does not ask for certainty.

    Args:
        logits: (n,) of fake against real, or (n, k), one a class.
        labels: (n,) class indices.
    Raises:
        DatasetError: fewer than two classes occur.
    Source: Guo et al. 2017, section 4.2; Platt 1999, section 2.2, for the targets.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    truth, scores = np.asarray(labels, np.int64), np.asarray(logits, np.float64)
    if np.unique(truth).size < 2:
        raise DatasetError(f"a temperature is fitted to images of two classes or more, got {np.unique(truth).size}")
    if scores.ndim == 1:
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
        truth = (truth > 0).astype(np.int64)
    classes = scores.shape[1]
    present = np.bincount(truth, minlength=classes)
    certain = (present[truth] + 1) / (present[truth] + 2)
    targets = np.repeat(((1 - certain) / (classes - 1))[:, None], classes, axis=1)
    targets[np.arange(truth.size), truth] = certain

    def loss(log_temperature: float) -> float:
        return -float(np.sum(targets * log_softmax(scores / exp(log_temperature), axis=1)))

    return exp(float(minimize_scalar(loss, bounds=(log(0.05), log(20.0)), method="bounded").x))
