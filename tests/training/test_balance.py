"""Facts about drawing sources equally often, about training on patches, and on photographs edited into fakes."""

import numpy as np
import pandas as pd
import pytest

from fakeimg import Dataset, Experiment
from fakeimg.models.network import Architecture, build_network
from fakeimg.training.fitting import times_before
from fakeimg.training.inputs import image_inputs
from fakeimg.training.prepare import drawing_weights, prepare_data
from fakeimg.training.train import forget_edits, train

COUNTS = {("real", "a"): 30, ("real", "b"): 10, ("fake", "c"): 5}
BALANCED = Experiment.parse({"train.balance": "source"})


def some(counts: dict[tuple[str, str], int], tmp_path) -> Dataset:
    rows = [(f"{i}-{k}.png", *key) for k, (key, n) in enumerate(counts.items()) for i in range(n)]
    frame = pd.DataFrame(rows, columns=["path", "label", "source"])
    frame.to_csv(tmp_path / "manifest.csv", index=False)
    return Dataset.open(tmp_path / "manifest.csv")


def test_every_class_and_within_it_every_source_is_drawn_equally_often(tmp_path) -> None:
    dataset = some(COUNTS, tmp_path)
    shares = pd.Series(drawing_weights(BALANCED, dataset)).groupby(dataset.frame["source"]).sum()
    assert shares.to_dict() == pytest.approx({"a": 0.25, "b": 0.25, "c": 0.5})


def test_without_balance_every_image_is_taken_once(tmp_path) -> None:
    assert drawing_weights(Experiment(), some(COUNTS, tmp_path)) is None


def test_data_without_sources_is_balanced_by_class(tmp_path) -> None:
    dataset = some(COUNTS, tmp_path).assign(source=None)
    shares = pd.Series(drawing_weights(BALANCED, dataset)).groupby(dataset.frame["label"]).sum()
    assert shares.to_dict() == pytest.approx({"real": 0.5, "fake": 0.5})


def test_training_sees_patches_and_validation_whole_images(grain: Dataset) -> None:
    experiment = Experiment.parse(
        {"backbone": "compact", "trainable": "all", "image_size": 40, "train.patch": 32, "augment.oversize": 1.5}
    )
    parts = image_inputs(experiment, prepare_data(experiment, grain))
    rows = np.arange(2)
    assert parts.train.inputs(rows, 0).shape == (2, 32, 32, 3)
    assert not np.array_equal(parts.train.inputs(rows, 0), parts.train.inputs(rows, 1))
    assert parts.validation is not None
    assert parts.validation.inputs(rows, 0).shape == (2, 40, 40, 3)


def test_patches_teach_what_whole_images_are_judged_by(grain: Dataset) -> None:
    experiment = Experiment.parse(
        {
            "backbone": "compact",
            "trainable": "all",
            "image_size": 40,
            "train": {"patch": 32, "balance": "source", "monitor": "last", "epochs": 12, "batch_size": 16},
        }
    )
    result = train(experiment, grain)
    assert result.best_epoch == 12
    whole = result.detector.predict(result.data.split("train"), engine="tensorflow")
    fake = result.data.split("train").labels > 0
    assert whole.logits[fake].mean() > whole.logits[~fake].mean() + 1


def test_an_edited_photograph_counts_as_fake_and_a_fake_is_left_alone(grain: Dataset) -> None:
    keys = {"backbone": "compact", "trainable": "all", "image_size": 40}
    plain, edited = (
        image_inputs(experiment, prepare_data(experiment, grain))
        for experiment in (Experiment.parse(keys | {"train.edited_fakes": share}) for share in (0.0, 0.5))
    )
    rows, labels = np.arange(len(plain.train)), plain.train.labels
    turned = edited.train.targets(rows, 0) != labels
    assert 0 < turned.sum() < (labels == 0).sum()
    assert (labels[turned] == 0).all()
    assert not np.array_equal(edited.train.targets(rows, 0), edited.train.targets(rows, 1))
    same = (plain.train.inputs(rows, 0) == edited.train.inputs(rows, 0)).all(axis=(1, 2, 3))
    assert np.array_equal(same, ~turned)
    assert edited.validation is not None
    assert np.array_equal(edited.validation.targets(rows[:5], 0), edited.validation.labels[:5])


def test_a_row_that_is_drawn_again_is_seen_otherwise_than_before(grain: Dataset) -> None:
    keys = {"backbone": "compact", "trainable": "all", "image_size": 40, "augment.brightness": 0.3}
    experiment = Experiment.parse(keys | {"train.edited_fakes": 0.5})
    train_part = image_inputs(experiment, prepare_data(experiment, grain)).train
    rows, views = np.array([3, 5, 3, 3, 5]), np.array([1, 1, 13, 25, 13])
    inputs, targets = train_part.batch(rows, views)
    for picture, target, row, view in zip(inputs, targets, rows, views, strict=True):
        np.testing.assert_array_equal(picture, train_part.inputs(np.array([row]), int(view))[0])
        assert target == train_part.targets(np.array([row]), int(view))[0]
    assert not any(np.array_equal(inputs[a], inputs[b]) for a, b in ((0, 2), (0, 3), (2, 3), (1, 4)))


def test_how_often_a_row_was_drawn_before() -> None:
    np.testing.assert_array_equal(times_before(np.array([4, 2, 4, 4, 0, 2])), [0, 0, 1, 2, 0, 1])
    np.testing.assert_array_equal(times_before(np.random.default_rng(0).permutation(9)), 0)


@pytest.mark.parametrize("kind", ["mlp", "two_way"])
def test_odds_of_fake_are_given_without_the_photographs_that_were_edited_away(kind: str) -> None:
    keys = {"backbone": "compact", "image_size": 40, "head": {"kind": kind, "units": [4]}}
    model = build_network(Architecture.of(Experiment.parse(keys)))
    image = np.random.default_rng(0).uniform(0, 255, (3, 40, 40, 3)).astype(np.float32)
    before = model.predict(image, verbose=0)
    forget_edits(model, 0.75)  # three photographs in four said "fake": odds of one to one had become four to one
    np.testing.assert_allclose(before - model.predict(image, verbose=0), np.log(4), atol=1e-4)
