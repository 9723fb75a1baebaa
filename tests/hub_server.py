"""A Hugging Face Hub on loopback, faithful enough for the real `huggingface_hub` client (with Xet switched off).

    with Hub() as hub:
        commit = hub.create("ann/faces", {"config.json": b"{}"}, private=True)
        hub.fault("GET .*/resolve/", status=503, times=1)
        ...                                  # point HF_ENDPOINT at hub.url
        assert hub.requests == []            # every request is recorded as "METHOD path"

Repositories have commits, branches, tags, pull requests and large-file (LFS) objects. As on the real Hub, large
files are served by a redirect to another host (here `localhost` beside `127.0.0.1`), which never sees a token.
`TOKENS` says who may do what; `Hub.fault` breaks chosen requests.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hub_protocol import Handler
from hub_state import READ, WRITE, Fault, File, Repo, is_large

__all__ = ["READ", "WRITE", "Hub", "hub"]


class Hub:
    """The server; its state is open to tests: `repos`, `objects`, `requests`."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        """By id; data sets as "datasets/owner/name"."""
        self.objects: dict[str, bytes] = {}
        """Large files by SHA-256."""
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.leaks: list[str] = []
        """Requests that brought a token to the file host, which must not see one."""
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.hub = self  # type: ignore[attr-defined]
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        self.file_host = f"http://localhost:{port}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def create(
        self, name: str, files: Mapping[str, bytes] | None = None, *, private: bool = False, gated: bool = False
    ) -> str:
        """Make the repository `name`, holding `files`; returns the commit."""
        self.repos[name] = Repo(private, gated)
        self.repos[name].add("main", {".gitattributes": File(b"*.h5 filter=lfs\n", False)}, "initial commit")
        return self.commit(name, files or {}, "first") if files else self.repos[name].branches["main"]

    def commit(self, name: str, files: Mapping[str, bytes], message: str = "change") -> str:
        """Add or replace `files` on main, as somebody else would; returns the commit."""
        repo = self.repos[name]
        head = repo.commits[repo.branches["main"]]
        new = {path: File(content, is_large(path, len(content))) for path, content in files.items()}
        self.objects |= {file.sha256: file.content for file in new.values() if file.large}
        return repo.add("main", {**head.files, **new}, message)

    def fault(self, pattern: str, **what: Any) -> Fault:
        """Break the requests that `pattern` (a regular expression) is found in; see `Fault`."""
        self.faults.append(Fault(pattern, **what))
        return self.faults[-1]

    def count(self, pattern: str = "") -> int:
        """How many requests `pattern` is found in."""
        return sum(re.search(pattern, request) is not None for request in self.requests)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A running Hub that the client in this process talks to, with an empty cache, as a user who may write.

    The client reads its environment when it is imported, so its constants are set as that would have set them.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    with Hub() as hub:
        monkeypatch.setenv("HF_TOKEN", WRITE)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield hub
