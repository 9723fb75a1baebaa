"""Facts about fakes on demand: one request with the visitor's key, a verdict at once, and nothing kept."""

import logging

import pytest
from openai_server import KEY, ImagesServer

from fakeimg.app.make_a_fake import fake_and_verdict
from fakeimg.app.uploads import Upload
from fakeimg.errors import FakeimgError


@pytest.fixture
def photograph(demo) -> Upload:
    path = sorted((demo.faces / "real").iterdir())[0]
    return Upload(path.name, path)


@pytest.fixture
def provider(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ImagesServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


def test_photograph_and_fake_stand_side_by_side_with_their_verdicts(
    demo, photograph, provider, tmp_path, caplog
) -> None:
    with caplog.at_level(logging.INFO):
        page = fake_and_verdict(demo.detectors, photograph, f" {KEY} ", tmp_path)
    assert page.count("Probability of being generated:") == 2
    assert page.index("The photograph") < page.index("The fake")
    assert sum(provider.charged.values()) == 1
    assert KEY not in page + caplog.text
    assert not list(tmp_path.iterdir())


def test_a_wrong_key_and_no_key_are_told_apart_and_not_repeated(
    demo, photograph, provider, tmp_path, monkeypatch
) -> None:
    with pytest.raises(FakeimgError, match="refused the key") as caught:
        fake_and_verdict(demo.detectors, photograph, "sk-wrong-key", tmp_path)
    assert "sk-wrong" not in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)  # the server's own key is not for visitors
    with pytest.raises(FakeimgError, match="a key is needed"):
        fake_and_verdict(demo.detectors, photograph, "  ", tmp_path)
    assert not provider.charged


def test_a_busy_provider_is_not_asked_again_in_the_visitors_name(demo, photograph, provider, tmp_path) -> None:
    provider.script = [(429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}, {})]
    with pytest.raises(FakeimgError, match="nothing was charged"):
        fake_and_verdict(demo.detectors, photograph, KEY, tmp_path)
    assert len(provider.seen) == 1
