"""`fakeimg push` and `fakeimg pull` as a person types them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from detector_folders import contents, make_folder
from hub_server import Hub

from fakeimg.models.artifact import read_spec

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Run:
    """Runs `fakeimg` in a process of its own, which knows of the Hub through its environment alone."""
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from fakeimg.cli import main; main()", *arguments]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True)

    return run


def test_push_then_pull(hub: Hub, run: Run, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    pushed = run("push", str(folder), "ann/faces", "--tag", "v1", "--message", "first")
    commit = hub.repos["ann/faces"].tags["v1"]
    assert (pushed.returncode, pushed.stdout) == (0, f"{hub.url}/ann/faces/commit/{commit}\n")
    assert pushed.stderr == "next: fakeimg detect FILE --model hf://ann/faces@v1\n"
    assert hub.repos["ann/faces"].private
    out = tmp_path / "out"
    pulled = run("pull", "ann/faces@v1", "--out", str(out))
    assert (pulled.returncode, pulled.stdout, pulled.stderr) == (0, f"{out}\n", "")
    assert read_spec(out).hub == {"repository": "ann/faces", "commit": commit}
    assert {**contents(folder), "fakeimg.json": b""}.items() <= {**contents(out), "fakeimg.json": b""}.items()


def test_an_error_is_one_line_and_a_failure(run: Run, tmp_path: Path) -> None:
    missing = run("pull", "ann/nothing")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("fakeimg: there is no model ann/nothing that this account may see")
    assert missing.stderr.count("\n") == 1
    offline = run("push", str(make_folder(tmp_path / "model")), "ann/faces", HF_HUB_OFFLINE="1")
    assert offline.returncode == 1
    assert "but HF_HUB_OFFLINE is set" in offline.stderr
