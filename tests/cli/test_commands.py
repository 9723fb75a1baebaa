"""Facts about the command line, each checked by running it as a user does."""

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

from fakeimg import Detector, Experiment
from fakeimg.models.artifact import DetectorSpec
from fakeimg.models.network import Architecture, build_network

PROGRAM = [sys.executable, "-c", "from fakeimg.cli import main; main()"]
CONFIG = """
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


def run(*arguments: object, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    architecture = Architecture.of(Experiment.parse({"backbone": "five_conv_program", "image_size": 48}))
    detector = Detector.of(build_network(architecture), DetectorSpec(architecture=architecture, positive_class="fake"))
    folder = tmp_path_factory.mktemp("model")
    detector.save(folder).predict(np.zeros((1, 48, 48, 3), np.uint8))  # makes the graph
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Tinted noise in class folders, with one file that is no picture."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for k, label in enumerate(("real", "fake")):
        (folder / label).mkdir()
        for i in range(20):
            picture = rng.integers(60, 160, (48, 48, 3), np.uint8)
            picture[..., k] += 60
            Image.fromarray(picture).save(folder / label / f"{i:02}.png")
    (folder / "fake" / "11b.png").write_bytes(b"no picture")
    return folder


def test_detect_scores_a_tree_with_a_bad_file_in_the_middle(model, faces) -> None:
    done = run("detect", faces, "-m", model, "--json", code=4)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 41
    bad = [record for record in records if record["status"] == "error"]
    assert [Path(record["path"]).name for record in bad] == ["11b.png"]
    assert bad[0]["reason"]
    assert bad[0]["verdict"] is None
    assert {record["verdict"] for record in records} <= {"fake", "real", "inconclusive", None}
    assert "1 of 41 inputs could not be read" in done.stderr


def test_detect_takes_files_globs_and_a_list_and_keeps_their_order(model, faces) -> None:
    names = [str(faces / "real" / name) for name in ("03.png", "01.png")]
    listed = run("detect", "-", "-m", model, "--csv", stdin="\n".join(names) + "\n").stdout
    given = run("detect", *names, "-m", model, "--csv").stdout
    assert listed == given
    assert [line.split(",")[0] for line in given.splitlines()] == ["path", *names]
    globbed = run("detect", str(faces / "real" / "0*.png"), "-m", model).stdout
    assert len(globbed.splitlines()) == 10
    assert all("probability of fake" in line for line in globbed.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["detect", "x.png", "--model", "nowhere"], 1, "no model folder 'nowhere'"),
        (["detect", "x.png", "--engine", "torch", "-m", "MODEL"], 2, "no engine 'torch'"),
        (["detect", "x.png", "--json", "--csv", "-m", "MODEL"], 2, "choose one"),
        (["detect", "*.nothing", "-m", "MODEL"], 2, "nothing matches"),
        (["detect"], 2, "Missing argument"),
        (["detct"], 2, "Did you mean"),
        (["train", "nowhere", "--config", "none.toml", "--out", "o"], 2, "no experiment file"),
        (["breakdown", "nowhere", "--by", "gender"], 2, "no predictions"),
        (["cache", "prune"], 2, "say what to delete"),
    ],
)
def test_wrong_use_is_answered_in_one_line(model, tmp_path, arguments, code, message) -> None:
    arguments = [str(model) if word == "MODEL" else word for word in arguments]
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_missing_file_is_an_error_of_that_file_alone(model, faces) -> None:
    done = run("detect", faces / "real" / "00.png", faces / "absent.png", "-m", model, "--json", code=4)
    statuses = [json.loads(line)["status"] for line in done.stdout.splitlines()]
    assert statuses == ["ok", "error"]


def test_the_main_job_from_two_folders_to_verdicts(faces, tmp_path) -> None:
    (tmp_path / "experiment.toml").write_text(CONFIG)
    out = tmp_path / "run"
    done = run("train", faces, "--config", tmp_path / "experiment.toml", "--out", out, "--set", "train.epochs=6")
    assert "random initialisation" in done.stderr
    assert Experiment.read(out / "experiment.toml").train.epochs == 6
    evaluated = run("evaluate", out, faces, "--split", "test", "--out", out / "test", "--json")
    metrics = json.loads(evaluated.stdout)
    assert metrics == json.loads((out / "test" / "metrics.json").read_text())
    assert set(metrics["accuracy"]) == {"value", "low", "high", "n"}
    assert metrics["accuracy"]["low"] < metrics["accuracy"]["value"] + 1e-9
    predictions = pd.read_parquet(out / "test" / "predictions.parquet")
    assert len(predictions) == metrics["n"] + metrics["unreadable"]
    split = pd.read_csv(out / "split.csv").set_index("path")["split"]
    assert set(split[predictions["path"]]) == {"test"}
    verdicts = run("detect", faces / "fake" / "00.png", "-m", out, "--json").stdout
    assert json.loads(verdicts)["model"] == str(out)


def test_ctrl_c_ends_quietly_with_130(faces, tmp_path) -> None:
    (tmp_path / "experiment.toml").write_text(CONFIG)
    command = [
        *PROGRAM,
        "train",
        str(faces),
        "--config",
        str(tmp_path / "experiment.toml"),
        "--out",
        str(tmp_path / "o"),
    ]
    process = subprocess.Popen([*command, "--set", "train.epochs=5000"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not (tmp_path / "o" / "checkpoint.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in messages


def test_a_reader_that_stops_early_is_no_error(model, faces) -> None:
    command = f"{sys.executable} -c 'from fakeimg.cli import main; main()' detect {faces / 'real'} -m {model} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=os.environ)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
