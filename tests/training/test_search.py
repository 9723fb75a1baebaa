"""Facts about searches: what is compared, what is read, and that nothing done is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError
from fakeimg.models.detector import Detector
from fakeimg.training.cell_record import validation_metrics
from fakeimg.training.grid import grid_cells
from fakeimg.training.prepare import prepare_data
from fakeimg.training.search import search
from fakeimg.training.search_table import mean_with_interval
from fakeimg.training.train import train

FROZEN = {
    "backbone": "resnet18",
    "image_size": 32,
    "head": {"units": [16], "dropout": 0.2},
    "train": {"batch_size": 8, "epochs": 3},
    "split": {"train": 0.5, "validation": 0.3, "test": 0.2},
    "grid": {"train.learning_rate": [1e-3, 1e-2], "head.dropout": [0.0, 0.3]},
}


def frozen(**changes):
    return Experiment.parse(FROZEN).with_values(changes)


def comparable(frame, *axes):
    """A table without the seconds, in an order of its own."""
    return frame.drop(columns=[name for name in ("seconds", "cell") if name in frame]).sort_values(
        list(axes or ("train.learning_rate", "head.dropout")), ignore_index=True
    )


def assert_same_table(one, other, *axes):
    one, other = comparable(one, *axes), comparable(other, *axes)
    pd.testing.assert_frame_equal(one, other[one.columns], check_exact=True)


@pytest.fixture(scope="module")
def finished(grain, tmp_path_factory, _cache_folder):
    """A search that ran to its end, and its folder."""
    os.environ["FAKEIMG_CACHE"] = str(_cache_folder)
    out = tmp_path_factory.mktemp("search") / "out"
    return search(frozen(), grain, out=out), out


def test_every_cell_is_a_row_with_its_metrics_and_their_intervals(finished, grain):
    result, out = finished
    assert len(result.frame) == 4
    assert set(result.frame["status"]) == {"ok"}
    for metric in ("accuracy", "balanced_accuracy", "auc", "loss", "precision", "recall"):
        measured = result.frame[result.frame[metric].notna()]
        assert len(measured) or metric == "precision"
        assert (measured[f"{metric}_low"] <= measured[metric]).all()
        assert (measured[metric] <= measured[f"{metric}_high"]).all()
        assert (measured[f"{metric}_low"] < measured[f"{metric}_high"]).all()
    part = prepare_data(frozen(), grain).frame["split"]
    assert set(result.frame["n"]) == {int((part == "validation").sum())}
    for name in ("results.csv", "results.parquet", "runs.csv", "best.json", "experiment.toml", "results.png"):
        assert (out / name).stat().st_size > 0, name
    pd.testing.assert_frame_equal(pd.read_parquet(out / "results.parquet"), result.frame)
    assert Experiment.read(out / "experiment.toml") == frozen()


def test_the_best_cell_has_the_best_metric(finished):
    result, out = finished
    best = json.loads((out / "best.json").read_text())
    assert best["accuracy"]["value"] == result.frame["accuracy"].max() == result.best["accuracy"]["value"]
    row = result.frame.loc[best["cell"]]
    assert {axis: row[axis] for axis in result.axes} == best["values"]
    assert Experiment.parse(best["experiment"]).head.dropout == best["values"]["head.dropout"]


def remember_hashes(data: Dataset, opened: list[str]) -> None:
    """The hash of a file is kept once the file is two seconds old; these were made a moment ago."""
    newest = max(path.stat().st_ctime for path in data.paths)
    time.sleep(max(0.0, newest + 2.1 - time.time()))
    Dataset.open(data.root).content_hashes()
    opened.clear()


def test_a_finished_search_is_answered_from_what_is_there(finished, grain, opened, monkeypatch):
    monkeypatch.setattr("fakeimg.training.search.run_bundle", _must_not_run)
    result, out = finished
    remember_hashes(grain, opened)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    again = search(frozen(), grain, out=out)
    pd.testing.assert_frame_equal(again.frame, result.frame)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert opened == []


def test_other_values_on_warm_features_open_no_image(finished, grain, opened):
    remember_hashes(grain, opened)
    result = search(frozen(grid={"train.learning_rate": [3e-3, 3e-2]}), grain)
    assert set(result.frame["status"]) == {"ok"}
    assert opened == []


def test_a_result_depends_neither_on_the_order_of_the_grid_nor_on_its_other_cells(finished, grain):
    whole, _ = finished
    turned = search(frozen(grid={"head.dropout": [0.3, 0.0], "train.learning_rate": [1e-2, 1e-3]}), grain)
    assert_same_table(whole.frame, turned.frame)
    assert whole.best["values"] == turned.best["values"]
    single = search(frozen(grid={"head.dropout": [0.3], "train.learning_rate": [1e-2]}), grain)
    expected = whole.frame[(whole.frame["head.dropout"] == 0.3) & (whole.frame["train.learning_rate"] == 1e-2)]
    assert_same_table(expected, single.frame)


def test_the_test_part_is_never_read(finished, grain, tmp_path, monkeypatch):
    whole, _ = finished
    monkeypatch.setenv("FAKEIMG_CACHE", str(tmp_path / "cache"))
    shutil.copytree(grain.root, tmp_path / "data")
    part = prepare_data(frozen(), Dataset.open(tmp_path / "data"))
    dataset = Dataset(part.frame.drop(columns="split"), part.root)
    hidden = part.split("test").paths
    for path in hidden:
        path.unlink()
        path.mkdir()  # whoever opens it fails
    assert len(hidden) == 12
    result = search(frozen(), dataset)
    assert_same_table(whole.frame, result.frame)


def test_a_cell_that_fails_is_a_row_with_its_error(grain, tmp_path):
    grid = {
        "head.dropout": [0.0, 1.5],
        "image_size": [32, 16],
        "train.optimizer": ["sgd"],
        "train.learning_rate": [1e-3, 1e38],
    }
    result = search(frozen(grid=grid, **{"train.epochs": 2}), grain, out=tmp_path)
    errors = result.frame.set_index(["head.dropout", "image_size", "train.learning_rate"])["error"]
    assert len(errors) == 8
    assert errors[0.0, 32, 1e-3] is None or pd.isna(errors[0.0, 32, 1e-3])
    assert "dropout" in errors[1.5, 32, 1e-3]
    assert "32 x 32 pixels or more" in errors[0.0, 16, 1e-3]
    assert "learning rate" in errors[0.0, 32, 1e38]
    assert result.best["values"]["image_size"] == 32
    again = search(frozen(grid=grid, **{"train.epochs": 2}), grain, out=tmp_path)
    assert_same_table(result.frame, again.frame, "head.dropout", "image_size", "train.learning_rate")


def test_a_run_of_fewer_epochs_is_a_prefix_and_equals_one_of_its_own(grain):
    axis = search(frozen(grid={"train.epochs": [1, 4]}), grain).frame
    for epochs in (1, 4):
        alone = search(frozen(grid={"train.epochs": [epochs]}), grain).frame
        assert_same_table(axis[axis["train.epochs"] == epochs], alone, "train.epochs")


def test_folds_and_repeats_give_every_cell_a_mean_over_runs(finished, grain):
    result = search(frozen(**{"search.folds": 3, "search.repeats": 2}), grain)
    assert list(result.frame["runs"]) == [6] * 4
    part = prepare_data(frozen(), grain).frame["split"]
    assert set(result.frame["n"]) == {int((part != "test").sum())}, "in each repeat every image validates once"
    for number, runs in result.runs.groupby("cell"):
        row = result.frame.loc[number]
        assert row["accuracy"] == pytest.approx(runs["accuracy"].mean())
        assert (runs.groupby("seed")["n"].sum() == row["n"]).all()
        assert row["accuracy_low"] < runs["accuracy"].mean() < row["accuracy_high"]
    assert len(set(result.runs["seed"])) == 2


def test_the_interval_of_a_mean_covers_the_spread_of_its_runs():
    def record(accuracy, repeat):
        counts = {"classes": [500, 500], "n": 1000, "n_train": 4000, "loss_deviation": 0.1}
        return {"metrics": {"accuracy": accuracy}, "repeat": repeat, **counts}

    _, calm_low, calm_high = mean_with_interval([record(0.9, i) for i in range(5)], "accuracy")
    mean, low, high = mean_with_interval([record(0.9 + 0.05 * (i - 2), i) for i in range(5)], "accuracy")
    assert mean == pytest.approx(0.9)
    # Wilson for 900 of 1,000, then Student's t with Nadeau and Bengio's factor: 2.776 * sqrt((1/5 + 1/4) * 0.00625).
    assert (calm_low, calm_high) == pytest.approx((0.8798, 0.9171), abs=1e-4)
    assert (low, high) == pytest.approx((0.9 - 0.1472, 1.0), abs=1e-3)


def test_metrics_are_those_of_scikit_learn():
    from sklearn import metrics

    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    logits = (random.normal(size=200) + labels).astype(np.float32)[:, None]
    found, called = validation_metrics(logits, labels), logits[:, 0] > 0
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, called))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, called))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(labels, logits[:, 0]))
    assert found["loss"] == pytest.approx(metrics.log_loss(labels, 1 / (1 + np.exp(-logits[:, 0].astype(float)))))
    assert found["precision"] == pytest.approx(metrics.precision_score(labels, called))
    assert found["recall"] == pytest.approx(metrics.recall_score(labels, called))


def test_a_random_search_draws_cells_of_the_grid_whatever_their_order():
    axes = {"train.learning_rate": [1e-4, 1e-3, 1e-2], "head.dropout": [0.0, 0.1, 0.2, 0.3], "seed": [0, 1]}
    turned = {axis: values[::-1] for axis, values in reversed(axes.items())}
    options = {"search.samples": 7, "search.kind": "random"}
    one = {json.dumps(cell.values, sort_keys=True) for cell in grid_cells(frozen(grid=axes, **options))}
    other = {json.dumps(cell.values, sort_keys=True) for cell in grid_cells(frozen(grid=turned, **options))}
    assert one == other
    assert len(one) == 7


def test_control_c_leaves_the_table_of_what_is_done(grain, tmp_path, finished):
    whole, _ = finished

    def interrupt(what, done, total):
        if what == "cells":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(frozen(), grain, out=tmp_path, progress=interrupt)
    table = pd.read_csv(tmp_path / "results.csv")
    assert sorted(table["status"]) == ["not run", "not run", "not run", "ok"]
    assert_same_table(whole.frame, search(frozen(), grain, out=tmp_path).frame)


def _must_not_run(*arguments, **options):
    raise AssertionError("a finished search trained something")


PROGRAM = """
import sys
from fakeimg.config import Experiment
from fakeimg.training.search import search
search(Experiment.read(sys.argv[1]), sys.argv[2], out=sys.argv[3])
"""


def test_killed_anywhere_it_ends_with_the_same_table(finished, grain, tmp_path):
    """Killed as soon as the first cell, then the next one, is there; then left alone."""
    whole, _ = finished
    (tmp_path / "grid.toml").write_text(frozen().to_toml())
    environment = {**os.environ, "FAKEIMG_CACHE": str(tmp_path / "cache")}
    shutil.copytree(os.environ["FAKEIMG_CACHE"] + "/graphs", tmp_path / "cache" / "graphs")
    command = [sys.executable, "-c", PROGRAM, tmp_path / "grid.toml", grain.root, tmp_path / "out"]
    cells = tmp_path / "out" / "cells"
    seen: dict[str, int] = {}
    for wanted in (1, 3):
        with subprocess.Popen(command, env=environment) as process:
            while process.poll() is None and len(list(cells.glob("[!.]*.json"))) < wanted:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        done = {path.name: path.stat().st_mtime_ns for path in cells.glob("[!.]*.json")}
        assert done.items() >= seen.items(), "a finished cell is not repeated"
        seen = done
    assert len(seen) >= 3
    result = search(frozen(), grain.root, out=tmp_path / "out")
    assert_same_table(whole.frame, result.frame)


def test_one_folder_serves_one_search_at_a_time(grain, tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(ConfigError, match="another search"):
        search(frozen(), grain, out=tmp_path)


@pytest.mark.parametrize("options", [{"on": "moon"}, {"jobs": 0}, {"address": "localhost:1"}])
def test_impossible_arguments_are_refused(grain, options):
    with pytest.raises(ConfigError):
        search(frozen(), grain, **options)


def test_cells_that_train_the_trunk_do_so_in_processes_of_their_own(grain, tmp_path):
    changes = {"backbone": "five_conv_program", "trainable": "all", "image_size": 48, "head.units": [8]}
    grid = {"train.learning_rate": [1e-3, 1e38]}
    experiment = frozen(**changes, **{"train.epochs": 2}, grid=grid)
    messages = []
    result = search(experiment, grain, out=tmp_path, jobs=2, progress=lambda *message: messages.append(message))
    good, bad = (row for _, row in result.frame.sort_values("train.learning_rate").iterrows())
    assert good["status"] == "ok"
    assert bad["status"] == "error"
    assert "learning rate" in bad["error"]
    assert any(what.startswith("cell 1: training") and (done, total) == (2, 2) for what, done, total in messages)
    part = prepare_data(experiment, grain)
    alone = train(
        experiment.with_values({"train.learning_rate": 1e-3, "grid": {}}), part.take(part.frame["split"] != "test")
    )
    expected = alone.history["val_accuracy"].iloc[alone.best_epoch - 1]
    assert good["accuracy"] == pytest.approx(expected, abs=1 / 18 + 1e-9)
    assert good["best_epoch"] == alone.best_epoch


def test_the_best_cell_is_trained_again_on_request(grain, tmp_path):
    result = search(frozen(grid={"head.dropout": [0.0, 0.3]}, **{"search.retrain": True}), grain, out=tmp_path)
    record = result.detector.spec.data.images
    assert sum(record["train"].values()) == 48
    assert "validation" not in record
    chosen = Experiment.parse(result.detector.spec.experiment)
    assert chosen.head.dropout == result.best["values"]["head.dropout"]
    assert chosen.train.epochs == result.best["best_epoch"]
    point = Detector.open(next(tmp_path.glob("best-*"))).operating_point
    assert point == result.detector.operating_point
    assert "by the same training without them" in point.chosen_on
    assert point.n_real + point.n_fake > 0
