from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeimg.data.dataset import Dataset
from fakeimg.data.splits import assign_folds, assign_splits
from fakeimg.errors import ConfigError, DatasetError

PUBLISHED = {"train": 0.8, "validation": 0.1, "test": 0.1}


def dataset(labels, **columns):
    paths = [f"{row:05}.png" for row in range(len(labels))]
    return Dataset(pd.DataFrame({"path": paths, "label": labels, **columns}), Path("/nowhere"))


def by_path(data):
    return dict(zip(data.frame["path"], data.frame["split"], strict=True))


LABELS = st.sampled_from(["real", "fake"])
SOURCES = st.sampled_from(["a", "b", "c", None])
SEEDS = st.integers(0, 2**32 - 1)
ROWS = st.lists(st.tuples(LABELS, SOURCES), min_size=1, max_size=120)
GROUPED = st.lists(st.tuples(LABELS, SOURCES, st.integers(0, 25) | st.none()), min_size=1, max_size=120)
FRACTIONS = st.sampled_from(
    [(0.8, 0.1, 0.1), (0.8, 0.2, 0.0), (0.34, 0.33, 0.33), (0.0, 0.0, 1.0), (0.79, 0.2, 0.01), (1 / 3, 1 / 3, 1 / 3)]
).map(lambda shares: dict(zip(PUBLISHED, shares, strict=True)))


def from_rows(rows):
    columns = [np.array(cells, dtype=object) for cells in zip(*rows, strict=True)]
    return dataset(columns[0], **dict(zip(["source", "group"], columns[1:], strict=False)))


def test_the_published_sizes_of_589_real_and_700_fake_images_are_met_exactly():
    data = assign_splits(dataset(["real"] * 589 + ["fake"] * 700), PUBLISHED, seed=0)
    table = pd.crosstab(data.frame["label"], data.frame["split"])
    assert table.sum().to_dict() == {"train": 1031, "validation": 129, "test": 129}
    assert table.loc["real"].to_dict() == {"train": 471, "validation": 59, "test": 59}
    assert table.loc["fake"].to_dict() == {"train": 560, "validation": 70, "test": 70}


@settings(max_examples=60, deadline=None)
@given(ROWS, FRACTIONS, SEEDS)
def test_without_groups_every_stratum_class_and_total_is_its_share_rounded_down_or_up(rows, fractions, seed):
    frame = assign_splits(from_rows(rows), fractions, seed=seed).frame
    assert frame["split"].notna().all()
    for margin in (["label", "source"], ["label"], []):
        groups = frame.groupby(margin, dropna=False) if margin else [((), frame)]
        for _, members in groups:
            for name, fraction in fractions.items():
                assert abs((members["split"] == name).sum() - fraction * len(members)) < 1


@settings(max_examples=60, deadline=None)
@given(GROUPED, FRACTIONS, SEEDS)
def test_a_group_never_straddles_and_every_row_is_assigned(rows, fractions, seed):
    data = from_rows(rows)
    frame = assign_splits(data, fractions, seed=seed).frame
    assert frame["split"].notna().all()
    assert (frame.groupby("group")["split"].nunique() == 1).all()
    assert not frame["split"].isin([name for name, fraction in fractions.items() if fraction == 0]).any()


@settings(max_examples=60, deadline=None)
@given(GROUPED, SEEDS)
def test_with_groups_the_sizes_are_within_one_largest_group_and_the_strata_of_the_fractions(rows, seed):
    data = from_rows(rows)
    frame = assign_splits(data, PUBLISHED, seed=seed).frame
    largest = max(frame["group"].value_counts().max() if frame["group"].notna().any() else 1, 1)
    strata = len(frame[["label", "source"]].drop_duplicates())
    for name, fraction in PUBLISHED.items():
        assert abs((frame["split"] == name).sum() - fraction * len(frame)) <= largest + strata


@settings(max_examples=60, deadline=None)
@given(ROWS | GROUPED, SEEDS, st.randoms(use_true_random=False))
def test_the_division_is_decided_by_the_seed_and_not_by_the_order_of_the_rows(rows, seed, random):
    data = from_rows(rows)
    order = list(range(len(data)))
    random.shuffle(order)
    expected = by_path(assign_splits(data, PUBLISHED, seed=seed))
    assert by_path(assign_splits(data.take(order), PUBLISHED, seed=seed)) == expected


def test_another_seed_gives_another_division():
    data = dataset(["real", "fake"] * 50)
    assert by_path(assign_splits(data, PUBLISHED, seed=1)) != by_path(assign_splits(data, PUBLISHED, seed=2))


def test_pairs_of_a_photograph_and_the_fake_made_from_it_stay_together_and_balanced():
    rows = 500
    data = dataset(["real", "fake"] * rows, group=[f"face{k // 2}" for k in range(2 * rows)])
    split = assign_splits(data, PUBLISHED, seed=3).frame
    table = pd.crosstab(split["label"], split["split"])
    assert table.loc["real"].to_dict() == table.loc["fake"].to_dict() == {"train": 400, "validation": 50, "test": 50}


def test_identities_of_uneven_size_keep_the_proportion_of_the_labels():
    random = np.random.default_rng(0)
    group = np.repeat(np.arange(300), random.integers(1, 9, 300))
    labels = np.where(group % 3 == 0, "fake", "real").astype(object)
    frame = assign_splits(dataset(labels, group=group.astype(str).astype(object)), PUBLISHED, seed=0).frame
    fake = (frame["label"] == "fake").groupby(frame["split"]).mean()
    assert np.allclose(fake, (labels == "fake").mean(), atol=0.01)
    share = frame["split"].value_counts(normalize=True)
    assert np.allclose(share[list(PUBLISHED)], list(PUBLISHED.values()), atol=0.005)


def test_a_group_too_large_for_the_small_splits_goes_to_training():
    group = ["one"] * 90 + [f"g{k}" for k in range(10)]
    frame = assign_splits(dataset(["real", "fake"] * 50, group=group), PUBLISHED, seed=0).frame
    assert set(frame.loc[frame["group"] == "one", "split"]) == {"train"}


def test_a_group_named_like_a_path_is_not_mistaken_for_that_image():
    group = ["00003.png", "00003.png", None, None]
    frame = assign_splits(dataset(["real"] * 4, group=group), {"train": 0.5, "test": 0.5}, seed=0).frame
    assert frame["split"].tolist()[2] == frame["split"].tolist()[3] != frame["split"].tolist()[0]


def test_strata_of_a_single_row_are_divided_together_by_the_fractions():
    source = [f"lone{row}" for row in range(20)] + ["big"] * 300
    data = dataset(["real", "fake"] * 160, source=source)
    lone = [assign_splits(data, PUBLISHED, seed=seed).frame["split"][:20] for seed in range(20)]
    counts = [split.value_counts()[list(PUBLISHED)].tolist() for split in lone]
    assert counts == [[16, 2, 2]] * 20
    assert len({tuple(split) for split in lone}) == 20


def test_a_division_that_the_data_brings_along_is_kept():
    data = dataset(["real", "fake"], split=["test", "train"])
    assert assign_splits(data, PUBLISHED, seed=0) is data


def test_a_division_of_only_some_rows_is_refused():
    with pytest.raises(DatasetError, match="1 of 2 rows have a split"):
        assign_splits(dataset(["real", "fake"], split=["test", None]), PUBLISHED, seed=0)


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"train": 0.8, "test": 0.1}, "add up to 0.9"),
        ({"train": 1.2, "test": -0.2}, "from 0 to 1"),
        ({"train": 0.8, "valid": 0.2}, "did you mean 'validation'"),
        ({}, "add up to 0"),
        ({"train": float("nan"), "test": 1.0}, "from 0 to 1"),
    ],
)
def test_fractions_that_are_no_division_are_refused(fractions, message):
    with pytest.raises(ConfigError, match=message):
        assign_splits(dataset(["real", "fake"]), fractions, seed=0)


def test_a_column_that_does_not_exist_cannot_stratify():
    with pytest.raises(ConfigError, match=r"no column 'gendre'.*did you mean 'gender'"):
        assign_splits(dataset(["real", "fake"], gender=["man", "woman"]), PUBLISHED, seed=0, stratify=("gendre",))


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(2, 7), SEEDS)
def test_folds_are_exact_and_ignore_the_order_of_the_rows(rows, k, seed):
    data = from_rows(rows)
    if len(data) < k:
        with pytest.raises(DatasetError, match="cannot fill"):
            assign_folds(data, k, seed=seed)
        return
    folds = assign_folds(data, k, seed=seed)
    assert np.ptp(np.bincount(folds, minlength=k)) <= 1
    for label in set(data.frame["label"]):
        assert np.ptp(np.bincount(folds[data.frame["label"] == label], minlength=k)) <= 1
    backwards = np.arange(len(data))[::-1]
    assert np.array_equal(assign_folds(data.take(backwards), k, seed=seed), folds[backwards])


@settings(max_examples=40, deadline=None)
@given(GROUPED, st.integers(2, 5), SEEDS)
def test_a_group_lies_in_one_fold(rows, k, seed):
    data = from_rows(rows)
    frame = data.frame
    if frame["group"].nunique() + frame["group"].isna().sum() < k:
        return
    assert (pd.Series(assign_folds(data, k, seed=seed)).groupby(frame["group"]).nunique() == 1).all()


def test_one_fold_is_refused():
    with pytest.raises(ConfigError, match="2 or more"):
        assign_folds(dataset(["real", "fake"]), 1, seed=0)


def test_the_real_deforgify_faces_divide_into_the_published_sizes(shared_data):
    data = Dataset.open(shared_data / "faces", sources=("deforgify_real", "deforgify_fake"))
    split = assign_splits(data, PUBLISHED, seed=0)
    assert {name: len(split.split(name)) for name in PUBLISHED} == {"train": 1031, "validation": 129, "test": 129}
