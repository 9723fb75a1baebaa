"""Facts about experiments: what they refuse, how overrides work, and that TOML keeps everything."""

import tomllib
from pathlib import Path

import pytest

from fakeimg import ConfigError, Experiment

EXPERIMENTS = sorted((Path(__file__).parents[1] / "experiments").glob("*.toml"))
EXPERIMENTS = [path for path in EXPERIMENTS if path.stem != "catalogue"]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_file_is_valid_and_survives_toml(path: Path) -> None:
    experiment = Experiment.read(path)
    assert Experiment.parse(tomllib.loads(experiment.to_toml())) == experiment
    assert experiment.description


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.epochs=3", "train.epochs", 3),
        ("train.learning_rate=1e-4", "train.learning_rate", 1e-4),
        ("image_size=96", "image_size", (96, 96)),
        ("image_size=[96, 128]", "image_size", (96, 128)),
        ("backbone=resnet50", "backbone", "resnet50"),
        ('weights="a b.h5"', "weights", "a b.h5"),
        ("head.units=[64, 32]", "head.units", (64, 32)),
        ("train.class_weights={real = 1.0, fake = 2.0}", "train.class_weights", {"real": 1.0, "fake": 2.0}),
        ("train.class_weights=balanced", "train.class_weights", "balanced"),
        ("grid.train.learning_rate=[1e-4, 1e-3]", "grid", {"train.learning_rate": (1e-4, 1e-3)}),
    ],
)
def test_an_override_replaces_one_key(override: str, key: str, value: object) -> None:
    assert Experiment.parse({}, [override]).value(key) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "did you mean 'train.epochs'"),
        ("backbne=resnet50", "did you mean 'backbone'"),
        ("backbone=resnet5", "received 'resnet5'"),
        ("train.epochs=0", "greater than or equal to 1"),
        ("split.test=0.5", "add up to 1.4, not 1"),
        ("head.dropout=1.0", r"\[0, 1\)"),
        ("grid.train.epoch=[1]", "unknown grid axis 'train.epoch'"),
        ("grid.train.epochs=[]", "has no values"),
        ("train.epochs", "has no '='"),
        ("search.kind=random", "samples"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_do(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Experiment.parse({}, [override])


def test_dropout_rates_must_match_the_layers() -> None:
    with pytest.raises(ConfigError, match="2 dropout rates for 1 hidden layers"):
        Experiment.parse({"head": {"units": [8], "dropout": [0.1, 0.2]}})
    assert Experiment.parse({"head": {"units": [8, 4], "dropout": 0.1}}).head.rates == (0.1, 0.1)


def test_a_weights_path_is_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('weights = "w.weights.h5"')
    assert Experiment.read(tmp_path / "a.toml").weights == str(tmp_path / "w.weights.h5")
    (tmp_path / "b.toml").write_text('weights = "imagenet"')
    assert Experiment.read(tmp_path / "b.toml").weights == "imagenet"


def test_missing_and_broken_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no experiment file"):
        Experiment.read(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("backbone = ")
    with pytest.raises(ConfigError, match="not a TOML file"):
        Experiment.read(tmp_path / "broken.toml")


def test_values_replaced_by_name_are_validated() -> None:
    experiment = Experiment().with_values({"train.learning_rate": 0.1, "head.units": [4]})
    assert experiment.train.learning_rate == 0.1
    assert experiment.head.units == (4,)
    with pytest.raises(ConfigError, match=r"unknown experiment key 'train\.rate'"):
        experiment.with_values({"train.rate": 1})


def test_what_a_frozen_backbone_would_not_do_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.patch does nothing while the backbone is frozen"):
        Experiment.parse({"backbone": "compact", "train": {"patch": 32}})
    with pytest.raises(ConfigError, match=r"train\.edited_fakes does nothing while the backbone is frozen"):
        Experiment.parse({"backbone": "compact", "train": {"edited_fakes": 0.5}})
    Experiment.parse({"backbone": "compact", "trainable": "all", "train": {"patch": 32}})
    Experiment.parse({"backbone": "compact", "train": {"patch": 32}, "grid": {"trainable": ["stage3", "all"]}})


def test_edited_photographs_can_be_fakes_where_there_are_two_classes_alone() -> None:
    keys = {"backbone": "compact", "trainable": "all", "train": {"edited_fakes": 0.5}}
    assert Experiment.parse(keys).train.edited_fakes == 0.5
    with pytest.raises(ConfigError, match=r"needs two classes"):
        Experiment.parse(keys | {"data": {"classes": ["real", "fake", "edited"]}})
