import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from fakeimg.errors import DatasetError
from fakeimg.scoring.intervals import (
    Interval,
    auc_bounds,
    auc_interval,
    bootstrap,
    bootstrap_counts,
    f1_interval,
    group_codes,
    mcnemar,
    mean_of_rates,
    newcombe,
    newcombe_paired,
    wilson,
)

counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_is_statsmodels_and_scipys_and_has_width(count):
    k, n = count
    interval = wilson(k, n)
    assert (interval.low, interval.high) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)
    exact = binomtest(k, n).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high


@pytest.mark.parametrize(("n", "upper"), [(100, 0.037), (300, 0.013), (1000, 0.0038)])
def test_no_false_alarm_still_allows_some(n, upper):
    assert wilson(0, n).low == 0
    assert wilson(0, n).high == pytest.approx(upper, abs=5e-4)


def test_nothing_measured_is_anything_between_0_and_1_and_null_in_json():
    assert wilson(0, 0).to_json() == {"value": None, "low": 0.0, "high": 1.0, "n": 0}


@settings(max_examples=50)
@given(counts, counts)
def test_newcombe_is_statsmodels(first, second):
    interval = newcombe(*first, *second)
    expected = confint_proportions_2indep(*first, *second, method="newcomb")
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-9)
    swapped = newcombe(*second, *first)
    assert (swapped.low, swapped.high) == pytest.approx((-interval.high, -interval.low))


def test_newcombe_paired_gives_the_published_example():
    # Newcombe 1998, Table II, (e, f, g, h) = (36, 12, 2, 0), method 10.
    interval = newcombe_paired(36, 12, 2, 0)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.20, 0.0569, 0.3404), abs=5e-5)


@pytest.mark.parametrize("cells", [(50, 0, 0, 50), (100, 0, 0, 0), (0, 0, 0, 100)])
def test_two_models_that_always_agree_may_still_differ(cells):
    interval = newcombe_paired(*cells)
    assert interval.low < interval.value == 0 < interval.high


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_statsmodels(b, c):
    expected = min(1.0, statsmodels_mcnemar([[10, b], [c, 10]], exact=True).pvalue) if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected)


def test_mcnemar_calls_53_against_17_a_difference_and_7_against_3_noise():
    assert mcnemar(53, 17) < 1e-4
    assert mcnemar(7, 3) == pytest.approx(0.34375)


def test_f1_is_scikit_learns_and_covers_the_truth_95_times_in_100():
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.4
    called = truth ^ (rng.random(300) < 0.2)
    tp, fp, fn = (truth & called).sum(), (~truth & called).sum(), (truth & ~called).sum()
    assert f1_interval(tp, fp, fn).value == pytest.approx(f1_score(truth, called))
    # cells TP .32, FP .12, FN .08, TN .48: F1 is .64 / .84
    draws = rng.multinomial(200, [0.32, 0.12, 0.08, 0.48], size=2000)
    inside = [f1_interval(*row[:3]).low <= 0.64 / 0.84 <= f1_interval(*row[:3]).high for row in draws]
    assert 0.935 <= np.mean(inside) <= 0.97


def test_mean_of_one_rate_is_that_rate_and_of_two_is_narrower():
    rate = wilson(80, 100)
    assert mean_of_rates([rate]).low == pytest.approx(rate.low)
    mean = mean_of_rates([rate, rate])
    assert mean.value == rate.value
    assert mean.high - mean.low == pytest.approx((rate.high - rate.low) / np.sqrt(2))


def scores(n, shift, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.5
    return labels, rng.normal(size=n) + shift * labels


def test_auc_is_scikit_learns_with_ties():
    labels, score = scores(400, 1.0)
    rounded = np.round(score)
    interval = auc_interval(labels, rounded)
    assert interval.value == pytest.approx(roc_auc_score(labels, rounded))
    assert interval.low < interval.value < interval.high


def test_a_perfect_auc_is_not_certain_and_less_so_with_fewer_images():
    few, many = (auc_interval(np.arange(n) >= n // 2, np.arange(n)) for n in (20, 2000))
    assert few.value == few.high == many.value == many.high == 1
    assert few.low < 0.9 < many.low < 1
    # One misplaced image must not make the interval narrower than a perfect score's.
    almost = np.arange(20.0)
    almost[9], almost[10] = 10, 9
    assert auc_interval(np.arange(20) >= 10, almost).low < few.low


def test_auc_bounds_solve_newcombes_equation():
    value, m, n = 0.8, 40, 60
    weight = (m + n) / 2 - 1
    for bound in auc_bounds(value, m, n):
        spread = 1 + weight * ((1 - bound) / (2 - bound) + bound / (1 + bound))
        variance = bound * (1 - bound) * spread / (m * n)
        assert abs(bound - value) / np.sqrt(variance) == pytest.approx(1.959964, abs=1e-5)


def test_auc_intervals_cover_the_truth():
    # Scores one standard deviation apart: AUC = Φ(1 / √2).
    truth = 0.7602499389065233
    intervals = [auc_interval(*scores(120, 1.0, seed), seed=seed, resamples=300) for seed in range(200)]
    covered = sum(i.low <= truth <= i.high for i in intervals)
    assert covered >= 183  # the 1 % quantile of Binomial(200, .95) is 182


def test_copies_of_an_image_add_no_certainty_when_they_share_a_group():
    labels, score = scores(100, 1.0)
    alone = auc_interval(labels, score)
    copied = np.repeat(labels, 5), np.repeat(score, 5)
    together = auc_interval(*copied, groups=np.repeat(np.arange(100), 5))
    apart = auc_interval(*copied)
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert apart.high - apart.low < 0.6 * (together.high - together.low)


def test_an_auc_of_one_class_is_refused():
    with pytest.raises(DatasetError, match="needs both classes, got 3 positive of 3"):
        auc_interval([1, 1, 1], [0.1, 0.2, 0.3])


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    labels, score = scores(50, 1.0)
    first, again, other = (bootstrap(np.mean, [score > 0], seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert auc_interval(labels, score, seed=1) == auc_interval(labels, score, seed=1)
    assert (first.low, first.high) != (other.low, other.high) or first.value == other.value


def test_bootstrap_agrees_with_wilson_and_widens_with_groups():
    right = np.arange(400) % 5 > 0
    single = bootstrap(np.mean, [right], seed=0)
    exact = wilson(320, 400)
    assert (single.low, single.high) == pytest.approx((exact.low, exact.high), abs=0.01)
    clustered = bootstrap(np.mean, [np.repeat(right[:100], 4)], groups=np.repeat(np.arange(100), 4))
    assert clustered.high - clustered.low == pytest.approx(2 * (single.high - single.low), rel=0.15)


@pytest.mark.parametrize("groups", [None, list("aabbccddeeff")])
def test_a_bootstrap_that_never_moves_is_not_certain(groups):
    interval = bootstrap(np.mean, [np.ones(12)], groups=groups)
    assert interval.value == interval.high == 1
    assert interval.low < 0.8


def test_missing_groups_stand_alone():
    codes = group_codes(np.array(["a", None, "a", "", float("nan"), "b"], object), 6)
    assert codes[0] == codes[2]
    assert len(set(codes)) == 5
    with pytest.raises(DatasetError, match="got 2 groups for 3 images"):
        group_codes(["a", "b"], 3)


def test_bootstrap_counts_draw_as_many_groups_as_there_are_and_keep_them_whole():
    codes = np.array([0, 0, 1, 2, 2, 2])
    drawn = np.concatenate(list(bootstrap_counts(codes, seed=0, resamples=500)))
    assert (drawn[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(6), abs=0.15)


def test_an_interval_reads_as_a_sentence_part():
    assert str(Interval(0.5, 0.25, 0.75, 1234)) == "0.500 [0.250, 0.750], n = 1,234"
