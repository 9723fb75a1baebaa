"""What the loopback Hub holds: repositories, their commits and files, who may do what, and the faults to come."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WRITE, READ = "hf_write", "hf_read"
TOKENS = {WRITE: ("ann", True), READ: ("bob", False)}
"""Token → (user, may write). Users write to repositories under their own name alone."""


@dataclass(frozen=True)
class File:
    """One version of a file; the Hub gives its `oid` as ETag: SHA-256 for large files, git's SHA-1 for others."""

    content: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def oid(self) -> str:
        return self.sha256 if self.large else self.blob


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    message: str
    files: dict[str, File]


@dataclass
class Repo:
    private: bool = False
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Commit | None:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        return self.commits.get(oid)

    def add(self, branch: str, files: Mapping[str, File], message: str) -> str:
        parent = self.branches.get(branch)
        listing = sorted((name, file.oid) for name, file in files.items())
        oid = hashlib.sha1(repr((parent, message, listing)).encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, message, dict(files))
        self.branches[branch] = oid
        return oid


@dataclass
class Fault:
    """What happens to the requests whose "METHOD path" `pattern` is found in."""

    pattern: str
    status: int | None = None
    """Answer with this error."""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Wait so many seconds, then go on."""
    hang: bool = False
    """Never answer."""
    cut: int | None = None
    """Close the connection when so many bytes of the content were sent."""
    tamper: bool = False
    """Send other content of the same size."""
    meanwhile: Callable[[], object] | None = None
    """Called while the request waits: what somebody else does at that moment."""
    times: float = float("inf")
    """How many requests it lasts."""


def is_large(path: str, size: int) -> bool:
    return path.endswith(".h5") or size > 10 * 2**20
