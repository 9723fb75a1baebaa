"""Pulling: what is fetched, what the cache spares, and what is said when the Hub fails; the cache stays usable."""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from detector_folders import WEIGHTS, contents, make_folder
from hub_server import READ, Hub

import fakeimg.hub.client
from fakeimg.errors import FakeimgError, HubError, ModelError
from fakeimg.hub.publish import push
from fakeimg.hub.pull import pull
from fakeimg.models.artifact import SPEC_FILE, read_spec, verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "model")


@pytest.fixture
def commit(hub: Hub, folder: Path) -> str:
    """ann/faces, published; the commit."""
    commit = push(folder, "ann/faces", tag="v1").commit
    hub.requests.clear()
    return commit


def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub-cache" / "models--ann--faces"


def refused(repo: str = "ann/faces", **options: object) -> str:
    """The one line that a refused pull says."""
    with pytest.raises(FakeimgError) as error:
        pull(repo, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


def assert_nothing_bad_is_kept(tmp_path: Path) -> None:
    """Every blob of the cache is what it is named by, and no half file lies about."""
    blobs = cache(tmp_path) / "blobs"
    for blob in blobs.iterdir() if blobs.is_dir() else ():
        assert fakeimg.hub.pull._intact(blob), blob.name


# ---- what is fetched ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["ann/faces", "hf://ann/faces", "ann/faces@v1", "hf://ann/faces@main", "hf://ann/faces@{commit}"]
)
def test_what_was_pushed_comes_back(hub: Hub, folder: Path, commit: str, name: str) -> None:
    pulled = pull(name.format(commit=commit))
    assert pulled.name == commit
    assert contents(folder).items() <= contents(pulled).items()
    assert hub.leaks == []


def test_a_tag_and_a_commit_stay_what_they_were(hub: Hub, commit: str, tmp_path: Path) -> None:
    newer = push(make_folder(tmp_path / "other"), "ann/faces").commit
    assert pull("ann/faces", revision="v1").name == pull("ann/faces", revision=commit).name == commit
    assert pull("ann/faces").name == newer


def test_a_commit_in_the_cache_costs_no_request(hub: Hub, commit: str) -> None:
    first = pull("ann/faces", revision=commit)
    hub.requests.clear()
    assert pull("ann/faces", revision=commit) == first
    assert hub.requests == []


def test_a_branch_in_the_cache_costs_one_request(hub: Hub, commit: str) -> None:
    pull("ann/faces")
    hub.requests.clear()
    pull("ann/faces")
    assert len(hub.requests) == 1


def test_only_what_the_spec_names_is_fetched(hub: Hub, commit: str) -> None:
    hub.commit("ann/faces", {"pytorch_model.bin": b"pickle", "events.out": b"x" * 1000})
    hub.requests.clear()
    assert set(contents(pull("ann/faces"))) == {SPEC_FILE, WEIGHTS, "config.json", "metadata.json", "README.md"}
    assert hub.count("pytorch_model|events") == 0


def test_a_copy_outside_the_cache_names_the_commit_it_came_from(hub: Hub, commit: str, tmp_path: Path) -> None:
    out = pull("ann/faces@v1", out=tmp_path / "out")
    assert read_spec(out).hub == {"repository": "ann/faces", "commit": commit}
    verify(out, read_spec(out))
    assert not any(path.is_symlink() for path in out.iterdir())
    assert pull("ann/faces@v1", out=tmp_path / "out") == out  # again is no error


def test_a_copy_replaces_nothing(hub: Hub, commit: str, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other")
    before = contents(other)
    assert refused(out=other) == f"{other} holds another detector; give a new folder"
    assert contents(other) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert refused(out=tmp_path / "mine") == f"{tmp_path / 'mine'} is not empty; give a new folder"


def test_a_forced_download_fetches_anew(hub: Hub, commit: str) -> None:
    pull("ann/faces", revision=commit)
    hub.requests.clear()
    pull("ann/faces", revision=commit, force_download=True)
    assert hub.count("GET /lfs/") == 1


# ---- without the network -----------------------------------------------------------------------------------------


def test_offline_the_cache_serves_what_it_has(hub: Hub, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pull("ann/faces")
    hub.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pull("ann/faces") == pull("ann/faces", revision=commit) == first
    assert re.search(
        r"v1 is not whole in the cache .*, and HF_HUB_OFFLINE is set; pull it once", refused("ann/faces@v1")
    )
    assert hub.requests == []


def test_local_files_only_asks_nobody(hub: Hub, commit: str) -> None:
    assert "only the cache was to be used" in refused(local_files_only=True)
    assert hub.requests == []
    first = pull("ann/faces")
    hub.requests.clear()
    assert pull("ann/faces", local_files_only=True) == first
    assert hub.requests == []


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def test_a_dead_host_is_said_at_once_and_the_cache_steps_in(
    hub: Hub, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pull("ann/faces")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", dead := closed_port())
    assert refused("ann/other").startswith(f"cannot reach {dead} (")
    with pytest.warns(UserWarning, match=f"going on with the cached copy of hf://ann/faces, {commit}"):
        assert pull("ann/faces") == first


def test_a_host_that_never_answers_is_given_up_soon(hub: Hub, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fakeimg.hub.client.PATIENCE < 5
    monkeypatch.setattr("fakeimg.hub.client.PATIENCE", 0.2)
    hub.fault("GET", hang=True)
    assert refused() == (
        f"cannot reach {hub.url} (no answer in 0.2 seconds); "
        "check the network and HF_ENDPOINT, or use a model that is already here"
    )
    assert len(hub.requests) <= 1  # it is not asked again


def test_a_slow_host_is_waited_for(hub: Hub, commit: str) -> None:
    hub.fault("", delay=0.05)
    assert pull("ann/faces").name == commit


def test_the_environment_decides_where_the_hub_is(hub: Hub, commit: str, tmp_path: Path) -> None:
    program = "import fakeimg.hub.pull as p; print(p.pull('ann/faces'))"
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith(f"home/hub/models--ann--faces/snapshots/{commit}")
    hub.requests.clear()
    subprocess.run([sys.executable, "-c", program], env=environment | {"HF_HUB_OFFLINE": "1"}, check=True)
    assert hub.requests == []


# ---- faults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "fault", "said"),
    [
        ("GET /api/", {"status": 401}, "the Hub refuses the token, or there is none"),
        ("GET /api/", {"status": 404}, "refuses (status 404: Not Found); check that it is a Hub"),
        ("GET /api/", {"status": 429, "headers": {"Retry-After": "9"}}, "asks to slow down; try again in 9 seconds"),
        ("GET /api/", {"status": 429}, "the Hub asks to slow down; try again in a few minutes"),
        ("GET /api/", {"status": 500}, "the Hub has trouble (status 500); try again in a few minutes"),
        ("HEAD", {"status": 500}, "the Hub has trouble (status 500)"),
        ("HEAD", {"status": 429}, "the Hub asks to slow down"),
        ("HEAD .*/model.weights.h5", {"status": 401}, "the Hub refuses the token"),
        (
            "HEAD .*/config.json",
            {"status": 404, "headers": {"X-Error-Code": "EntryNotFound"}},
            "hf://ann/faces lacks a file that its fakeimg.json lists",
        ),
        ("GET /lfs/", {"status": 500}, "the Hub has trouble (status 500)"),
        ("GET /lfs/", {"cut": 1000}, "cannot reach"),
        ("GET /lfs/", {"tamper": True}, "what was received as model.weights.h5 is not the file that was published"),
        ("GET .*/config.json", {"tamper": True}, "what was received as config.json is not the file"),
        ("GET .*/fakeimg.json", {"tamper": True}, "what was received as fakeimg.json is not the file"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_fault_has_its_line_and_the_next_pull_works(
    hub: Hub, commit: str, folder: Path, tmp_path: Path, pattern: str, fault: dict[str, object], said: str
) -> None:
    hub.fault(pattern, **fault)
    assert said in refused()
    assert_nothing_bad_is_kept(tmp_path)
    hub.faults.clear()
    assert contents(folder).items() <= contents(pull("ann/faces")).items()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [{"cut": 1000}, {"tamper": True}])
def test_a_passing_fault_is_overcome(hub: Hub, commit: str, folder: Path, fault: dict[str, object]) -> None:
    hub.fault("GET /lfs/", times=1, **fault)
    assert contents(folder).items() <= contents(pull("ann/faces")).items()
    assert hub.count("GET /lfs/") == 2


def test_what_is_not_there_or_not_allowed(hub: Hub, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused("ann/nothing").startswith("there is no model ann/nothing that this account may see; check the name")
    assert refused(token=READ).startswith("there is no model ann/faces that this account may see")
    assert "refuses the token" in refused(token="hf_wrong")
    monkeypatch.delenv("HF_TOKEN")
    assert "for a private one run `hf auth login` or set HF_TOKEN" in refused()


def test_a_gated_repository_says_where_to_ask(hub: Hub, commit: str) -> None:
    hub.repos["ann/faces"].private = False
    hub.repos["ann/faces"].gated = True
    assert refused(token=READ).startswith(f"ann/faces is gated: ask for access at {hub.url}/ann/faces, then run")


def test_a_wrong_revision_names_the_right_ones(hub: Hub, commit: str) -> None:
    assert refused("ann/faces@v2") == "ann/faces has no revision 'v2'; it has main, v1, or give a commit"
    assert "has no revision '" + "0" * 40 in refused(revision="0" * 40)


@pytest.mark.parametrize("name", ["faces", "a/b/c", "hf://ann", "ann/faces/resolve/main/x", "../faces", "ann/", ""])
def test_a_name_that_is_none_asks_nothing(hub: Hub, name: str) -> None:
    assert refused(name) == f"{name!r} names no repository; write owner/name or hf://owner/name@revision"
    assert hub.requests == []


@pytest.mark.parametrize("revision", ["../../x", "a b", "/etc", "-x", "v1\n"])
def test_a_revision_that_is_none_asks_nothing(hub: Hub, revision: str) -> None:
    assert "is no revision; give a branch, a tag, or a commit" in refused(revision=revision).replace("\n", "")
    assert hub.requests == []


def test_two_revisions_are_one_too_many(hub: Hub) -> None:
    assert refused("ann/faces@v1", revision="v2").endswith("asks for revision 'v1', the option for 'v2'; give one")


# ---- repositories that mean harm, or are none of ours ----------------------------------------------------------------


def test_a_repository_without_a_spec_is_no_detector(hub: Hub) -> None:
    hub.create("ann/other", {"model.safetensors": b"x"})
    assert refused("ann/other") == "hf://ann/other holds no fakeimg.json, so it is not a fakeimg detector"
    assert hub.count("resolve") == 0


def edited(hub: Hub, change: Callable[[dict[str, object]], object]) -> None:
    """Commit ann/faces with a `fakeimg.json` changed by hand."""
    repo = hub.repos["ann/faces"]
    spec = json.loads(repo.commits[repo.branches["main"]].files[SPEC_FILE].content)
    change(spec["files"])
    hub.commit("ann/faces", {SPEC_FILE: json.dumps(spec).encode()})


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "a/b", "..", "a\\b", ".hidden", "C:x", "fakeimg.json", "x\n"]
)
def test_a_spec_that_names_other_places_is_refused_before_they_are_touched(hub: Hub, commit: str, name: str) -> None:
    edited(hub, lambda files: files.update({name: {"sha256": "0" * 64, "bytes": 1}}))
    hub.requests.clear()
    assert "which is no plain file name; it is not to be trusted" in refused()
    assert hub.count("resolve") == hub.count(f"resolve/.*/{SPEC_FILE}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files[WEIGHTS].update(bytes=5 * 2**30), "no detector has that"),
        (lambda files: files[WEIGHTS].update(bytes=200_001), "has 200,000 bytes, not the 200,001 of fakeimg.json"),
        (lambda files: files.update(more={"sha256": "0" * 64, "bytes": 1}), "lacks more, which its fakeimg.json lists"),
        (
            lambda files: files.update({f"f{n}": {"sha256": "0" * 64, "bytes": 1} for n in range(99)}),
            "more than 32 files",
        ),
        (lambda files: files[WEIGHTS].update(sha256="0" * 64), "what was received as model.weights.h5 is not the file"),
    ],
)
def test_a_spec_that_does_not_fit_the_files(
    hub: Hub, commit: str, change: Callable[[dict[str, object]], object], said: str
) -> None:
    edited(hub, change)
    assert said in refused()


def test_a_huge_spec_is_not_even_fetched(hub: Hub) -> None:
    hub.create("ann/other", {SPEC_FILE: b" " * 3_000_000})
    with pytest.raises(ModelError, match="has 3,000,000 bytes"):
        pull("ann/other")
    assert hub.count("resolve") == 0


# ---- damage on this machine --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [WEIGHTS, SPEC_FILE, "config.json"])
def test_a_damaged_cache_is_mended(
    hub: Hub, commit: str, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pulled = pull("ann/faces", revision=commit)
    blob = (pulled / name).resolve()
    content = blob.read_bytes()
    blob.write_bytes(content.replace(content[-9:], b"tampered!"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "is not whole in the cache" in refused(revision=commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert contents(folder).items() <= contents(pull("ann/faces", revision=commit)).items()


def test_a_full_disk_is_said_and_leaves_no_half_file(hub: Hub, commit: str, folder: Path, tmp_path: Path) -> None:
    # A limit on the size of files stands in for the disk: the write fails in the middle, as on a full one.
    program = (
        "import signal, fakeimg.hub.pull as p; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: p.pull('ann/faces')\n"
        "except p.HubError as error: print(error)\n"
    )
    home = tmp_path / "home"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
    )
    assert run.stdout.startswith("no room on the disk for hf://ann/faces; free some"), run.stderr
    assert not [path for path in home.rglob("*") if path.is_file() and path.stat().st_size >= 100_000]
    assert contents(folder).items() <= contents(pull("ann/faces", cache_dir=home / "hub")).items()


def test_a_cache_that_may_not_be_written(hub: Hub, commit: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(HubError, match=r"Not a directory\); choose another place: out, cache_dir or HF_HOME"):
        pull("ann/faces", cache_dir=tmp_path / "file")


def test_the_cache_can_be_thrown_away(hub: Hub, commit: str, tmp_path: Path) -> None:
    pull("ann/faces")
    shutil.rmtree(cache(tmp_path))
    assert pull("ann/faces").name == commit
