"""Publishing: what reaches the Hub, and what is said when it does not."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from detector_folders import WEIGHTS, contents, make_folder
from hub_server import READ, Hub

from fakeimg.errors import HubError, ModelError
from fakeimg.hub.publish import push
from fakeimg.models.artifact import CARD_FILE, SPEC_FILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "model")


def refused(hub: Hub, folder: Path, repo: str = "ann/faces", **options: object) -> str:
    """The one line that a refused push says; the folder and whatever the repository held are as before."""
    before = contents(folder)
    known = hub.repos.get(repo, SimpleNamespace(branches={}))
    head = known.branches.get("main")
    with pytest.raises(HubError) as error:
        push(folder, repo, **options)  # type: ignore[arg-type]
    assert contents(folder) == before
    assert head is None or hub.repos[repo].branches["main"] == head
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_push_is_one_commit_with_every_file_of_the_detector(hub: Hub, folder: Path) -> None:
    result = push(folder, "ann/faces", commit_message="first detector")
    repo = hub.repos["ann/faces"]
    pushed = repo.commits[result.commit]
    assert [commit.message for commit in repo.commits.values()] == ["initial commit", "first detector"]
    assert {name: file.content for name, file in pushed.files.items() if name in contents(folder)} == contents(folder)
    assert set(pushed.files) == {*contents(folder), CARD_FILE, ".gitattributes"}
    assert result.url == f"{hub.url}/ann/faces/commit/{result.commit}"


def test_the_token_goes_to_the_hub_alone(hub: Hub, folder: Path) -> None:
    push(folder, "ann/faces")
    assert hub.count("PUT /lfs/") == 1
    assert hub.leaks == []


def test_a_new_repository_is_private_until_it_is_made_public(hub: Hub, folder: Path) -> None:
    push(folder, "ann/faces")
    assert hub.repos["ann/faces"].private
    push(folder, "ann/faces", public=True)
    assert not hub.repos["ann/faces"].private
    push(folder, "ann/open", public=True)
    assert not hub.repos["ann/open"].private


def test_pushing_the_same_again_makes_no_commit(hub: Hub, folder: Path) -> None:
    first = push(folder, "ann/faces")
    assert push(folder, "ann/faces").commit == first.commit
    assert len(hub.repos["ann/faces"].commits) == 2


def test_a_card_with_metadata_is_published_as_it_is(hub: Hub, tmp_path: Path) -> None:
    card = "---\nlicense: mit\n---\n# mine\n"
    result = push(make_folder(tmp_path / "model", card=card), "ann/faces")
    assert hub.repos["ann/faces"].commits[result.commit].files[CARD_FILE].content.decode() == card


def test_a_tag_names_the_commit_and_is_never_moved(hub: Hub, folder: Path, tmp_path: Path) -> None:
    first = push(folder, "ann/faces", tag="v1")
    assert hub.repos["ann/faces"].tags == {"v1": first.commit}
    said = refused(hub, make_folder(tmp_path / "other"), tag="v1")
    assert said == "ann/faces has a tag 'v1' already (its tags: v1); give another"


def test_a_pull_request_leaves_main_alone(hub: Hub, folder: Path) -> None:
    head = hub.create("ann/faces", {"notes.txt": b"mine"})
    result = push(folder, "ann/faces", create_pr=True)
    assert hub.repos["ann/faces"].branches == {"main": head, "refs/pr/1": result.commit}
    assert result.url == f"{hub.url}/ann/faces/discussions/1"


def test_other_files_of_the_repository_stay(hub: Hub, folder: Path) -> None:
    hub.create("ann/faces", {"notes.txt": b"mine"})
    assert hub.repos["ann/faces"].commits[push(folder, "ann/faces").commit].files["notes.txt"].content == b"mine"


def test_a_commit_made_during_the_upload_is_not_overwritten(hub: Hub, folder: Path) -> None:
    hub.create("ann/faces")
    theirs = []
    hub.fault(
        "preupload", meanwhile=lambda: theirs.append(hub.commit("ann/faces", {"config.json": b"theirs"})), times=1
    )
    with pytest.raises(HubError, match="ann/faces has changed since; pull it"):
        push(folder, "ann/faces")
    assert hub.repos["ann/faces"].branches["main"] == theirs[0]
    assert push(folder, "ann/faces").commit != theirs[0]


def test_a_stale_parent_is_refused(hub: Hub, folder: Path) -> None:
    old = hub.create("ann/faces", {"a.txt": b"1"})
    hub.commit("ann/faces", {"a.txt": b"2"})
    assert "has changed since; pull it" in refused(hub, folder, parent_commit=old)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tag": "v 1"}, "'v 1' is no revision"),
        ({"parent_commit": "main"}, "'main' is no commit of ann/faces; give its full id of 40 digits"),
    ],
)
def test_a_name_that_cannot_be_one_is_found_before_anything_is_sent(
    hub: Hub, folder: Path, options: dict[str, str], said: str
) -> None:
    assert said in refused(hub, folder, **options)
    assert hub.requests == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("pattern", ["POST .*/tag/", "PUT .*/settings"])
def test_a_push_that_broke_after_its_commit_is_completed_by_the_next(hub: Hub, folder: Path, pattern: str) -> None:
    hub.create("ann/faces", private=True)
    hub.fault(pattern, status=500)
    with pytest.raises(HubError, match="the Hub has trouble"):
        push(folder, "ann/faces", tag="v1", public=True)
    hub.faults.clear()
    if not hub.repos["ann/faces"].tags:
        push(folder, "ann/faces", tag="v1", public=True)
    commit = push(folder, "ann/faces", public=True).commit
    assert len(hub.repos["ann/faces"].commits) == 2
    assert hub.repos["ann/faces"].tags == {"v1": commit}
    assert not hub.repos["ann/faces"].private


def test_a_damaged_folder_is_not_published(hub: Hub, folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"x" * 200_000)
    with pytest.raises(ModelError, match="SHA-256"):
        push(folder, "ann/faces")
    assert hub.requests == []


@pytest.mark.parametrize("name", ["faces", "ann/faces/more", "a b/c", "https://huggingface.co/ann/faces", ""])
def test_a_name_that_is_none_asks_nothing(hub: Hub, folder: Path, name: str) -> None:
    assert "names no repository; write owner/name" in refused(hub, folder, name)
    assert hub.requests == []


def test_a_revision_cannot_be_pushed_to(hub: Hub, folder: Path) -> None:
    assert "a push makes a new commit" in refused(hub, folder, "ann/faces@v1")


@pytest.mark.parametrize(
    ("token", "repo", "said"),
    [
        (
            None,
            "ann/faces",
            "the Hub refuses the token, or there is none; run `hf auth login`, or set HF_TOKEN to a valid one",
        ),
        ("hf_wrong", "ann/faces", "the Hub refuses the token"),
        (READ, "bob/faces", "the token may not do that to bob/faces"),
        (None, "bob/faces", "the token may not do that to bob/faces"),
    ],
)
def test_without_the_right_to_write(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, repo: str, said: str
) -> None:
    if (token, repo) == (None, "ann/faces"):
        monkeypatch.delenv("HF_TOKEN")
    assert said in refused(hub, folder, repo, token=token)
    assert repo not in hub.repos


def test_metadata_that_the_hub_refuses(hub: Hub, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", card="---\nlicense: mit\npipeline_tag: [1]\n---\n# mine\n")
    said = 'the Hub refuses the metadata at the top of README.md: "pipeline_tag" must be a string'
    assert refused(hub, folder) == said


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("- a list", "the metadata of README.md cannot be read"),
        ("license: [unclosed", "the metadata of README.md cannot be read"),
        ("license: apache", "README.md states the licence 'apache'; the Hub knows apache-2.0"),
        ("tags: [face, 1]", "README.md lists tags that are not words"),
        ("model-index: [{name: x, results: [{task: 1}]}]", "the metadata of README.md cannot be read"),
    ],
)
def test_wrong_metadata_is_found_before_anything_is_sent(hub: Hub, tmp_path: Path, metadata: str, said: str) -> None:
    folder = make_folder(tmp_path / "model", card=f"---\n{metadata}\n---\n# mine\n")
    assert said in refused(hub, folder)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("pattern", "status", "said"),
    [
        ("GET /api/models/", 429, "the Hub asks to slow down; try again in 7 seconds"),
        ("GET /api/models/", 500, r"the Hub has trouble \(status 500\); try again in a few minutes"),
        ("POST .*/preupload/", 503, r"the Hub has trouble \(status 503\)"),
        ("POST .*/objects/batch", 401, "the Hub refuses the token"),
        ("PUT /lfs/", 500, r"the Hub has trouble \(status 500\)"),
        ("POST .*/commit/", 429, "the Hub asks to slow down"),
        ("POST .*/commit/", 500, r"the Hub has trouble \(status 500\)"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_failing_hub_loses_nothing_and_the_next_push_works(
    hub: Hub, folder: Path, pattern: str, status: int, said: str
) -> None:
    hub.create("ann/faces", {"notes.txt": b"mine"})
    hub.fault(pattern, status=status, headers={"Retry-After": "7"} if status == 429 else {})
    refused_with = refused(hub, folder)
    assert re.search(said, refused_with), refused_with
    hub.faults.clear()
    pushed = hub.repos["ann/faces"].commits[push(folder, "ann/faces").commit].files
    assert pushed[SPEC_FILE].content == (folder / SPEC_FILE).read_bytes()
    assert pushed["notes.txt"].content == b"mine"
