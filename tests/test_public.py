"""Facts about the package as a whole: its public names, what importing it loads, and how files are written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fakeimg
from fakeimg.files import replacing, write_text

HEAVY = (
    "tensorflow",
    "keras",
    "pandas",
    "matplotlib",
    "scipy",
    "sklearn",
    "openvino",
    "gradio",
    "umap",
    "numba",
    "ray",
)


def loaded_by(program: str, *arguments: str) -> set[str]:
    code = f"import sys\n{program}\nprint([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(eval(done.stderr.strip().splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import fakeimg; dir(fakeimg); fakeimg.Experiment; fakeimg.Dataset") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["detect", "--help"], ["train", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    program = "from fakeimg.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    assert loaded_by(program, *arguments) == set()


def test_every_public_name_is_there_and_documented() -> None:
    assert list(fakeimg.__all__) == sorted(set(fakeimg.__all__))
    for name in fakeimg.__all__:
        assert getattr(fakeimg, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fakeimg.nothing


def test_the_contract_names_are_public() -> None:
    contract = {
        "load", "Dataset", "train", "search", "evaluate", "breakdown", "audit", "stress", "compare", "gradcam",
        "feature_maps", "embed", "push", "pull", "Detector", "Experiment",
    }  # fmt: skip
    assert contract <= set(fakeimg.__all__)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")
    with pytest.raises(OSError, match="full"):
        write_and_fail(target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.json"]


def write_and_fail(target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise OSError("the disk is full")


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_errors_say_what_was_probably_meant() -> None:
    from fakeimg.errors import did_you_mean

    assert did_you_mean("resnet5", ["resnet50", "five_conv"]) == "; did you mean 'resnet50'?"
    assert did_you_mean("xyz", ["resnet50"]) == ""
