"""Transfer between sources, on pictures whose colour is their label: what is known in advance is what is found."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError, DatasetError
from fakeimg.evaluation.mixture import mixture
from fakeimg.evaluation.training_sets import NO_PART, TrainingSet, divided, score_by_training_set
from fakeimg.evaluation.transfer import leave_one_source_out, transfer_matrix

EACH = 24
RED, BLUE = (200, 60, 60), (60, 60, 200)
# Fakes are red and photographs blue, but for two sources of fakes that are as blue as photographs, and striped.
SOURCES = {"camera": BLUE, "phone": BLUE, "gan": RED, "diffusion": RED, "odd": BLUE, "odder": BLUE}
REALS = ("camera", "phone")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    for source, colour in SOURCES.items():
        for i in range(EACH):
            image = np.full((32, 32, 3), colour) + rng.integers(-25, 25, (32, 32, 3))
            if source.startswith("odd"):
                image[:, ::2] = (60, 200, 60)
            path = folder / ("real" if source in REALS else "fake") / source / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.astype(np.uint8)).save(path)
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    train = {"epochs": 40, "learning_rate": 0.05, "class_weights": "balanced"}
    split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    return Experiment.parse({"backbone": "resnet18", "image_size": 32, "train": train, "split": split})


@pytest.fixture(scope="module")
def plain(data: Dataset) -> Dataset:
    return data.take(~data.frame["source"].str.startswith("odd").to_numpy())


def test_what_holds_in_every_source_transfers(experiment: Experiment, plain: Dataset) -> None:
    result = leave_one_source_out(experiment, plain)
    assert list(result.frame["source"]) == ["camera", "phone", "diffusion", "gan"]
    assert (result.frame["accuracy"] == 1).all()
    assert (result.frame["n"] == EACH).all()
    assert (result.frame["thumbnail"] == 1).all()
    assert (result.frame["framing"].isin((0, 1))).all()  # no face in any: the same guess for all of a source
    assert "size and place of the face" in result.sentence
    assert result.mean.value == 1
    assert result.mean.low < 1


def test_a_source_that_is_unlike_all_others_is_named_as_the_worst(experiment: Experiment, data: Dataset) -> None:
    odd = data.take((data.frame["source"] != "odder").to_numpy())
    result = leave_one_source_out(experiment, odd, shortcuts=False)
    assert result.worst["source"] == "odd"
    assert result.worst["accuracy"] == 0  # it was not learnt from: the others taught that blue is a photograph
    assert result.mean_thumbnail is None
    assert result.mean_framing is None
    assert "the worst is odd (fake) with 0.0%" in result.sentence


def test_the_left_out_source_changes_nothing_in_training(experiment: Experiment, plain: Dataset) -> None:
    dataset = divided(experiment, plain)
    names, split = (dataset.frame[column].to_numpy(str) for column in ("source", "split"))
    part = TrainingSet(np.where(names == "gan", NO_PART, split), names == "camera")
    _, whole = next(score_by_training_set(experiment, dataset, {"one": part}))
    kept = dataset.take(names != "gan")
    rest = TrainingSet(split[names != "gan"], names[names != "gan"] == "camera")
    _, alone = next(score_by_training_set(experiment, kept, {"one": rest}))
    assert np.array_equal(whole.probability_fake[names == "camera"], alone.probability_fake[rest.score])
    assert whole.point == alone.point


def test_the_matrix_tests_seen_sources_on_their_test_part_alone(experiment: Experiment, data: Dataset) -> None:
    result = transfer_matrix(experiment, data, trained_on={"red": ["camera", "gan"], "striped": ["camera", "odd"]})
    assert result.frame.groupby("seen")["n"].unique().map(list).to_dict() == {False: [EACH], True: [EACH // 4]}
    cells = result.frame.set_index(["trained_on", "tested_on"])["accuracy"]
    assert cells["red", "diffusion"] == 1
    assert cells["red", "odd"] == 0
    assert cells["striped", "odder"] == 1
    assert isinstance(result.plot(), Axes)


def test_by_default_every_pair_of_a_real_and_a_fake_source_is_trained_on(
    experiment: Experiment, plain: Dataset
) -> None:
    result = transfer_matrix(experiment, plain)
    assert set(result.frame["trained_on"]) == {f"{a} + {b}" for a in REALS for b in ("gan", "diffusion")}
    assert len(result.frame) == 4 * 4


def test_adding_a_source_like_the_stress_set_helps_and_is_no_noise(experiment: Experiment, data: Dataset) -> None:
    result = mixture(experiment, data, add="odder", stress="odd")
    assert result.sentence.startswith("odder added to training: 0.0% → 100.0% of odd judged right, 24 vs 0 wrong of 24")
    assert "more than noise" in result.sentence
    without, with_it = result.trained_on
    assert with_it - without == EACH - EACH // 4


def test_adding_more_of_the_same_does_not_help_and_is_called_noise(experiment: Experiment, data: Dataset) -> None:
    result = mixture(experiment, data.take((data.frame["source"] != "odder").to_numpy()), add="diffusion", stress="odd")
    assert result.comparison.p_value == 1
    assert "it may well be noise" in result.sentence


def test_a_trunk_that_is_trained_goes_through_the_same_study(plain: Dataset) -> None:
    train = {"epochs": 6, "batch_size": 16, "learning_rate": 0.002}
    whole = Experiment.parse({"backbone": "five_conv_program", "trainable": "all", "image_size": 48, "train": train})
    result = mixture(whole, plain, add="diffusion", stress="phone")
    assert result.comparison.n == EACH
    assert result.comparison.accuracy_b.value == 1


def test_results_are_written(experiment: Experiment, plain: Dataset, tmp_path: Path) -> None:
    loso = leave_one_source_out(experiment, plain, shortcuts=False)
    loso.write(tmp_path)
    written = json.loads((tmp_path / "leave_one_source_out.json").read_text())
    assert written["sentence"] == loso.sentence
    assert {row["source"] for row in written["sources"]} == set(plain.frame["source"])
    transfer_matrix(experiment, plain, trained_on={"one": ["camera", "gan"]}).write(tmp_path)
    mixture(experiment, plain, add="gan", stress="phone").write(tmp_path)
    names = {"leave_one_source_out", "transfer_matrix"}
    expected = {f"{name}.{suffix}" for name in names for suffix in ("json", "csv", "png")} | {"mixture.json"}
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_what_cannot_be_measured_is_refused(experiment: Experiment, data: Dataset, plain: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"no source 'gam'.*did you mean 'gan'"):
        leave_one_source_out(experiment, data, sources=["gam"])
    with pytest.raises(DatasetError, match="'gan' cannot be both"):
        mixture(experiment, data, add="gan", stress="gan")
    with pytest.raises(DatasetError, match="no image of class 'fake'"):
        mixture(experiment, plain, add="diffusion", stress="gan")
    with pytest.raises(DatasetError, match="96 images have no source"):
        leave_one_source_out(experiment, plain.assign(source=None))
    with pytest.raises(ConfigError, match="two classes, not 3"):
        leave_one_source_out(experiment.with_values({"data.classes": ("real", "edited", "fake")}), data)
