"""A selection has the ratios that were asked for, as nearly as the data allows, and cuts no pair."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fakeimg.data.dataset import Dataset
from fakeimg.data.select import select
from fakeimg.errors import ConfigError, DatasetError


def faces(seed: int = 0, n: int = 4000) -> Dataset:
    """Unequal and dependent attributes: glasses are more frequent among men."""
    rng = np.random.default_rng(seed)
    gender = rng.choice(["man", "woman"], n, p=[0.7, 0.3])
    glasses = np.where(rng.random(n) < np.where(gender == "man", 0.3, 0.1), "glasses", "none")
    race = rng.choice(["asian", "black", "latino", "white"], n, p=[0.1, 0.03, 0.12, 0.75])
    frame = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(n)],
            "label": "real",
            "gender": gender,
            "glasses": glasses,
            "race": race,
        }
    )
    return Dataset(frame, Path("/nowhere"))


def odds_ratio(frame: pd.DataFrame) -> float:
    counts = pd.crosstab(frame["gender"], frame["glasses"])
    (a, b), (c, d) = counts.to_numpy()
    return a * d / (b * c)


def test_several_attributes_reach_their_targets_at_once() -> None:
    targets = {
        "glasses": {"none": 0.67, "glasses": 0.33},
        "gender": {"man": 0.59, "woman": 0.41},
        "race": {"white": 0.31, "asian": 0.30, "latino": 0.30, "black": 0.09},
    }
    selection = select(faces(), 1000, targets=targets, seed=3)
    assert len(selection.dataset) == 1000
    assert (selection.table["target_n"] - selection.table["selected_n"]).abs().max() <= 1
    assert selection.impossible == ()


def test_weights_that_do_not_add_up_to_one_are_ratios() -> None:
    table = select(faces(), 300, targets={"gender": {"man": 1, "woman": 2}}).table.set_index("value")
    assert table.loc["woman", "selected_n"] == 200


def test_a_target_beyond_the_supply_is_named_and_the_nearest_is_chosen() -> None:
    data = faces()
    black = int((data.frame["race"] == "black").sum())
    selection = select(data, 1000, balance=["race"])
    assert len(selection.dataset) == 1000
    assert (selection.dataset.frame["race"] == "black").sum() == black
    assert selection.impossible[0] == f"race = black: 250 wanted, {black} there are"


def test_targets_that_exclude_each_other_are_named() -> None:
    frame = pd.DataFrame({"path": [f"{i}.jpg" for i in range(200)], "label": "real"})
    frame["gender"] = ["man", "woman"] * 100
    frame["glasses"] = ["glasses", "none"] * 100  # all men wear them, no woman does
    targets = {"gender": {"man": 0.8, "woman": 0.2}, "glasses": {"glasses": 0.2, "none": 0.8}}
    selection = select(Dataset(frame, Path("/nowhere")), 100, targets=targets)
    assert len(selection.dataset) == 100
    assert "possible together with the other targets" in "\n".join(selection.impossible)


def test_other_combinations_stay_as_frequent_as_the_targets_allow() -> None:
    """Raking keeps the odds ratio: how much more frequent glasses are among men."""
    data = faces(n=20_000)
    chosen = select(data, 2000, balance=["gender", "glasses"]).dataset.frame
    assert odds_ratio(chosen) == pytest.approx(odds_ratio(data.frame), rel=0.02)


def test_pairs_are_kept_together() -> None:
    photos = faces(n=600).frame
    fakes = photos.assign(path="fake_" + photos["path"], label="fake")
    both = pd.concat([photos, fakes], ignore_index=True)
    both["group"] = both["path"].str.removeprefix("fake_")
    selection = select(Dataset(both, Path("/nowhere")), 101, balance=["gender"])
    assert len(selection.dataset) == 100
    assert set(selection.dataset.frame["group"].value_counts()) == {2}
    assert (selection.table["selected_n"] == 50).all()


def test_the_seed_decides_which_images_and_not_how_many() -> None:
    first, again, other = (select(faces(), 500, balance=["race"], seed=seed) for seed in (1, 1, 2))
    assert first.dataset.frame["path"].tolist() == again.dataset.frame["path"].tolist()
    assert first.dataset.frame["path"].tolist() != other.dataset.frame["path"].tolist()
    assert first.table["selected_n"].tolist() == other.table["selected_n"].tolist()


def test_images_without_a_value_are_left_out_and_counted() -> None:
    data = faces()
    data = data.assign(gender=data.frame["gender"].where(np.arange(len(data)) % 4 > 0))
    selection = select(data, 200, balance=["gender"])
    assert selection.left_out == 1000
    assert selection.dataset.frame["gender"].notna().all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"balance": ["gendre"]}, DatasetError, "did you mean \"?'?gender"),
        ({"targets": {"race": {"wite": 1}}}, DatasetError, "race is never 'wite'"),
        ({"targets": {"race": {"white": -1, "black": 2}}}, ConfigError, "weights of 0 or more"),
        ({}, ConfigError, "say what to balance"),
        ({"balance": ["race"], "targets": {"race": {"white": 1}}}, ConfigError, "one of the two"),
        ({"balance": ["race"], "n": 5000}, DatasetError, "5000 images were asked for; 4000"),
        ({"balance": ["split"]}, DatasetError, "annotate it first"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        select(faces(), **{"n": 100, **arguments})


def test_the_table_draws_itself() -> None:
    ax = select(faces(), 100, balance=["gender"]).plot()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["gender man", "gender woman"]
