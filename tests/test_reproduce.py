"""Facts about rerunning recorded experiments."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeimg import ConfigError
from fakeimg.reproduce import Reproduction, reproduce

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
TINY = """
backbone = "five_conv_program"
trainable = "all"
image_size = 48
[head]
units = [8]
[train]
epochs = 2
[split]
train = 0.6
validation = 0.2
test = 0.2
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "tiny.toml").write_text(TINY)
    entry = '[tiny]\nsystem = 5\njob = "train"\nconfig = "tiny.toml"\npublished = {accuracy = 1.0}\ntolerance = 0.01\n'
    (folder / "catalogue.toml").write_text(entry)
    return folder


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for k, label in enumerate(("real", "fake")):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for i in range(30):
            picture = rng.integers(60, 160, (48, 48, 3), np.uint8)
            picture[..., k] += 60
            Image.fromarray(picture).save(tmp_path / "faces" / label / f"{i}.png")
    return tmp_path / "faces"


def test_a_rerun_on_the_same_machine_gives_the_recorded_figures(catalogue: Path, faces: Path, tmp_path: Path) -> None:
    first = reproduce("tiny", faces, out=tmp_path / "one", experiments=catalogue, record=True)
    again = reproduce("tiny", faces, out=tmp_path / "two", experiments=catalogue)
    assert again.recorded == first.figures == again.figures
    assert again.differing == ()
    # The classes differ in tint, so the shortcut has to be seen for what it is.
    assert first.figures["8×8 thumbnail accuracy"]["value"] > 0.9
    record = json.loads((catalogue / "results" / "tiny" / "figures.json").read_text())
    assert record["command"] == "fakeimg reproduce tiny DATA"
    assert str(tmp_path) not in json.dumps(record)


def test_a_figure_beyond_its_tolerance_is_named() -> None:
    recorded = {"accuracy": {"value": 0.9}, "auc": {"value": 0.8}, "gone": {"value": 0.5}}
    figures = {"accuracy": {"value": 0.92}, "auc": {"value": 0.9}}
    found = Reproduction("x", figures, recorded, {}, 0.05)
    assert found.differing == ("auc", "gone")


def test_unknown_experiments_are_answered_with_what_there_is(catalogue: Path, faces: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'tiny'"):
        reproduce("tinny", faces, out=tmp_path / "o", experiments=catalogue)
    with pytest.raises(ConfigError, match=r"no .*catalogue\.toml"):
        reproduce("tiny", faces, out=tmp_path / "o", experiments=tmp_path / "nowhere")


def test_every_entry_of_the_catalogue_names_an_experiment_that_can_be_read() -> None:
    import tomllib

    from fakeimg import Experiment
    from fakeimg.reproduce import _entry

    for name in tomllib.loads((EXPERIMENTS / "catalogue.toml").read_text()):
        entry = _entry(EXPERIMENTS, name)
        assert Experiment.read(EXPERIMENTS / entry.config, entry.set)
