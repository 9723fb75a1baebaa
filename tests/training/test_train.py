"""Facts about training one detector."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakeimg import ConfigError, Dataset, DatasetError, Detector, Experiment
from fakeimg.models.network import Architecture, build_network
from fakeimg.training.averaging import WeightAverage
from fakeimg.training.fitting import cross_entropy
from fakeimg.training.prepare import class_weights, prepare_data
from fakeimg.training.train import recorded_split, train

TINY = {
    "backbone": "five_conv_program",
    "trainable": "all",
    "image_size": 48,
    "head": {"kind": "two_way", "units": [16], "dropout": 0.3},
    "train": {"epochs": 3, "batch_size": 16},
    "augment": {"flip": 0.5, "brightness": 0.1},
}


def colour_faces(folder: Path, n: int = 60, classes: tuple[str, ...] = ("real", "fake")) -> Path:
    """Pictures whose class is their tint: something that any network learns."""
    rng = np.random.default_rng(0)
    for k, label in enumerate(classes):
        (folder / label).mkdir(parents=True)
        for i in range(n):
            picture = rng.integers(60, 160, (48, 48, 3), np.uint8)
            picture[..., k] += 50
            Image.fromarray(picture).save(folder / label / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def tinted(tmp_path_factory) -> Path:
    return colour_faces(tmp_path_factory.mktemp("tinted"))


def tiny(**changes) -> Experiment:
    return Experiment.parse(TINY).with_values(changes)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_it_learns_and_keeps_the_best_validation_epoch(tinted, tmp_path, momentum: float) -> None:
    experiment = tiny(**{"train.epochs": 6, "train.weight_average": momentum})
    result = train(experiment, tinted, out=tmp_path / "run")
    assert result.history["val_accuracy"].iloc[result.best_epoch - 1] == 1.0
    assert result.best_epoch == int(result.history["val_loss"].idxmin()) + 1
    validation = result.data.split("validation")
    scored = result.detector.predict(validation, engine="tensorflow")
    loss = cross_entropy(scored.logits[:, None], validation.labels).mean()
    assert loss == pytest.approx(result.history["val_loss"].min(), rel=1e-4)


def test_the_same_seed_gives_the_same_detector_and_another_seed_another(tinted) -> None:
    def logits(seed: int) -> np.ndarray:
        result = train(tiny(seed=seed, **{"train.epochs": 1}), tinted)
        return result.detector.predict(result.data.split("test"), engine="tensorflow").logits

    np.testing.assert_array_equal(logits(0), logits(0))
    assert not np.array_equal(logits(0), logits(1))


RUN = "import sys; from fakeimg import Experiment; from fakeimg.training.train import train; " \
      "train(Experiment.read(sys.argv[1]), sys.argv[2], out=sys.argv[3])"  # fmt: skip


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_run_killed_at_any_moment_ends_as_the_unbroken_one(tinted, tmp_path, momentum: float) -> None:
    experiment = tiny(**{"train.epochs": 8, "train.weight_average": momentum})
    config = tmp_path / "experiment.toml"
    config.write_text(experiment.to_toml())
    command = [sys.executable, "-c", RUN, str(config), str(tinted)]
    subprocess.run([*command, str(tmp_path / "unbroken")], check=True, capture_output=True)
    broken = tmp_path / "broken"
    epochs_seen = []
    for attempt in range(3):
        process = subprocess.Popen([*command, str(broken)], stderr=subprocess.DEVNULL)
        _wait_for_checkpoint(broken / "checkpoint.npz", newer_than=len(epochs_seen), process=process)
        time.sleep(0.05 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        epochs_seen.append(_epochs_done(broken / "checkpoint.npz"))
    assert epochs_seen == sorted(epochs_seen)
    assert not (broken / "fakeimg.json").exists()
    subprocess.run([*command, str(broken)], check=True, capture_output=True)
    one, other = Detector.open(tmp_path / "unbroken"), Detector.open(broken)
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.operating_point == other.operating_point
    histories = [
        pd.read_csv(folder / "history.csv").drop(columns="seconds") for folder in (tmp_path / "unbroken", broken)
    ]
    pd.testing.assert_frame_equal(*histories)
    assert not (broken / "checkpoint.npz").exists()


def test_averaged_weights_follow_every_step_and_take_the_place_of_the_last_ones() -> None:
    model = build_network(Architecture.of(Experiment.parse(TINY)))
    average = WeightAverage(model, 0.5)
    start = expected = model.get_weights()
    for step in range(1, 4):
        model.set_weights([weight + step for weight in start])
        average.update()
        kept = min(0.5, (1 + step) / (10 + step))
        expected = [
            kept * mean + (1 - kept) * weight for mean, weight in zip(expected, model.get_weights(), strict=True)
        ]
    with average:
        averaged = model.get_weights()
    for found, mean, last, first in zip(averaged, expected, model.get_weights(), start, strict=True):
        np.testing.assert_allclose(found, mean, atol=1e-5)
        np.testing.assert_allclose(last, first + 3, atol=1e-5)


def test_a_finished_run_is_returned_and_another_experiment_is_refused(tinted, tmp_path) -> None:
    out = tmp_path / "run"
    first = train(tiny(), tinted, out=out)
    stamp = (out / "model.weights.h5").stat().st_mtime_ns
    again = train(tiny(), tinted, out=out)
    assert (out / "model.weights.h5").stat().st_mtime_ns == stamp
    assert again.best_epoch == first.best_epoch
    with pytest.raises(ConfigError, match="another seed"):
        train(tiny(seed=7), tinted, out=out)
    with pytest.raises(ConfigError, match="other data"):
        train(tiny(), colour_faces(tmp_path / "more", 61), out=out)


def test_a_run_begun_before_a_setting_existed_is_the_same_run(tinted, tmp_path) -> None:
    out = tmp_path / "run"
    train(tiny(), tinted, out=out)
    run = json.loads((out / "run.json").read_bytes())
    for newer in ("crop_share", "noise_share"):
        del run["experiment"]["augment"][newer]
    (out / "run.json").write_text(json.dumps(run))
    train(tiny(), tinted, out=out)
    with pytest.raises(ConfigError, match="another augment"):
        train(tiny(**{"augment.noise_share": 0.5}), tinted, out=out)
    run["experiment"]["augment"]["of_another_version"] = 1
    (out / "run.json").write_text(json.dumps(run))
    with pytest.raises(ConfigError, match="another augment"):
        train(tiny(), tinted, out=out)


def test_what_a_run_writes_can_be_read_back(tinted, tmp_path) -> None:
    out = tmp_path / "run"
    result = train(tiny(), tinted, out=out)
    assert Experiment.read(out / "experiment.toml") == tiny()
    spec = json.loads((out / "fakeimg.json").read_bytes())
    assert spec["data"]["images"] == {
        "test": {"fake": 6, "real": 6}, "train": {"fake": 48, "real": 48}, "validation": {"fake": 6, "real": 6},
    }  # fmt: skip
    assert spec["data"]["fingerprint"] == Dataset.open(tinted).fingerprint()
    assert spec["started_from"] == "random initialisation"
    assert Image.open(out / "history.png").size[0] > 400
    test = recorded_split(str(out), tinted, "test", classes=("real", "fake"))
    assert sorted(test.frame["path"]) == sorted(result.data.split("test").frame["path"])
    with pytest.warns(UserWarning, match="96 of these 120 images were trained on"):
        recorded_split(str(out), tinted, None, classes=("real", "fake"))


def test_a_frozen_trunk_is_left_as_it_was_and_its_images_are_read_once(tinted, tmp_path, monkeypatch) -> None:
    experiment = Experiment.parse(
        {
            "backbone": "mobilenet_v2",
            "image_size": 48,
            "head": {"units": [8]},
            "train": {"epochs": 5, "learning_rate": 0.01},
        }
    )
    result = train(experiment, tinted)
    from fakeimg.models.network import Architecture, build_network, trunk_of

    fresh = trunk_of(build_network(Architecture.of(experiment), seed=0)).get_weights()
    for a, b in zip(result.detector.trunk.get_weights(), fresh, strict=True):
        np.testing.assert_array_equal(a, b)
    assert result.history["loss"].iloc[-1] < result.history["loss"].iloc[0]


def test_three_classes_are_trained_and_told_apart(tmp_path) -> None:
    classes = ("real", "edited", "generated")
    data = colour_faces(tmp_path / "three", 40, classes)
    result = train(tiny(**{"data.classes": list(classes), "train.epochs": 8, "head.kind": "mlp"}), data)
    test = result.data.split("test")
    called = result.detector.predict(test).probabilities.argmax(axis=1)
    assert (called == test.labels).mean() > 0.9


def test_images_that_cannot_be_read_are_named_and_left_out(tmp_path) -> None:
    data = colour_faces(tmp_path / "some", 30)
    (data / "real" / "0.png").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="1 of 60 images cannot be read"):
        result = train(tiny(**{"train.epochs": 1}), data)
    assert list(result.unreadable) == ["real/0.png"]


def test_a_truncated_file_takes_part_only_when_asked_for(tmp_path) -> None:
    data = colour_faces(tmp_path / "cut", 30)
    whole = (data / "real" / "1.png").read_bytes()
    (data / "real" / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="left out"):
        assert train(tiny(**{"train.epochs": 1}), data).unreadable
    assert not train(tiny(**{"train.epochs": 1, "data.truncated": "tolerate"}), data).unreadable


def test_the_step_decay_of_the_tutorial_divides_the_rate_every_epoch(tinted) -> None:
    keys = {"train.optimizer": "sgd", "train.learning_rate": 0.001, "train.decay": 0.1, "train.decay_every": 1}
    result = train(tiny(**keys), tinted)
    np.testing.assert_allclose(result.history["learning_rate"], [1e-3, 1e-4, 1e-5])


def test_patience_stops_after_so_many_epochs_without_a_better_one(tinted) -> None:
    result = train(tiny(**{"train.epochs": 40, "train.patience": 2, "train.learning_rate": 0.003}), tinted)
    assert len(result.history) in (result.best_epoch + 2, 40)
    assert len(result.history) < 40


def test_class_weights_follow_their_definition() -> None:
    labels = np.array([0, 0, 0, 1])
    np.testing.assert_allclose(class_weights(tiny(**{"train.class_weights": "balanced"}), labels), [2 / 3] * 3 + [2])
    np.testing.assert_allclose(class_weights(tiny(**{"train.class_weights": {"fake": 5.0}}), labels), [1, 1, 1, 5])
    with pytest.raises(DatasetError, match="'fak'"):
        class_weights(tiny(**{"train.class_weights": {"fak": 5.0}}), labels)


def test_a_diverging_run_says_so(tinted) -> None:
    with pytest.raises(Exception, match="learning rate"):
        train(tiny(**{"train.learning_rate": 3e38, "train.optimizer": "sgd"}), tinted)


def test_a_class_without_images_and_a_missing_source_are_refused(tinted) -> None:
    with pytest.raises(DatasetError, match="no source"):
        prepare_data(tiny(**{"data.sources": ["nowhere"]}), Dataset.open(tinted))
    with pytest.raises(DatasetError, match="fake"):
        prepare_data(tiny(), Dataset.open(tinted).take(np.arange(120) >= 60))


def _wait_for_checkpoint(path: Path, newer_than: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and _epochs_done(path) > newer_than:
            return
        time.sleep(0.01)
    raise AssertionError("the run ended or stood still before it could be killed")


def _epochs_done(path: Path) -> int:
    with np.load(path, allow_pickle=False) as arrays:
        return len(json.loads(str(arrays["record"]))["history"])
