import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from fakeimg.errors import ConfigError, DatasetError
from fakeimg.evaluation.breakdown import attribute_values, breakdown, describe, exact_p, holm, worst
from fakeimg.scoring.intervals import wilson


def predictions(n=1200, seed=0, error=0.15):
    """Scores with the same errors for everybody."""
    rng = np.random.default_rng(seed)
    fake = rng.random(n) < 0.4
    called = fake ^ (rng.random(n) < error)
    return pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "label": np.where(fake, "fake", "real"),
            "probability_fake": np.where(called, 0.8, 0.2),
            "gender": rng.choice(["man", "woman"], n),
            "race": rng.choice(["Asian", "Black", "White", None], n, p=[0.3, 0.02, 0.48, 0.2]),
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 90, n)),
        }
    )


def wrong_for(frame, rows, rate, seed=9):
    """The same frame, with a share `rate` of `rows` turned round."""
    turned = rows & (np.random.default_rng(seed).random(len(frame)) < rate)
    return frame.assign(probability_fake=np.where(turned, 1 - frame["probability_fake"], frame["probability_fake"]))


@pytest.fixture(scope="module")
def table():
    return breakdown(predictions(), ["gender", "race"])


def test_the_values_are_fairlearns(table):
    frame = predictions()
    truth, called = frame["label"] == "fake", frame["probability_fake"] >= 0.5
    for attribute in ("gender", "race"):
        groups = frame[attribute].fillna("(missing)")
        expected = MetricFrame(
            metrics={"accuracy": lambda t, c: (t == c).mean(), "fpr": false_positive_rate, "fnr": false_negative_rate},
            y_true=truth,
            y_pred=called,
            sensitive_features=groups,
        ).by_group
        rows = table[table["attribute"] == attribute].set_index("value")
        for metric in ("accuracy", "fpr", "fnr"):
            assert rows[metric].to_dict() == pytest.approx(expected[metric].to_dict())


def test_the_intervals_are_statsmodels(table):
    for row in table.itertuples():
        right = round(row.accuracy * row.n)
        assert (row.low, row.high) == pytest.approx(proportion_confint(right, row.n, method="wilson"))
        alarms = round(row.fpr * row.n_real)
        assert (row.fpr_low, row.fpr_high) == pytest.approx(proportion_confint(alarms, row.n_real, method="wilson"))
        total = table[table["attribute"] == row.attribute]
        rest_n = total["n"].sum() - row.n
        rest = round((total["accuracy"] * total["n"]).sum()) - right
        gap = confint_proportions_2indep(right, row.n, rest, rest_n, method="newcomb")
        assert (row.gap_low, row.gap_high) == pytest.approx(gap)
        assert row.gap == pytest.approx(right / row.n - rest / rest_n)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_sum_over_an_attributes_values_is_n(depth):
    table = breakdown(predictions(), ["gender", "race", "age"], depth=depth)
    sums = table.groupby("attribute")[["n", "n_real", "n_fake"]].sum()
    assert (sums["n"] == 1200).all()
    assert (sums["n_real"] + sums["n_fake"] == 1200).all()
    assert len(sums) == (3 if depth == 1 else 6)


def test_an_intersections_row_is_the_images_of_both():
    frame = predictions()
    table = breakdown(frame, ["gender", "race"], depth=2).set_index(["attribute", "value"])
    both = frame[(frame["gender"] == "woman") & (frame["race"] == "Asian")]
    row = table.loc[("gender × race", "woman × Asian")]
    right = ((both["probability_fake"] >= 0.5) == (both["label"] == "fake")).sum()
    assert (row["n"], row["accuracy"]) == (len(both), pytest.approx(right / len(both)))


def test_missing_values_have_their_own_last_row_and_small_groups_are_marked(table):
    rows = table[table["attribute"] == "race"]
    assert rows["value"].tolist() == ["Asian", "Black", "White", "(missing)"]
    black = rows[rows["value"] == "Black"].iloc[0]
    assert black["n"] < 30
    assert black["note"].startswith("insufficient")
    assert rows["p_value"].notna().tolist() == [True, False, True, False]


def test_holm_is_statsmodels_over_all_rows_tested(table):
    tested = table["p_value"].notna()
    expected = multipletests(table["p_value"][tested], method="holm")[1]
    assert table["p_adjusted"][tested].to_numpy() == pytest.approx(expected)
    assert table["p_adjusted"][~tested].isna().all()
    assert np.isnan(holm(np.array([np.nan, 0.04]))[0])
    assert holm(np.array([np.nan, 0.04]))[1] == 0.04


def test_with_one_label_the_p_value_is_fishers():
    sizes, errors = np.array([[40], [60], [50]]), np.array([[12], [6], [7]])
    expected = fisher_exact([[12, 28], [13, 97]]).pvalue
    assert exact_p(sizes, errors, 0) == pytest.approx(expected)


def test_the_exact_p_value_is_that_of_shuffling_errors_within_labels():
    sizes, errors = np.array([[40, 30], [60, 50]]), np.array([[12, 9], [9, 8]])
    rng = np.random.default_rng(0)
    drawn = sum(
        rng.hypergeometric(errors[:, i].sum(), (sizes - errors)[:, i].sum(), sizes[0, i], 200_000) for i in (0, 1)
    )
    likelihood = np.bincount(drawn) / drawn.size
    seen = likelihood[errors[0].sum()]
    assert exact_p(sizes, errors, 0) == pytest.approx(likelihood[likelihood <= seen * 1.02].sum(), abs=0.005)


def test_a_group_that_is_judged_worse_is_named():
    frame = predictions()
    frame = wrong_for(frame, (frame["gender"] == "woman").to_numpy(), 0.2)
    table = breakdown(frame, "gender")
    assert worst(table)["value"].tolist() == ["woman"]
    assert describe(table).startswith("gender: “woman” is judged worst: ")
    assert "adjusted p < .001" in describe(table)


def test_a_group_with_more_of_the_harder_label_is_not_called_worse():
    # Fakes are missed three times as often as reals are flagged; women are mostly fakes, and judged as anybody else.
    rng = np.random.default_rng(0)
    n = 4000
    woman = rng.random(n) < 0.5
    fake = rng.random(n) < np.where(woman, 0.8, 0.2)
    wrong = rng.random(n) < np.where(fake, 0.3, 0.1)
    frame = pd.DataFrame(
        {
            "label": np.where(fake, "fake", "real"),
            "probability_fake": np.where(fake ^ wrong, 0.9, 0.1),
            "gender": np.where(woman, "woman", "man"),
        }
    )
    table = breakdown(frame, "gender").set_index("value")
    assert table.loc["woman", "gap_high"] < -0.05
    assert table.loc["woman", "p_value"] > 0.05
    assert table.loc["woman", "expected"] == pytest.approx(table.loc["woman", "accuracy"], abs=0.02)
    assert "read the gap beside" in table.loc["woman", "note"]
    assert worst(table).empty


def test_a_harder_source_is_no_gap_between_groups_when_it_is_held_fixed():
    rng = np.random.default_rng(1)
    frame = predictions(4000, error=0.05)
    woman = (frame["gender"] == "woman").to_numpy()
    frame = frame.assign(source=np.where(rng.random(4000) < np.where(woman, 0.7, 0.2), "hard", "easy"))
    frame = wrong_for(frame, (frame["source"] == "hard").to_numpy(), 0.3)
    assert worst(breakdown(frame, "gender"))["value"].tolist() == ["woman"]
    assert worst(breakdown(frame, "gender", within="source")).empty


def test_without_a_gap_a_worst_group_is_seldom_named():
    named = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        frame = predictions(400, seed).assign(eighth=rng.integers(0, 8, 400).astype(str))
        named += not worst(breakdown(frame, ["eighth", "gender"], seed=seed)).empty
    assert wilson(named, 40).low <= 0.05


def test_too_few_is_said():
    frame = predictions(40)
    assert describe(breakdown(frame, "race")) == "race: too few images to compare; fewer than two values have 30."


def test_the_published_style_draws_so_many_of_each_value():
    table = breakdown(predictions(), ["gender", "race"], sample=200, seed=3)
    sizes = table.set_index("value")["n"]
    assert (sizes["man"], sizes["woman"], sizes["Asian"], sizes["White"], sizes["(missing)"]) == (200,) * 5
    assert sizes["Black"] < 30
    man = table[table["value"] == "man"].iloc[0]
    assert man["note"] == f"sample of 200 of {(predictions()['gender'] == 'man').sum()}"
    pd.testing.assert_frame_equal(table, breakdown(predictions(), ["gender", "race"], sample=200, seed=3))
    other = breakdown(predictions(), ["gender", "race"], sample=200, seed=4)
    assert not table["accuracy"].equals(other["accuracy"])


def test_a_numeric_attribute_is_cut_into_quarters_in_order():
    frame = predictions()
    values = breakdown(frame, "age")["value"].tolist()
    assert len(values) == 5
    assert values[-1] == "(missing)"
    starts = [int(value.split("-")[0]) for value in values[:-1]]
    assert starts == sorted(starts)
    assert starts[0] == 1
    assert attribute_values(pd.DataFrame({"k": [1.0, 2.0, np.nan]}), "k").tolist() == ["1", "2", "(missing)"]


def test_a_group_without_fakes_says_so():
    frame = predictions().assign(source=lambda f: np.where(f["label"] == "real", "flickr", "gan"))
    table = breakdown(frame, "source").set_index("value")
    assert table.loc["flickr", "note"] == "only real images"
    assert np.isnan(table.loc["flickr", "fnr"])
    assert (table.loc["flickr", "fnr_low"], table.loc["flickr", "fnr_high"]) == (0, 1)


def test_a_column_correct_decides_and_other_class_names_can_be_told():
    frame = predictions().assign(correct=True)
    assert (breakdown(frame, "gender")["accuracy"] == 1).all()
    renamed = predictions().replace({"label": {"real": "photo", "fake": "ai"}})
    assert breakdown(renamed, "gender", negative="photo").equals(breakdown(predictions(), "gender"))


def test_a_file_and_a_folder_are_read(tmp_path, table):
    frame = predictions()
    frame.to_parquet(tmp_path / "predictions.parquet")
    frame.to_csv(tmp_path / "predictions.csv", index=False)
    for source in (tmp_path, tmp_path / "predictions.parquet", str(tmp_path / "predictions.csv")):
        pd.testing.assert_frame_equal(breakdown(source, ["gender", "race"]), table)


def test_wrong_input_is_refused(tmp_path):
    frame = predictions()
    with pytest.raises(DatasetError, match=r"no attribute 'gendre'; these predictions have .*did you mean 'gender'"):
        breakdown(frame, "gendre")
    with pytest.raises(ConfigError, match="depth is 1"):
        breakdown(frame, "gender", depth=3)
    with pytest.raises(ConfigError, match="sample is a number of images"):
        breakdown(frame, "gender", sample=0)
    with pytest.raises(DatasetError, match="no predictions at"):
        breakdown(tmp_path / "none", "gender")
