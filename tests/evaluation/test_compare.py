import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from fakeimg.errors import DatasetError
from fakeimg.evaluation.compare import compare


def evaluation(n=600, seed=0, noise=1.0):
    truth = np.random.default_rng(7).random(n) < 0.5
    logit = 2 * truth - 1 + noise * np.random.default_rng(seed).normal(size=n)
    return pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "label": np.where(truth, "fake", "real"),
            "probability_fake": 1 / (1 + np.exp(-logit)),
        }
    )


def with_errors(n, wrong):
    """`n` fakes, of which those numbered in `wrong` are missed."""
    missed = np.isin(np.arange(n), wrong)
    return pd.DataFrame(
        {"path": [f"{i}.jpg" for i in range(n)], "label": "fake", "probability_fake": np.where(missed, 0.1, 0.9)}
    )


def test_53_against_17_of_30000_is_more_than_noise_and_7_against_3_is_not():
    result = compare(with_errors(30_000, range(53)), with_errors(30_000, range(40, 57)), names=("without", "with"))
    assert (result.only_a_wrong, result.only_b_wrong, result.both_wrong) == (40, 4, 13)
    assert result.sentence.startswith(
        "without is wrong on 53 and with on 17 of 30,000 images: with is better by 0.12 points ("
    )
    assert result.difference.low > 0
    noise = compare(with_errors(30_000, range(7)), with_errors(30_000, range(7, 10)))
    assert "may well be noise" in noise.sentence
    assert noise.p_value == pytest.approx(0.34375)


def test_the_order_of_rows_does_not_matter():
    a, b = evaluation(seed=1), evaluation(seed=2)
    straight, shuffled = compare(a, b), compare(a, b.sample(frac=1, random_state=0))
    assert straight.to_json() == shuffled.to_json()
    pd.testing.assert_frame_equal(straight.frame, shuffled.frame)


def test_swapping_the_evaluations_turns_the_differences_round():
    a, b = evaluation(seed=1), evaluation(seed=2, noise=3)
    there, back = compare(a, b), compare(b, a)
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert (there.difference.low, there.difference.high) == pytest.approx((-back.difference.high, -back.difference.low))
    assert there.auc_difference.value == pytest.approx(-back.auc_difference.value)
    assert there.p_value == back.p_value
    assert "a is better by" in there.sentence
    assert "b is better by" in back.sentence


def test_the_values_are_those_of_each_evaluation():
    a, b = evaluation(seed=1), evaluation(seed=2, noise=2)
    result = compare(a, b)
    fake = a["label"] == "fake"
    aucs = [roc_auc_score(fake, table["probability_fake"]) for table in (a, b)]
    assert (result.auc_a.value, result.auc_b.value) == pytest.approx(tuple(aucs))
    assert result.auc_difference.value == pytest.approx(aucs[1] - aucs[0])
    accuracy = [((table["probability_fake"] >= 0.5) == fake).mean() for table in (a, b)]
    assert result.difference.value == pytest.approx(accuracy[1] - accuracy[0])


def test_pairing_makes_the_difference_of_like_models_sharper():
    a = evaluation(seed=1)
    b = a.assign(probability_fake=a["probability_fake"] + np.random.default_rng(0).normal(scale=0.01, size=len(a)))
    result = compare(a, b)
    apart = np.hypot(result.auc_a.high - result.auc_a.low, result.auc_b.high - result.auc_b.low)
    assert result.auc_difference.high - result.auc_difference.low < 0.2 * apart


def test_an_evaluation_against_itself_is_noise_with_an_interval_of_some_width():
    perfect = evaluation(noise=0.0)
    result = compare(perfect, perfect)
    assert result.p_value == 1
    for interval in (result.difference, result.auc_difference):
        assert interval.low < interval.value == 0 < interval.high


def test_groups_are_drawn_whole():
    a, b = evaluation(seed=1), evaluation(seed=2, noise=2)
    copies = [pd.concat([t.assign(path=t["path"] + str(i), group=t["path"]) for i in range(4)]) for t in (a, b)]
    single, grouped = compare(a, b), compare(*copies)
    width = single.auc_difference.high - single.auc_difference.low
    assert grouped.auc_difference.high - grouped.auc_difference.low == pytest.approx(width, rel=0.1)


def test_images_of_one_class_have_no_auc():
    result = compare(with_errors(50, [1]), with_errors(50, [2]))
    assert result.auc_difference is None
    json.dumps(result.to_json(), allow_nan=False)


def test_different_images_are_refused_with_how_they_differ():
    a = evaluation(100)
    with pytest.raises(DatasetError, match=r"2 only in a \(as 0.jpg\), 1 only in b \(as new.jpg\), 98 in both"):
        compare(a, pd.concat([a.iloc[2:], a.iloc[:1].assign(path="new.jpg")]))
    with pytest.raises(DatasetError, match=r"b holds 3.jpg more than once"):
        compare(a, pd.concat([a, a.iloc[3:4]]))
    turned = a.copy()
    turned.loc[5, "label"] = "real" if a.loc[5, "label"] == "fake" else "fake"
    with pytest.raises(DatasetError, match=r"1 images are labelled differently in a and b, as 5.jpg"):
        compare(a, turned)
    with pytest.raises(DatasetError, match="b has no column 'path'"):
        compare(a, a.drop(columns="path"))


def test_it_shows_itself_and_names_are_escaped():
    result = compare(evaluation(seed=1), evaluation(seed=2), names=("<old>", "new"))
    page = result._repr_html_()
    assert "&lt;old&gt; is wrong on" in page
    assert "<old>" not in page
    ax = result.plot()
    assert sum(len(points.get_offsets()) for points in ax.collections) == result.n
