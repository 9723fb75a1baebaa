import numpy as np
import pytest

from fakeimg.errors import ConfigError, DatasetError
from fakeimg.models.decision import calibrated, verdict
from fakeimg.scoring.operating_point import choose_operating_point


def images(n, shift, seed=0, fakes=0.5):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < fakes).astype(int)
    return labels, calibrated(rng.normal(size=n) * 1.5 + shift * (2 * labels - 1))


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_no_more_reals_are_called_fake_than_allowed(rate):
    labels, probability = images(3000, 0.5)
    point = choose_operating_point(labels, probability, max_false_alarms=rate, max_misses=0.1)
    calls = verdict(probability, point)
    false_alarms = (calls[labels == 0] == "fake").mean()
    assert rate - 0.01 < false_alarms <= rate
    assert (calls[labels == 1] == "real").mean() <= 0.1
    assert point.false_alarms["value"] == pytest.approx(false_alarms)
    assert point.threshold_real < point.threshold_fake
    assert (calls == "inconclusive").sum() == (
        (probability >= point.threshold_real) & (probability < point.threshold_fake)
    ).sum()


def test_the_promise_holds_on_average_for_new_images():
    # Chosen on 100 reals, a threshold that lets through 5 of them would let through 5.9 % of new ones.
    rng = np.random.default_rng(0)
    new = rng.random(20_000)
    rates = []
    for _ in range(300):
        probability = np.concatenate([rng.random(100), 0.5 + rng.random(100) / 2])
        point = choose_operating_point(np.repeat([0, 1], 100), probability, max_false_alarms=0.05, max_misses=0.05)
        rates.append((new >= point.threshold_fake).mean())
    assert np.mean(rates) <= 0.05


def test_a_separable_validation_set_gets_one_threshold_in_the_middle_and_nothing_is_inconclusive():
    labels = np.repeat([0, 1], 50)
    probability = np.where(labels, 0.9, 0.1)
    point = choose_operating_point(labels, probability)
    assert point.threshold_fake == point.threshold_real == pytest.approx(0.5)
    assert set(verdict([0.2, 0.8], point)) == {"real", "fake"}
    assert point.false_alarms["high"] > 0.05  # 0 of 50 does not show a rate below 5 %


def test_crossing_thresholds_keep_both_promises():
    labels, probability = images(2000, 3.0)
    point = choose_operating_point(labels, probability)
    assert point.threshold_fake == point.threshold_real
    assert (probability[labels == 0] >= point.threshold_fake).mean() <= 0.05
    assert (probability[labels == 1] < point.threshold_real).mean() <= 0.05


def test_equal_scores_are_not_split():
    labels = np.repeat([0, 1], 100)
    probability = np.concatenate([np.repeat([0.2, 0.8], 50), np.full(100, 0.8)])
    point = choose_operating_point(labels, probability)
    assert point.threshold_fake > 0.8
    assert "fake" not in verdict(probability, point)


def test_a_verdict_that_cannot_be_given_within_the_rate_is_never_given():
    labels = np.repeat([0, 1], 100)
    point = choose_operating_point(labels, np.repeat([0.0, 1.0, 0.0, 1.0], 50))
    assert set(verdict([0.0, 0.5, 1.0], point)) == {"inconclusive"}


def test_more_classes_are_fakes_too():
    labels, probability = images(500, 0.5)
    three = labels * (1 + np.arange(500) % 2)
    assert choose_operating_point(three, probability) == choose_operating_point(labels, probability)


def test_what_it_was_chosen_on_is_recorded():
    labels, probability = images(200, 0.5)
    point = choose_operating_point(labels, probability, chosen_on="validation split", temperature=1.7)
    assert (point.n_real, point.n_fake) == ((labels == 0).sum(), (labels == 1).sum())
    assert (point.chosen_on, point.temperature) == ("validation split", 1.7)
    assert point.misses["n"] == point.n_fake


def test_wrong_input_is_refused():
    with pytest.raises(ConfigError, match="max_false_alarms is a rate between 0 and 1, got 5"):
        choose_operating_point([0, 1], [0.1, 0.9], max_false_alarms=5)
    with pytest.raises(DatasetError, match=r"real and fake images, got 2 and 0 \(validation\)"):
        choose_operating_point([0, 0], [0.1, 0.9])
    with pytest.raises(DatasetError, match="one probability a label"):
        choose_operating_point([0, 1], [0.1, np.nan])
