"""Every photograph gets one fake, none is paid twice unasked, and the key stays with its owner."""

import io
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
from openai_server import KEY, ImagesServer
from PIL import Image

from fakeimg.data import generate as module
from fakeimg.data.dataset import Dataset
from fakeimg.data.generate import Estimate, generate
from fakeimg.data.images import inspect, read_image
from fakeimg.data.openai_images import OpenAIImages, price_list
from fakeimg.data.splits import assign_splits
from fakeimg.errors import ConfigError, DatasetError

PROGRAM = [sys.executable, "-c", "from fakeimg.cli import main; main()"]


def photographs(folder: Path, n: int = 6, size: tuple[int, int] = (40, 30)) -> Dataset:
    """`n` JPEG photographs of various quality, and one fake, which no fake is made of."""
    random = np.random.default_rng(0)
    (folder / "real").mkdir(parents=True)
    for i in range(n):
        pixels = random.integers(0, 255, (*size, 3), np.uint8)
        Image.fromarray(pixels).resize(size[::-1]).save(folder / "real" / f"{i:04}.jpg", quality=70 + i % 25)
    (folder / "fake").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "fake" / "f.png")
    return Dataset.open(folder)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def provider(server: ImagesServer, **options: object) -> OpenAIImages:
    return OpenAIImages(**{"base_url": server.url, "size": 32, "timeout": 20.0, **options})  # type: ignore[arg-type]


class Confirm:
    """Says yes, or what it is told, and remembers what it was asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[Estimate] = []

    def __call__(self, estimate: Estimate) -> bool:
        self.asked.append(estimate)
        return self.answers.pop(0) if self.answers else True


def test_each_photograph_gets_one_fake_of_its_own_size_format_and_group(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in")
    with ImagesServer() as server:
        result = generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
        assert sorted(server.charged.values()) == [1] * 6
    again = Dataset.open(tmp_path / "out")
    assert (again.labels == 0).sum() == (again.labels == 1).sum() == 6
    assert set(again.frame["group"].value_counts()) == {2}
    assert set(again.frame["generator"].dropna()) == {"gpt-image-2"}
    for _, pair in again.frame.groupby("group"):
        photo, fake = (inspect(again.root / path) for path in pair["path"])
        assert (fake.width, fake.height) == (photo.width, photo.height) == (30, 40)
        assert fake.jpeg_quality_tables == photo.jpeg_quality_tables
        assert fake.jpeg_subsampling == photo.jpeg_subsampling
    split = assign_splits(again, {"train": 0.5, "test": 0.5}, seed=0, stratify=["label"]).frame
    assert (split.groupby("group")["split"].nunique() == 1).all()
    assert result.counts == {"done": 6}
    assert result.dollars == pytest.approx(6 * 0.063)


def test_the_fake_covers_what_its_photograph_covers(tmp_path: Path) -> None:
    """The loopback server blurs: of a wide picture, left stays left and nothing is squeezed."""
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 60:] = 255
    (tmp_path / "in" / "real").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "in" / "real" / "a.png")
    with ImagesServer() as server:
        data = generate(
            Dataset.open(tmp_path / "in"), provider(server, size=200), out=tmp_path / "o", confirm=Confirm()
        ).dataset
    fake = read_image(data.paths[1])
    assert np.abs(fake.astype(int) - pixels).mean() < 12
    assert inspect(data.paths[1]).format == "PNG"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # create_variation itself
def test_the_request_is_what_the_api_asks_for(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in", 1)
    with ImagesServer() as server:
        generate(data, provider(server, quality="low", prompt="another"), out=tmp_path / "a", confirm=Confirm())
        generate(data, provider(server, model="dall-e-2", size=256), out=tmp_path / "b", confirm=Confirm())
        edit, variation = server.seen
    assert (edit["path"], edit["model"], edit["size"], edit["quality"]) == (
        "/v1/images/edits",
        "gpt-image-2",
        "32x32",
        "low",
    )
    assert edit["prompt"] == "another"
    assert (variation["path"], variation["size"]) == ("/v1/images/variations", "256x256")
    assert "prompt" not in variation


def test_a_busy_or_broken_server_is_asked_again_and_charges_once(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in", 30)
    with ImagesServer(busy=0.3, broken=0.05, retry_after="0.01") as server:
        result = generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
        assert server.answers[429] > 3
        assert set(server.charged.values()) == {1}
    assert result.counts == {"done": 30}


def test_the_wait_that_the_server_names_is_kept_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float | None] = []
    monkeypatch.setattr(module._Run, "_pause", lambda self, after, attempt: pauses.append(after))
    data = photographs(tmp_path / "in", 1)
    with ImagesServer() as server:
        server.script = [(429, {"message": "slow down"}, {"Retry-After": "7"}), (503, {"message": "later"}, {})]
        generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
    assert pauses == [7.0, None]


def test_nothing_is_sent_without_a_yes(tmp_path: Path) -> None:
    data, confirm = photographs(tmp_path / "in"), Confirm(False)
    with ImagesServer() as server:
        result = generate(data, provider(server), out=tmp_path / "out", confirm=confirm, max_images=4)
        assert server.requests == 0
    assert result.counts == {"declined": 4}
    assert str(confirm.asked[0]) == "4 images for about $0.25"


def test_a_second_run_asks_and_pays_for_nothing(tmp_path: Path) -> None:
    data, confirm = photographs(tmp_path / "in"), Confirm()
    with ImagesServer() as server:
        generate(data, provider(server), out=tmp_path / "out", confirm=confirm, max_images=4)
        generate(data, provider(server), out=tmp_path / "out", confirm=confirm)
        generate(data, provider(server), out=tmp_path / "out", confirm=confirm)
        assert server.requests == 6
    assert [estimate.images for estimate in confirm.asked] == [4, 2]


@pytest.mark.parametrize("knows_keys", [True, False])
def test_what_was_not_answered_is_sent_again_only_on_request(tmp_path: Path, knows_keys: bool) -> None:
    data, confirm = photographs(tmp_path / "in"), Confirm(True, False, True)
    with ImagesServer(hangs={2}, knows_keys=knows_keys) as server:
        patient = provider(server, timeout=1.0, workers=1)
        first = generate(data, patient, out=tmp_path / "out", confirm=confirm)
        assert first.counts == {"done": 5, "unanswered": 1}
        assert confirm.asked[1].unanswered == 1
        assert sorted(server.charged.values()) == [1] * 6  # made and charged, but the answer was lost
        second = generate(data, patient, out=tmp_path / "out", confirm=confirm)
        assert second.counts == {"done": 6}
        assert sum(server.charged.values()) == (6 if knows_keys else 7)
        keys = [request["key"] for request in server.seen]
        assert keys[-1] == keys[1]


def test_a_killed_run_pays_for_nothing_twice(tmp_path: Path) -> None:
    photographs(tmp_path / "in", 24)
    script = (
        "import sys; from fakeimg.data.generate import generate; from fakeimg.data.openai_images import OpenAIImages\n"
        "generate(sys.argv[1], OpenAIImages(size=32), out=sys.argv[2], confirm=lambda estimate: True)"
    )
    with ImagesServer(delay=0.1) as server:
        environment = {**os.environ, "OPENAI_BASE_URL": server.url, "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-c", script, str(tmp_path / "in"), str(tmp_path / "out")]
        child = subprocess.Popen(command, env=environment)
        while sum(server.charged.values()) < 9 and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        before = sum(server.charged.values())
        assert before < 24
        confirm = Confirm()
        result = generate(tmp_path / "in", provider(server, workers=4), out=tmp_path / "out", confirm=confirm)
        assert result.counts == {"done": 24}
        assert set(server.charged.values()) == {1}
    in_flight = confirm.asked[1].unanswered
    assert 1 <= in_flight <= 4  # what the killed process was waiting for, and no more


def test_refusals_are_recorded_and_not_repeated(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in", 2)
    with ImagesServer() as server:
        server.script = [(400, {"message": "no", "code": "moderation_blocked"}, {})]
        once = provider(server, workers=1)
        generate(data, once, out=tmp_path / "out", confirm=Confirm())
        result = generate(data, once, out=tmp_path / "out", confirm=Confirm())
        assert len(server.seen) == 2
    assert result.counts == {"refused": 1, "done": 1}
    assert result.table["reason"].tolist() == ["refused: moderation_blocked", ""]
    assert len(result.dataset) == 3


def test_a_wrong_key_an_empty_account_and_an_unknown_model_stop_the_run(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in")
    quota = (429, {"message": "You exceeded your quota", "code": "insufficient_quota"}, {})
    unknown = (404, {"message": "The model does not exist", "code": "model_not_found"}, {})
    refused = (401, {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}, {})
    with ImagesServer() as server:
        for answer, words in ((quota, "insufficient_quota"), (unknown, "does not exist"), (refused, "refused the key")):
            server.script, before = [answer], len(server.seen)
            with pytest.raises(ConfigError, match=words) as caught:
                generate(data, provider(server, workers=1), out=tmp_path / "out", confirm=Confirm())
            assert len(server.seen) == before + 1
            assert KEY not in str(caught.value)
        result = generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
    assert result.counts == {"done": 6}


def test_the_key_is_written_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = photographs(tmp_path / "in", 2)
    with ImagesServer(broken=0.5, seed=1) as server:
        one = provider(server)
        generate(data, one, out=tmp_path / "out", confirm=Confirm())
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()
    assert KEY not in "".join(capfd.readouterr())
    assert KEY not in repr(one) + repr(vars(one))


def test_equal_photographs_are_paid_for_once_and_unreadable_ones_not_at_all(tmp_path: Path) -> None:
    photographs(tmp_path / "in", 3)
    (tmp_path / "in" / "real" / "0002.jpg").write_bytes((tmp_path / "in" / "real" / "0001.jpg").read_bytes())
    (tmp_path / "in" / "real" / "0003.jpg").write_bytes(b"no picture")
    with ImagesServer() as server:
        result = generate(tmp_path / "in", provider(server), out=tmp_path / "out", confirm=Confirm())
        assert server.requests == 2
    assert result.counts == {"done": 2, "duplicate": 1, "unreadable": 1}


def test_interrupting_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = photographs(tmp_path / "in", 8)
    with ImagesServer() as server:
        one = provider(server, workers=2)
        real_wait, calls = module.wait, []

        def interrupted(*arguments: object, **options: object) -> object:
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return real_wait(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            generate(data, one, out=tmp_path / "out", confirm=Confirm())
        monkeypatch.undo()
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        made = len(list((tmp_path / "out" / "fake").iterdir()))
        assert 2 <= made < 8
        confirm = Confirm()
        result = generate(data, one, out=tmp_path / "out", confirm=confirm)
        assert set(server.charged.values()) == {1}
    assert confirm.asked == [Estimate(8 - made, pytest.approx((8 - made) * 0.063))]
    assert result.counts == {"done": 8}


def test_a_folder_belongs_to_one_provider(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in", 1)
    with ImagesServer() as server:
        generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
        with pytest.raises(ConfigError, match="holds what gpt-image-2 made with other settings"):
            generate(data, provider(server, quality="high"), out=tmp_path / "out", confirm=Confirm())
        with pytest.raises(ConfigError, match="is not empty"):
            generate(data, provider(server), out=tmp_path / "in", confirm=Confirm())
        fakes = data.take(data.labels == 1)
        with pytest.raises(DatasetError, match="no photographs"):
            generate(fakes, provider(server), out=tmp_path / "other", confirm=Confirm())


def test_what_cannot_work_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="retired dall-e-2 on 2026-05-12; use gpt-image-2"):
        OpenAIImages("dall-e-2")
    with pytest.raises(ConfigError, match="no quality 'best'"):
        OpenAIImages(quality="best")
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConfigError, match="set OPENAI_API_KEY"):
        OpenAIImages()


def test_prices_are_dated_and_an_unknown_one_is_said_to_be_so() -> None:
    assert pd.Timestamp(price_list()["as_of"]) > pd.Timestamp("2026-01-01")
    unknown = OpenAIImages("gpt-image-9", base_url="http://127.0.0.1:9/v1")
    assert unknown.price is None
    assert str(Estimate(3, unknown.price)) == "3 images at a price that is not known"
    assert OpenAIImages("gpt-image-9", base_url="http://127.0.0.1:9/v1", price=0.5).price == 0.5


def test_pairs_are_shown(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in", 3)
    with ImagesServer() as server:
        result = generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
    assert result.plot().images[0].get_array().shape == (256, 384, 3)
    assert json.loads((tmp_path / "out" / "generation.json").read_text())["provider"] == "gpt-image-2"


def test_the_command_line_passes_on_what_openai_is_asked_for(tmp_path: Path) -> None:
    photographs(tmp_path / "in", 2)
    asked = ["--provider", "openai", "--size", "32", "--quality", "low", "--price", "0.5", "--yes", "--prompt", "old"]
    with ImagesServer() as server:
        command = [*PROGRAM, "generate", tmp_path / "in", "--out", tmp_path / "out"]
        ran = subprocess.run([*command, *asked, "--base-url", server.url], capture_output=True, text=True, check=True)
        assert {(request["size"], request["quality"], request["prompt"]) for request in server.seen} == {
            ("32x32", "low", "old")
        }
    assert "$1.00" in ran.stderr
    assert len(Dataset.open(tmp_path / "out")) == 4


def test_options_of_openai_are_not_ignored_in_silence(tmp_path: Path) -> None:
    photographs(tmp_path / "in", 2)
    command = [*PROGRAM, "generate", tmp_path / "in", "--out", tmp_path / "out"]
    ran = subprocess.run([*command, "--price", "1", "--image-model", "x"], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "--image-model, --price would do nothing here; add --provider openai" in ran.stderr


def test_without_a_network_it_says_so_at_once(tmp_path: Path) -> None:
    data = photographs(tmp_path / "in", 3)
    with ImagesServer() as server:
        pass  # nothing listens there any more
    with pytest.raises(ConfigError, match=r"no connection to 127\.0\.0\.1.*nothing was sent"):
        generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
    with ImagesServer() as server:
        result = generate(data, provider(server), out=tmp_path / "out", confirm=Confirm())
    assert result.counts == {"done": 3}
