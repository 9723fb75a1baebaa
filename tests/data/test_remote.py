"""Remote data becomes a local copy: whole, current, and within its folder, whatever the network does."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hub_server import hub as hub

from fakeimg.data import download
from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError

pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning")


class Web(SimpleHTTPRequestHandler):
    """A folder over HTTP with ranges and ETags; it can go down, and cut answers short."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        server: Any = self.server
        path = Path(self.translate_path(self.path))
        server.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
        if server.down or not path.is_file():
            self.send_response(503 if server.down else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = path.read_bytes()
        asked = self.headers.get("Range", "").removeprefix("bytes=").split("-")
        whole = len(asked) < 2
        first, last = (0, len(content) - 1) if whole else (int(asked[0]), min(int(asked[1]), len(content) - 1))
        part = content[first : last + 1]
        self.send_response(200 if whole else 206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hash(content)}"')
        if not whole:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        if body:
            if first >= server.cut_after:
                self.wfile.write(part[:10])
                self.close_connection = True
            else:
                self.wfile.write(part)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "www").mkdir()
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), partial(Web, directory=str(tmp_path / "www")))
    server.asked, server.down, server.cut_after = [], False, float("inf")
    server.folder = tmp_path / "www"
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


def fill(folder: Path) -> None:
    for name in ("real/a.jpg", "fake/b.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "manifest.csv").write_text("path,label\nreal/a.jpg,real\nfake/b.jpg,fake\n")


def test_a_manifest_on_a_web_server_brings_its_images(web: Any) -> None:
    fill(web.folder)
    data = Dataset.open(f"{web.url}/manifest.csv")
    assert [path.read_bytes() for path in data.paths] == [b"real/a.jpg", b"fake/b.jpg"]
    web.asked.clear()
    Dataset.open(f"{web.url}/manifest.csv")
    assert web.asked == ["HEAD /manifest.csv"]  # nothing that is there is fetched again


def test_a_changed_manifest_fetches_what_changed(web: Any) -> None:
    fill(web.folder)
    Dataset.open(web.url)
    (web.folder / "fake" / "b.jpg").write_bytes(b"another")
    (web.folder / "manifest.csv").write_text("path,label\nfake/b.jpg,fake\nreal/a.jpg,real\n")
    web.asked.clear()
    data = Dataset.open(web.url)
    assert data.paths[0].read_bytes() == b"another"
    assert [request for request in web.asked if request.startswith("GET") and "a.jpg" in request] == []


def test_an_image_that_is_not_there_is_an_image_error_later(web: Any) -> None:
    fill(web.folder)
    (web.folder / "real" / "a.jpg").unlink()
    data = Dataset.open(web.url)
    assert [path.is_file() for path in data.paths] == [False, True]


def test_a_cut_download_goes_on_where_it_stopped(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_BLOCK", 1000)
    content = bytes(range(256)) * 20  # 5,120 bytes: six blocks
    (web.folder / "manifest.csv").write_text("path,label\nbig.jpg,real\n")
    (web.folder / "big.jpg").write_bytes(content)
    web.cut_after = 3000
    with pytest.raises(DatasetError, match="cannot be fetched"):
        Dataset.open(web.url)
    web.cut_after = float("inf")
    web.asked.clear()
    assert Dataset.open(web.url).paths[0].read_bytes() == content
    ranges = [request.split("=")[1] for request in web.asked if "GET /big.jpg" in request]
    assert ranges == ["3000-3999", "4000-4999", "5000-5119"]


def test_the_rest_of_another_version_is_never_appended(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_BLOCK", 1000)
    (web.folder / "manifest.csv").write_text("path,label\nbig.jpg,real\n")
    (web.folder / "big.jpg").write_bytes(b"1" * 5000)
    web.cut_after = 3000
    with pytest.raises(DatasetError):
        Dataset.open(web.url)
    web.cut_after = float("inf")
    (web.folder / "big.jpg").write_bytes(b"2" * 5000)
    data = Dataset.open(web.url)
    assert data.paths[0].read_bytes() == b"2" * 5000
    assert not list(data.root.rglob("*.part"))


def test_without_the_network_the_copy_serves_with_a_warning(web: Any) -> None:
    fill(web.folder)
    Dataset.open(web.url)
    web.down = True
    with pytest.warns(UserWarning, match=r"cannot be fetched .*; the copy of \d{4}-\d\d-\d\d is used"):
        data = Dataset.open(web.url)
    assert all(path.is_file() for path in data.paths)
    with pytest.raises(DatasetError, match="cannot be fetched"):
        Dataset.open(f"{web.url}/other.csv")


def test_what_does_not_exist_is_said_to(web: Any) -> None:
    with pytest.raises(DatasetError, match=r"does not exist.*needs a manifest\.csv"):
        Dataset.open(f"{web.url}/nothing")


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "a/../../b.jpg", "..\\b.jpg"])
def test_a_manifest_cannot_write_outside_its_copy(web: Any, path: str) -> None:
    (web.folder / "manifest.csv").write_text(f"path,label\n{path},real\n")
    with pytest.raises(DatasetError, match="outside its folder"):
        Dataset.open(web.url)


def test_a_zip_on_a_web_server_is_unpacked(web: Any, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(web.folder / "set.zip", "w") as archive:
        archive.writestr("real/a.jpg", "1")
        archive.writestr("fake/b.jpg", "2")
    assert len(Dataset.open(f"{web.url}/set.zip")) == 2
    web.down = True
    with pytest.warns(UserWarning, match="cannot be fetched"):
        assert len(Dataset.open(f"{web.url}/set.zip")) == 2


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket on an S3 server on loopback."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="faces")
    yield client
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_folders_and_manifests_on_s3_are_copied_and_kept_current(bucket: Any) -> None:
    for name in ("set/real/a.jpg", "set/fake/b.jpg", "set/notes.txt"):
        bucket.put_object(Bucket="faces", Key=name, Body=name.encode())
    data = Dataset.open("s3://faces/set")
    assert sorted(data.frame["label"]) == ["fake", "real"]
    assert {path.read_bytes() for path in data.paths} == {b"set/real/a.jpg", b"set/fake/b.jpg"}
    unchanged = {path: path.stat().st_mtime_ns for path in data.paths if "real" in str(path)}

    bucket.put_object(Bucket="faces", Key="set/fake/b.jpg", Body=b"newer")
    bucket.put_object(Bucket="faces", Key="set/fake/c.jpg", Body=b"c")
    again = Dataset.open("s3://faces/set")
    assert {path.read_bytes() for path in again.paths} == {b"set/real/a.jpg", b"newer", b"c"}
    assert all(path.stat().st_mtime_ns == before for path, before in unchanged.items())

    bucket.delete_object(Bucket="faces", Key="set/fake/c.jpg")
    assert len(Dataset.open("s3://faces/set")) == 2

    manifest = b"path,label,source\nset/real/a.jpg,real,x\nset/fake/b.jpg,fake,y\nset/gone.jpg,fake,y\n"
    bucket.put_object(Bucket="faces", Key="all.csv", Body=manifest)
    listed = Dataset.open("s3://faces/all.csv")
    assert [path.is_file() for path in listed.paths] == [True, True, False]
    with pytest.raises(DatasetError, match="does not exist"):
        Dataset.open("s3://faces/nothing")


def test_data_sets_of_the_hub_are_copied(hub: Any) -> None:
    from huggingface_hub import HfFileSystem

    HfFileSystem.clear_instance_cache()
    files = {
        "manifest.csv": b"path,label\nimages/a.jpg,real\nimages/b.jpg,fake\n",
        "images/a.jpg": b"a",
        "images/b.jpg": b"b",
    }
    hub.create("datasets/ann/faces", files)
    try:
        data = Dataset.open("hf://datasets/ann/faces")
        with pytest.raises(DatasetError, match="does not exist"):
            Dataset.open("hf://datasets/ann/nothing")
    finally:
        HfFileSystem.clear_instance_cache()
    assert [path.read_bytes() for path in data.paths] == [b"a", b"b"]


def test_unknown_places_say_what_would_do() -> None:
    with pytest.raises(DatasetError, match="use s3, gs, https, hf or a local path"):
        Dataset.open("gopher://old/faces")
    with pytest.raises(DatasetError, match="give the archive's own URL"):
        Dataset.open("zip://x.csv::https://host/a.zip")
    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(DatasetError, match="pip install gcsfs"):
            Dataset.open("gs://bucket/faces")
