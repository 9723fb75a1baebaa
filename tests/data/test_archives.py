"""An archive unpacks into its own folder, or not at all."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from fakeimg.data.archives import unpacked
from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError
from fakeimg.files import cache_folder


def archive(folder: Path, members: dict[str, bytes], name: str = "set.zip", kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / name, "w", kind) as opened:
        for member, content in members.items():
            opened.writestr(member, content)
    return folder / name


def test_a_zip_archive_opens_like_the_folder_in_it(tmp_path: Path) -> None:
    members = {
        "faces/real/a.jpg": b"1",
        "faces/fake/b.jpg": b"2",
        "faces/fake/.hidden.jpg": b"3",
        "__MACOSX/faces/fake/._b.jpg": b"4",
        "faces/setup.py": b"raise SystemExit",
    }
    data = Dataset.open(archive(tmp_path, members))
    assert sorted(data.frame["path"]) == ["faces/fake/b.jpg", "faces/real/a.jpg"]
    written = [path.name for path in data.root.rglob("*") if path.is_file()]
    assert sorted(written) == ["a.jpg", "b.jpg"]
    assert not data.root.is_relative_to(tmp_path)  # in the cache, not beside the archive


def test_a_zipped_manifest_is_followed(tmp_path: Path) -> None:
    manifest = b"path,label\nx/1.jpg,real\nx/2.jpg,fake\n"
    data = Dataset.open(archive(tmp_path, {"manifest.csv": manifest, "x/1.jpg": b"1", "x/2.jpg": b"2"}))
    assert [path.read_bytes() for path in data.paths] == [b"1", b"2"]


@pytest.mark.parametrize(
    "name",
    ["../evil.jpg", "a/../../evil.jpg", "/evil.jpg", "C:/evil.jpg", "..\\evil.jpg", "a/b\\..\\..\\..\\evil.jpg"],
)
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, {"real/fine.jpg": b"1", name: b"evil"})
    before = set(cache_folder("archives").parent.rglob("*.jpg"))
    with pytest.raises(DatasetError, match="outside its folder"):
        unpacked(path)
    assert set(cache_folder("archives").parent.rglob("*.jpg")) == before  # not even the harmless member
    assert not list(tmp_path.rglob("evil*"))


def test_links_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("real/a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(DatasetError, match="holds a link"):
        unpacked(tmp_path / "link.zip")


def test_bombs_are_refused_by_their_directory(tmp_path: Path) -> None:
    zeros = bytes(40 * 2**20)
    path = archive(tmp_path, {f"real/{i}.bmp": zeros for i in range(3)})
    assert path.stat().st_size < 200_000
    with pytest.raises(DatasetError, match="would unpack to 125,829,120"):
        unpacked(path)


def test_a_member_that_is_longer_than_declared_is_not_written_past_it(tmp_path: Path) -> None:
    """The directory says 100 bytes; the data goes on to 60 MB."""
    path = archive(tmp_path, {"real/a.bmp": bytes(60 * 2**20)})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", content, content.index(mark) + offset, 100)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="not a whole zip archive"):
        unpacked(path)
    assert not [file for file in cache_folder("archives").rglob("*") if file.is_file() and file.suffix == ".bmp"]


def test_damaged_encrypted_and_doubled_archives_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {"real/a.jpg": b"1" * 1000}, kind=zipfile.ZIP_STORED)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"1111", b"1121", 1))
    with pytest.raises(DatasetError, match=r"not a whole zip archive: Bad CRC-32 for file 'real/a\.jpg'"):
        unpacked(path)
    path.write_bytes(whole[:-30])
    with pytest.raises(DatasetError, match="not a whole zip archive"):
        unpacked(path)
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    with pytest.raises(DatasetError, match="is encrypted"):
        unpacked(path)
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("real/a.jpg", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            opened.writestr("real/a.jpg", "2")
    with pytest.raises(DatasetError, match="twice"):
        unpacked(path)
