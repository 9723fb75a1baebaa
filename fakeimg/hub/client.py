"""Talking to the Hub: addresses, a first question that is answered soon or not at all, and errors in one line."""

import errno
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from typing import TypeVar

from fakeimg.errors import FakeimgError, HubError

Answer = TypeVar("Answer")

SCHEME = "hf://"
PATIENCE = 4.0
"""Seconds that the Hub has for its first answer."""


@dataclass(frozen=True)
class Address:
    """A repository, and the branch, tag or commit in it; the default branch when there is none."""

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str, revision: str | None = None) -> "Address":
        """Read `owner/name`, `owner/name@revision`, or either after `hf://`.

        Raises:
            HubError: not of that form, or two different revisions.
        """
        repo, _, written = text.removeprefix(SCHEME).partition("@")
        # One owner, one name: the client would otherwise take "name" alone for a repository of the Hub itself.
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo, re.ASCII):
            raise HubError(f"{text!r} names no repository; write owner/name or hf://owner/name@revision")
        if written and revision and written != revision:
            raise HubError(f"{text!r} asks for revision {written!r}, the option for {revision!r}; give one")
        address = cls(repo, written or revision or None)
        # A branch's name becomes a file name in the cache.
        if address.revision is not None and not re.fullmatch(r"(?!.*\.\.)\w[\w./-]*", address.revision, re.ASCII):
            raise HubError(f"{address.revision!r} is no revision; give a branch, a tag, or a commit of {repo}")
        return address

    @property
    def commit(self) -> str | None:
        """The revision, if it is a full commit id: what it stands for can never change."""
        return self.revision if self.revision and re.fullmatch(r"[0-9a-f]{40}", self.revision) else None

    def at(self, revision: str) -> "Address":
        """The same repository at another revision."""
        return replace(self, revision=revision)

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def first_answer(ask: Callable[[float], Answer]) -> Answer:
    """What `ask(timeout)` returns, within `PATIENCE` seconds, whatever holds it up.

    A connection's timeout is not enough: it starts anew for each address of the host, and name resolution has none.
    Later requests have the client's own timeouts and retries, which take about 23 seconds to give up on a dead host.

    Raises:
        TimeoutError: no answer in time.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(ask(2 * PATIENCE))  # so that the forgotten request ends some day
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(timeout=PATIENCE)
    except TimeoutError:
        raise TimeoutError(f"no answer in {PATIENCE:g} seconds") from None


def unreachable(error: Exception) -> bool:
    """Whether a cached copy may stand in: the Hub did not answer, or answered that it cannot serve anyone now."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # exported, whichever httpx it uses

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError | TimeoutError)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Turn what the Hub's client raises into a `HubError` of one line; anything that is not about the Hub passes."""
    try:
        yield
    except FakeimgError:
        raise
    except Exception as error:  # the transport's own errors have no base class in the standard library
        said = explain(error, address)
        if said is None:
            raise
        raise HubError(said) from error


def explain(error: Exception, address: Address) -> str | None:
    """What happened and what to do, in one line; None when the error is not the Hub's."""
    from huggingface_hub import errors

    match error:
        case errors.OfflineModeIsEnabled():
            return f"{address} needs the network, but HF_HUB_OFFLINE is set; unset it, or pull once while online"
        case errors.GatedRepoError():
            return (
                f"{address.repo} is gated: ask for access at {_page(address)}, then run `hf auth login` or pass a token"
            )
        case errors.RepositoryNotFoundError():
            return (
                f"there is no model {address.repo} that this account may see; "
                "check the name, and for a private one run `hf auth login` or set HF_TOKEN"
            )
        case errors.RevisionNotFoundError():
            return f"{address.repo} has no revision {address.revision!r}; give one that {_page(address)} shows"
        case errors.RemoteEntryNotFoundError():
            return f"{address} lacks a file that its fakeimg.json lists; ask its author, or take another revision"
        case errors.LocalEntryNotFoundError():
            cause = error.__cause__
            return explain(cause, address) if isinstance(cause, Exception) else _no_connection(error)
        case errors.HfHubHTTPError():
            return _explain_status(error, address)
        case errors.HFValidationError():
            return f"{address.repo!r} is no repository name; write owner/name"
        case errors.LocalTokenNotFoundError():
            return "no token is stored on this machine; run `hf auth login`, set HF_TOKEN, or pass a token"
        case ValueError() if "metadata in README.md" in str(error):
            said = _first_line(str(error).partition("README.md.")[2])
            return f"the Hub refuses the metadata at the top of README.md: {said or 'correct it'}"
        case ValueError() | RuntimeError() if isinstance(error.__cause__, Exception):
            return explain(error.__cause__, address)  # an upload's thread, or a forced download
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG):
            return f"no room on the disk for {address}; free some, or move the cache with HF_HOME or cache_dir"
        case PermissionError() | NotADirectoryError():
            return f"cannot write {error.filename} ({error.strerror}); choose another place: out, cache_dir or HF_HOME"
        case OSError() if "Consistency check failed" in str(error):
            return f"the connection broke while a file of {address} was sent; nothing was kept of it, run it again"
        case TimeoutError():
            return _no_connection(error)
    return _no_connection(error) if unreachable(error) else None


def _explain_status(error: Exception, address: Address) -> str:
    response = error.response  # type: ignore[attr-defined]
    said = _first_line(getattr(error, "server_message", None) or "")
    match response.status_code:
        case 401:
            return "the Hub refuses the token, or there is none; run `hf auth login`, or set HF_TOKEN to a valid one"
        case 403:
            return f"the token may not do that to {address.repo} ({said}); take one that may: {_page()}/settings/tokens"
        case 409:
            return f"{address.repo}: {said}; choose another name"
        case 412:
            return f"{address.repo} has changed since; pull it, look at what is new, and push again"
        case 429:
            wait = response.headers.get("Retry-After")
            return f"the Hub asks to slow down; try again in {f'{wait} seconds' if wait else 'a few minutes'}"
        case status if status >= 500:
            return f"the Hub has trouble (status {status}); try again in a few minutes"
        case status:
            return f"{_page()} refuses (status {status}{f': {said}' if said else ''}); check that it is a Hub"


def _no_connection(error: BaseException) -> str:
    reason = _first_line(str(error)) or "no answer"
    return f"cannot reach {_page()} ({reason}); check the network and HF_ENDPOINT, or use a model that is already here"


def _page(address: Address | None = None) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{address.repo}" if address else str(constants.ENDPOINT)


def _first_line(text: str) -> str:
    return next((line.strip(" -") for line in text.splitlines() if line.strip()), "")
