import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from fakeimg.errors import DatasetError
from fakeimg.models.decision import OperatingPoint
from fakeimg.scoring.metrics import (
    evaluate_scores,
    image_loss,
    ppv_npv,
    precision_recall_curve,
    reals_needed,
    roc_curve,
)


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    labels = (rng.random(1200) < 0.3).astype(int)
    probability = 1 / (1 + np.exp(-(3 * labels - 1.5 + 1.5 * rng.normal(size=1200))))
    return labels, probability


@pytest.fixture(scope="module")
def result(scored):
    labels, _ = scored
    point = OperatingPoint(threshold_fake=0.7, threshold_real=0.3, temperature=1.5)
    sources = np.array(["flickr", "stylegan"], object)[labels]
    sources[:7] = None
    return evaluate_scores(*scored, point=point, sources=sources, seed=1)


@pytest.fixture(scope="module")
def three_classes():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 400)
    probability = rng.dirichlet([1, 1, 1], 400)
    probability[np.arange(400), labels] += 0.6
    return labels, probability / probability.sum(axis=1, keepdims=True)


def intervals(node, name=""):
    if isinstance(node, dict) and {"value", "low", "high"} <= set(node):
        yield name, node
    elif isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from intervals(value, f"{name}/{key}")


def test_the_values_are_scikit_learns(scored, result):
    labels, probability = scored
    called = probability >= 0.5
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(labels, called),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(labels, called),
        "auc": sklearn_metrics.roc_auc_score(labels, probability),
        "average_precision": sklearn_metrics.average_precision_score(labels, probability),
        "precision": sklearn_metrics.precision_score(labels, called),
        "recall": sklearn_metrics.recall_score(labels, called),
        "f1": sklearn_metrics.f1_score(labels, called),
    }
    assert {name: result[name]["value"] for name in expected} == pytest.approx(expected)
    assert result["calibration"]["brier"]["value"] == pytest.approx(
        sklearn_metrics.brier_score_loss(labels, probability)
    )
    assert result["calibration"]["log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, probability))
    assert result["confusion"]["matrix"] == sklearn_metrics.confusion_matrix(labels, called).tolist()
    report = sklearn_metrics.classification_report(labels, called, target_names=["real", "fake"], output_dict=True)
    for name in ("real", "fake"):
        row = result["per_class"][name]
        assert row["support"] == report[name]["support"]
        assert row["precision"]["value"] == pytest.approx(report[name]["precision"])
        assert row["recall"]["value"] == pytest.approx(report[name]["recall"])
        assert row["f1"]["value"] == pytest.approx(report[name]["f1-score"])


def test_every_rate_has_an_interval_around_it_that_is_not_a_point(result):
    found = list(intervals(result))
    assert len(found) > 30
    for name, rate in found:
        assert rate["low"] <= rate["value"] <= rate["high"], name
        assert rate["low"] < rate["high"], name
        assert rate["n"] > 0, name


def test_a_perfect_detector_is_not_certain_either():
    labels = np.repeat([0, 1], 40)
    perfect = evaluate_scores(labels, np.where(labels, 0.99, 0.01))
    for name in ("accuracy", "balanced_accuracy", "auc", "average_precision", "precision", "recall", "f1"):
        assert perfect[name]["value"] == perfect[name]["high"] == 1
        assert perfect[name]["low"] < 0.97, name


def test_it_is_json_and_the_same_again_with_the_same_seed(scored):
    first, again = (json.dumps(evaluate_scores(*scored, seed=3), allow_nan=False) for _ in range(2))
    assert first == again


def test_true_positive_rate_is_the_curves_best_within_the_false_positives_allowed(scored, result):
    fpr, tpr, _ = sklearn_metrics.roc_curve(*scored, drop_intermediate=False)
    for rate in (0.01, 0.05):
        assert result["tpr_at_fpr"][f"{rate:g}"]["value"] == pytest.approx(tpr[fpr <= rate].max())


def test_a_claim_about_one_per_cent_is_refused_below_381_photographs():
    assert (reals_needed(0.01), reals_needed(0.05)) == (381, 73)
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [380, 50])
    tpr = evaluate_scores(labels, rng.random(430))["tpr_at_fpr"]
    assert tpr["0.01"]["refused"].startswith(
        "380 reals are too few: even without one false alarm the true rate could be"
    )
    assert "value" in tpr["0.05"]


def test_sources_add_up_and_a_missing_one_is_named(scored, result):
    table = result["by_source"]
    assert set(table) == {"(missing)", "flickr", "stylegan"}
    assert sum(row["n"] for row in table.values()) == result["n"] == 1200
    assert (table["flickr"]["label"], table["stylegan"]["label"], table["(missing)"]["label"]) == (
        "real",
        "fake",
        "mixed",
    )
    right = sum(row["accuracy"]["value"] * row["n"] for row in table.values())
    assert right == pytest.approx(result["accuracy"]["value"] * 1200)


def test_the_operating_points_verdicts_are_counted(scored, result):
    labels, probability = scored
    point = result["operating_point"]
    assert point["false_alarms"]["value"] == pytest.approx((probability[labels == 0] >= 0.7).mean())
    assert point["misses"]["value"] == pytest.approx((probability[labels == 1] < 0.3).mean())
    assert point["inconclusive"]["value"] == pytest.approx(((probability >= 0.3) & (probability < 0.7)).mean())
    assert result["calibration"]["temperature"] == 1.5


def test_at_one_per_cent_prevalence_most_alarms_are_false():
    ppv, npv = ppv_npv(tpr=0.95, fpr=0.05, prevalence=0.01)
    assert ppv == pytest.approx(0.0095 / (0.0095 + 0.0495))
    assert ppv < 0.17
    assert npv > 0.999
    assert np.isnan(ppv_npv(0.0, 0.0, 0.5)[0])


def test_ppv_at_the_datas_own_prevalence_is_its_precision(scored, result):
    labels, probability = scored
    called = probability >= 0.5
    tpr, fpr = called[labels == 1].mean(), called[labels == 0].mean()
    assert ppv_npv(tpr, fpr, labels.mean())[0] == pytest.approx(result["precision"]["value"])
    assert [row["prevalence"] for row in result["prevalence"]] == [0.5, 0.1, 0.01]


def test_three_classes(three_classes):
    labels, probability = three_classes
    result = evaluate_scores(labels, probability, class_names=("real", "edited", "generated"))
    assert result["accuracy"]["value"] == pytest.approx((probability.argmax(axis=1) == labels).mean())
    one_vs_rest = result["auc_one_vs_rest"]
    macro = sklearn_metrics.roc_auc_score(labels, probability, multi_class="ovr")
    assert one_vs_rest["macro"]["value"] == pytest.approx(macro)
    assert set(one_vs_rest) == {"macro", "real", "edited", "generated"}
    assert result["auc"]["value"] == pytest.approx(sklearn_metrics.roc_auc_score(labels > 0, 1 - probability[:, 0]))
    called = probability.argmax(axis=1) > 0
    assert result["precision"]["value"] == pytest.approx(sklearn_metrics.precision_score(labels > 0, called))
    assert np.array(result["confusion"]["matrix"]).sum() == 400


def test_two_columns_are_one(scored):
    labels, probability = scored
    pairs = np.stack([1 - probability, probability], axis=1)
    assert evaluate_scores(labels, pairs)["auc"] == evaluate_scores(labels, probability)["auc"]


def test_images_of_one_class_have_an_accuracy_and_refuse_the_rest():
    result = evaluate_scores([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.8])
    assert result["accuracy"]["value"] == 0.75
    for name in ("auc", "average_precision", "balanced_accuracy"):
        assert "refused" in result[name]
    json.dumps(result, allow_nan=False)


def test_loss_is_large_where_the_model_is_sure_and_wrong():
    loss = image_loss([1, 1, 0, 0], [1.0, 0.0, 0.0, 1.0])
    assert loss == pytest.approx([0, 16.118, 0, 16.118], abs=1e-3)
    assert image_loss([2, 0], [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]) == pytest.approx(-np.log([0.5, 0.2]))


def test_curves_have_the_areas_of_the_metrics(scored, result):
    roc = roc_curve(*scored)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(result["auc"]["value"])
    curve = precision_recall_curve(*scored)
    assert curve.x.shape == curve.y.shape == curve.threshold.shape
    area = -np.sum(np.diff(np.append(curve.x, 0)) * curve.y)
    assert area == pytest.approx(result["average_precision"]["value"])


@pytest.mark.parametrize(
    ("labels", "probability", "message"),
    [
        ([], [], "there are no images to evaluate"),
        ([0, 1], [0.5], r"2 labels of 2 classes go with probabilities of shape \(2,\), got \(1,\)"),
        ([0, 2], [0.1, 0.2], "class indices from 0 to 1, got 0 to 2"),
        ([0, 1], [0.1, 1.2], r"lie in \[0, 1\], got 0.1 to 1.2"),
        ([0, 1], [0.1, float("nan")], "or NaN"),
    ],
)
def test_what_cannot_be_evaluated_is_said(labels, probability, message):
    with pytest.raises(DatasetError, match=message):
        evaluate_scores(labels, probability)
