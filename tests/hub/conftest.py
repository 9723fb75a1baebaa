import time
from types import SimpleNamespace

import pytest
from hub_server import hub as hub


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's retries without the seconds it waits between them."""
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    clock = SimpleNamespace(sleep=lambda seconds: None, time=time.time)
    monkeypatch.setattr(file_download, "time", clock)
    monkeypatch.setattr(_http, "time", clock)
