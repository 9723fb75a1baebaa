"""Facts about uploads: what is no upload is never opened, and a zip stays within itself."""

import stat
import zipfile
from pathlib import Path

import pytest

from fakeimg.app import uploads
from fakeimg.app.messages import said, without_paths
from fakeimg.app.uploads import Upload, shown, unpacked, uploaded
from fakeimg.errors import HubError, ImageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "uploads" / "ab").mkdir(parents=True)
    (tmp_path / "uploads" / "ab" / "face.jpg").write_bytes(b"x")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "uploads"


def test_an_upload_keeps_the_visitors_name(folder: Path) -> None:
    found = uploaded({"path": str(folder / "ab" / "face.jpg"), "orig_name": "Me & you.jpg"}, folder)
    assert found == Upload("Me & you.jpg", folder / "ab" / "face.jpg")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{}/../secret.txt",
        "{}/ab/../../secret.txt",
        "ab/face.jpg",
        "{}",
        "",
        "http://127.0.0.1/x.png",
        "file:///etc/passwd",
    ],
)
def test_any_other_path_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(ImageError, match="send") as caught:
        uploaded({"path": path.format(folder)}, folder)
    assert str(folder) not in str(caught.value)


@pytest.mark.parametrize("payload", [None, "face.jpg", 7, [], {}, {"path": None}])
def test_what_is_no_file_is_refused(folder: Path, payload: object) -> None:
    with pytest.raises(ImageError, match="sent"):
        uploaded(payload, folder)


def test_links_are_refused_wherever_they_lead(folder: Path) -> None:
    (folder / "out.jpg").symlink_to(folder.parent / "secret.txt")
    (folder / "in.jpg").symlink_to(folder / "ab" / "face.jpg")
    for name in ("out.jpg", "in.jpg"):
        with pytest.raises(ImageError):
            uploaded({"path": str(folder / name)}, folder)


def test_a_deleted_upload_says_what_happened(folder: Path) -> None:
    with pytest.raises(ImageError, match="deleted after some minutes"):
        uploaded({"path": str(folder / "ab" / "gone.jpg")}, folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\me\\face.jpg", "face.jpg"),
        ("a\nb\x00.png", "ab.png"),
        ("", "picture"),
        ("x" * 300, "x" * 120),
    ],
)
def test_names_are_only_ever_shown(name: str, expected: str) -> None:
    assert shown(name) == expected


def make_zip(path: Path, entries: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Upload:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return Upload(path.name, path)


def test_pictures_of_a_zip_are_found_and_gone_afterwards(tmp_path: Path) -> None:
    archive = make_zip(
        tmp_path / "faces.zip",
        {"a/one.jpg": b"1", "b/one.jpg": b"2", "notes.txt": b"n", "__MACOSX/._one.jpg": b"m", ".hidden.png": b"h"},
    )
    single = Upload("two.png", tmp_path / "two.png")
    with unpacked([archive, single]) as pictures:
        assert [picture.name for picture in pictures] == ["one.jpg", "one.jpg", "two.png"]
        assert [picture.path.read_bytes() for picture in pictures[:2]] == [b"1", b"2"]
        kept = [picture.path for picture in pictures[:2]]
    assert not any(path.exists() for path in kept)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../face.jpg", "outside"),
        ("a/../../face.jpg", "outside"),
        ("/face.jpg", "outside"),
        ("..\\face.jpg", "outside"),
        ("C:/face.jpg", "outside"),
    ],
)
def test_a_zip_that_leads_outside_is_refused_whole(tmp_path: Path, name: str, reason: str) -> None:
    archive = make_zip(tmp_path / "z.zip", {"good.jpg": b"1", name: b"2"})
    with pytest.raises(ImageError, match=reason), unpacked([archive]):
        pass
    assert not list(tmp_path.parent.glob("face.jpg"))


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "z.zip", {"face.jpg": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    with pytest.raises(ImageError, match="link"), unpacked([archive]):
        pass


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UNPACKED", 1000)
    archive = make_zip(tmp_path / "z.zip", {"a.png": bytes(600), "b.png": bytes(600)})
    with pytest.raises(ImageError, match="unpacks to more"), unpacked([archive]):
        pass


def test_too_many_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_IMAGES", 3)
    archive = make_zip(tmp_path / "z.zip", {f"{i}.png": b"" for i in range(4)})
    with pytest.raises(ImageError, match="more than 3 pictures"), unpacked([archive]):
        pass


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_zip_is_one_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "z.zip").write_bytes(content)
    with pytest.raises(ImageError, match=r"z\.zip is not a zip"), unpacked([Upload("z.zip", tmp_path / "z.zip")]):
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no model folder '/srv/models/x'; did you", "no model folder 'x'; did you"),
        (
            "hf://owner/name@main is not whole in the cache /root/.cache/hf, and",
            "hf://owner/name@main is not whole in the cache hf, and",
        ),
        ("see https://example.org/a/b for more", "see https://example.org/a/b for more"),
        ("owner/name has no revision", "owner/name has no revision"),
        ("C:\\Users\\me\\model is damaged", "model is damaged"),
        ("real/fake and 3/4", "real/fake and 3/4"),
    ],
)
def test_messages_hold_no_paths_of_the_server(text: str, expected: str) -> None:
    assert without_paths(text) == expected


def test_messages_are_sentences_and_surprises_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert said(HubError("the Hub at /root/x did not answer")) == "The Hub at x did not answer."
    assert said(ImageError("truncated", "/tmp/gradio/ab/face.jpg")) == "Truncated."
    assert "on our side" in said(KeyError("/etc/secret"))
    assert "a request failed" in caplog.text
