import numpy as np
import pytest

from fakeimg.errors import DatasetError
from fakeimg.models.decision import calibrated
from fakeimg.scoring.calibration import (
    calibration_bins,
    calibration_metrics,
    calibration_noise,
    expected_calibration_error,
    fit_temperature,
    reliability,
)


def calibrated_images(n, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=n)
    return logits, rng.random(n) < calibrated(logits)


def test_bins_hold_equal_shares_and_equal_probabilities_share_a_bin():
    assert set(np.bincount(calibration_bins(np.linspace(0, 1, 150), bins=15))) == {10}
    assert len(np.unique(calibration_bins([0.5] * 90 + [0.9] * 10))) <= 2
    assert calibration_bins([0.3] * 20).max() == 0


def test_the_error_of_a_constant_score_is_its_distance_from_the_share_of_fakes():
    assert expected_calibration_error([0, 0, 0, 1], [0.75] * 4) == pytest.approx(0.5)


def test_a_calibrated_model_stays_below_the_noise_and_an_overconfident_one_does_not():
    below = 0
    for seed in range(40):
        logits, labels = calibrated_images(400, seed)
        probability = calibrated(logits)
        below += expected_calibration_error(labels, probability) <= calibration_noise(probability, simulations=200)
    assert below >= 33  # the .5 % quantile of Binomial(40, .95)
    logits, labels = calibrated_images(400)
    sharp = calibrated(3 * logits)
    assert expected_calibration_error(labels, sharp) > 2 * calibration_noise(sharp)


def test_fewer_images_are_noisier():
    probability = calibrated(np.random.default_rng(0).normal(size=2000))
    assert calibration_noise(probability[:100]) > 2 * calibration_noise(probability)


def test_temperature_scaling_finds_the_factor_the_logits_were_multiplied_by():
    logits, labels = calibrated_images(20_000)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.05)
    pairs = np.stack([np.zeros_like(logits), 3 * logits], axis=1)
    assert fit_temperature(pairs, labels) == pytest.approx(fit_temperature(3 * logits, labels), rel=1e-4)


def test_temperature_of_three_classes():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(20_000, 3))
    odds = np.exp(logits)
    labels = (rng.random((20_000, 1)) > np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)).sum(axis=1)
    assert fit_temperature(2 * logits, labels) == pytest.approx(2, rel=0.05)


def test_perfectly_separated_images_do_not_ask_for_certainty():
    logits = np.repeat([-4.0, 4.0], 50)
    probability = calibrated(4.0, fit_temperature(logits, np.repeat([0, 1], 50)))
    assert probability == pytest.approx(51 / 52, abs=1e-3)


def test_a_temperature_needs_two_classes():
    with pytest.raises(DatasetError, match="two classes or more, got 1"):
        fit_temperature([1.0, 2.0], [1, 1])


def test_reliability_bins_add_up_to_all_images():
    logits, labels = calibrated_images(500)
    bins = reliability(labels, calibrated(logits))
    assert sum(point["observed"]["n"] for point in bins) == 500
    assert [point["predicted"] for point in bins] == sorted(point["predicted"] for point in bins)
    covered = [point["observed"]["low"] <= point["predicted"] <= point["observed"]["high"] for point in bins]
    assert sum(covered) >= len(bins) - 3


def test_metrics_agree_with_the_functions_they_summarise():
    logits, labels = calibrated_images(300)
    probability = calibrated(logits)
    metrics = calibration_metrics(labels, probability, np.arange(300))
    assert metrics["ece"]["value"] == pytest.approx(expected_calibration_error(labels, probability))
    assert metrics["brier"]["value"] == pytest.approx(np.mean((labels - probability) ** 2))
    assert metrics["brier"]["low"] < metrics["brier"]["value"] < metrics["brier"]["high"]
