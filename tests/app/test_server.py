"""Facts about the running page: the same numbers as everywhere else, and nothing for those who mean ill."""

import io
import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from corpus import bad_files, bomb_png
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from fakeimg import Detector
from fakeimg.app.page import QUEUE
from fakeimg.app.uploads import MAX_UPLOAD

SECRET = "/etc/passwd"


@pytest.fixture(scope="module")
def client(demo: SimpleNamespace) -> Client:
    return Client(demo.address, verbose=False, analytics_enabled=False)


@pytest.fixture(scope="module")
def pictures(demo: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One face in the formats that people send, and turned by EXIF."""
    folder = tmp_path_factory.mktemp("formats")
    face = Image.open(sorted((demo.faces / "fake").iterdir())[0])
    turned = Image.Exif()
    turned[274] = 6
    face.save(folder / "face.png")
    face.save(folder / "face.webp", quality=80)
    face.save(folder / "face.jpg", quality=90)
    face.save(folder / "turned.jpg", quality=90, exif=turned)
    face.convert("L").save(folder / "grey.png")
    face.convert("RGBA").save(folder / "alpha.webp", lossless=True)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def by_cli(demo: SimpleNamespace, pictures: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """What `fakeimg detect --json` prints of the same files, in a process of its own."""
    command = [Path(sys.executable).with_name("fakeimg"), "detect", *map(str, pictures.values())]
    done = subprocess.run(
        [*command, "--model", str(demo.model), "--json"], check=True, capture_output=True, text=True, env={**os.environ}
    )
    return {Path(record["path"]).name: record for record in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", ["face.png", "face.jpg", "face.webp", "turned.jpg", "grey.png", "alpha.webp"])
def test_client_command_line_and_library_agree(client, demo, pictures, by_cli, name: str) -> None:
    answer = client.predict(handle_file(str(pictures[name])), api_name="/detect")
    expected = by_cli[name]
    assert answer == expected | {"path": None, "model": "model"}
    library = Detector.open(demo.model).predict(pictures[name])
    assert answer["probability_fake"] == library.probability_fake[0]


def test_rotation_by_exif_is_seen(client, pictures) -> None:
    upright, turned = (
        client.predict(handle_file(str(pictures[name])), api_name="/detect")["probability_fake"]
        for name in ("face.jpg", "turned.jpg")
    )
    assert upright != turned


def test_many_at_once_and_heatmaps_by_name(client, pictures) -> None:
    names = sorted(pictures)
    answers = client.predict([handle_file(str(pictures[name])) for name in names], api_name="/detect_many")
    alone = [client.predict(handle_file(str(pictures[name])), api_name="/detect") for name in names]
    assert answers == alone
    heatmap = client.predict(handle_file(str(pictures["face.png"])), "real", api_name="/heatmap")
    assert np.min(heatmap["values"]) >= 0
    assert heatmap["target"] == "real"


@pytest.mark.parametrize("name", sorted(bad_files()))
def test_bad_files_are_answered_and_no_path_is_told(client, demo, tmp_path, name: str) -> None:
    content, reason = bad_files()[name]
    (tmp_path / name).write_bytes(content)
    answer = client.predict(handle_file(str(tmp_path / name)), api_name="/detect")
    assert answer["status"] == "error"
    assert answer["verdict"] is None
    assert reason in answer["reason"]
    assert str(demo.folder) not in json.dumps(answer)


def test_a_bomb_costs_no_memory(client, tmp_path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb_png(12_000))
    before = _peak()
    answer = client.predict(handle_file(str(tmp_path / "bomb.png")), api_name="/detect")
    assert "too large: 12000x12000" in answer["reason"]
    assert _peak() - before < 100 * 2**20


def _peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def ask(demo: SimpleNamespace, data: list[Any], endpoint: str = "detect") -> str:
    """The event stream of a request made by hand."""
    base = f"{demo.address}/gradio_api/call/{endpoint}"
    joined = httpx.post(base, json={"data": data}, timeout=60)
    if joined.status_code != 200:
        return joined.text
    return httpx.get(f"{base}/{joined.json()['event_id']}", timeout=60).text


META = {"meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("marked", [META, {}], ids=["marked as a file", "unmarked"])
@pytest.mark.parametrize(
    "path",
    [
        SECRET,
        "../../../../etc/passwd",
        "{folder}/../../etc/passwd",
        ".env",
        "{model}/fakeimg.json",
        "/proc/self/environ",
    ],
)
def test_no_other_file_can_be_named(demo, path: str, marked: dict[str, Any]) -> None:
    named = path.format(folder=demo.folder, model=demo.model)
    answer = ask(demo, [{"path": named, "orig_name": "face.jpg", **marked}])
    assert "event: error" in answer
    assert "root:" not in answer
    assert str(demo.folder) not in answer


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/config",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/x.png",
        "https://example.org/x.png",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("field", ["path", "url"])
def test_addresses_are_never_fetched(demo, address: str, field: str) -> None:
    named = address.format(port=demo.address.rpartition(":")[2])
    answer = ask(demo, [{"path": named, field: named, "orig_name": "x.png", **META}])
    assert "event: error" in answer
    assert "are not fetched" in answer or "null" in answer


def test_links_among_the_uploads_are_not_followed(demo, pictures) -> None:
    (demo.folder / "link.jpg").symlink_to(SECRET)
    try:
        answer = ask(demo, [{"path": str(demo.folder / "link.jpg"), **META}])
        served = httpx.get(f"{demo.address}/gradio_api/file={demo.folder / 'link.jpg'}")
    finally:
        (demo.folder / "link.jpg").unlink()
    assert "event: error" in answer
    assert "root:" not in answer + served.text


@pytest.mark.parametrize(
    "path", [SECRET, "{model}/fakeimg.json", "{folder}/../passwd", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd"]
)
def test_files_of_the_server_are_not_served(demo, path: str) -> None:
    named = path.format(folder=demo.folder, model=demo.model)
    for route in (f"/gradio_api/file={named}", f"/file={named}", f"/static/{named}", f"/assets/{named}"):
        answer = httpx.get(demo.address + route)
        assert answer.status_code >= 400
        assert "root:" not in answer.text


def test_oversized_uploads_are_cut_off(demo) -> None:
    content = io.BytesIO(bytes(MAX_UPLOAD + 1))
    answer = httpx.post(f"{demo.address}/gradio_api/upload", files={"files": ("x.png", content)}, timeout=60)
    assert answer.status_code == 413


def test_direct_calls_cannot_pass_the_queue(demo) -> None:
    answer = httpx.post(f"{demo.address}/gradio_api/run/detect", json={"data": [None]})
    assert answer.status_code == 404


@pytest.mark.parametrize("data", [[None], [7], ["face.jpg"], [[]], [{}], []])
def test_nonsense_is_answered_in_one_clean_line(demo, data: list[Any]) -> None:
    answer = ask(demo, data)
    assert "Traceback" not in answer
    assert "/site-packages/" not in answer


def test_a_full_queue_says_so_and_the_server_lives_on(demo, client, pictures) -> None:
    upload = httpx.post(
        f"{demo.address}/gradio_api/upload", files={"files": ("f.png", pictures["face.png"].read_bytes())}
    ).json()[0]
    body = {"data": [{"path": upload, "orig_name": "f.png", **META}]}
    with ThreadPoolExecutor(8) as pool, demo.detectors.turn:
        answers = list(
            pool.map(lambda _: httpx.post(f"{demo.address}/gradio_api/call/detect", json=body), range(QUEUE + 10))
        )
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {200, 503}
    assert codes.count(200) <= QUEUE + 1
    assert all("full" in answer.text for answer in answers if answer.status_code == 503)
    for answer in answers:
        if answer.status_code == 200:
            url = f"{demo.address}/gradio_api/call/detect/{answer.json()['event_id']}"
            assert "event: complete" in httpx.get(url, timeout=60).text


def test_every_answer_carries_the_security_headers(demo) -> None:
    for route in ("/", "/config", "/gradio_api/info", "/nowhere"):
        headers = httpx.get(demo.address + route).headers
        assert "connect-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_only_the_named_endpoints_are_public(demo) -> None:
    info = httpx.get(f"{demo.address}/gradio_api/info").json()
    assert set(info["named_endpoints"]) == {"/detect", "/detect_many", "/heatmap"}
    assert not info["unnamed_endpoints"]


def test_the_config_tells_nothing_of_the_server(demo) -> None:
    config = httpx.get(f"{demo.address}/config").text
    assert str(Path.home()) not in config.replace(str(demo.folder), "").replace(str(demo.model), "")


def test_a_foreign_model_is_not_opened_for_visitors(demo) -> None:
    from fakeimg.errors import ModelError

    with pytest.raises(ModelError, match="not offered here"):
        demo.detectors.get("/etc")


def test_zips_go_through_the_page_and_leave_nothing(demo, pictures) -> None:
    from fakeimg.app.check_many import as_csv, scored
    from fakeimg.app.uploads import Upload, unpacked

    path = demo.folder / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("face.png", "grey.png"):
            archive.write(pictures[name], f"inner/{name}")
        archive.writestr("=cmd.png", b"no picture")
    with unpacked([Upload("faces.zip", path)]) as found:
        records = [record for part in scored(demo.detectors, found) for record in part]
        inside = found[0].path.parent
    path.unlink()
    assert not inside.exists()
    assert [(record["path"], record["status"]) for record in records] == [
        ("face.png", "ok"), ("grey.png", "ok"), ("=cmd.png", "error"),
    ]  # fmt: skip
    assert str(inside) not in json.dumps(records)
    assert "\n'=cmd.png,error" in as_csv(records)


def test_uploads_are_deleted_when_the_page_closes(model_folder, faces, pictures) -> None:
    from fakeimg.app.page import build
    from fakeimg.app.server import launched

    page = build(str(model_folder), faces=faces, generate=False)
    with launched(page) as address:
        client = Client(address, verbose=False, analytics_enabled=False)
        client.predict(handle_file(str(pictures["face.png"])), api_name="/detect")
        assert list(page.fakeimg_folder.rglob("face.png"))
    assert not page.fakeimg_folder.exists()


def test_a_taken_port_is_one_line(demo, model_folder, faces) -> None:
    from fakeimg.app.page import build
    from fakeimg.app.server import launched
    from fakeimg.errors import ConfigError

    page = build(str(model_folder), faces=faces)
    with (
        pytest.raises(ConfigError, match="is taken"),
        launched(page, port=int(demo.address.rpartition(":")[2])),
    ):
        pass


def test_errors_of_a_handler_reach_the_caller_clean(client, pictures) -> None:
    with pytest.raises(AppError, match="A target is fake or real, not 'cat'"):
        client.predict(handle_file(str(pictures["face.png"])), "cat", api_name="/heatmap")
