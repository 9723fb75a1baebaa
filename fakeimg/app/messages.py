"""Every failure as one clean line for the visitor: no paths of the server, no traces."""

import functools
import inspect
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from fakeimg.errors import FakeimgError, ImageError

OUR_FAULT = "This went wrong on our side and was noted; another picture may well work."

_log = logging.getLogger("fakeimg.app")
# An absolute path; the slashes of hf://owner/name and of a/b are none.
_PATH = re.compile(r"(?<![\w:/.~-])(?:~|[A-Za-z]:)?[/\\](?:[^\s:;,'\"()/\\]+[/\\])*[^\s:;,'\"()/\\]*")


def without_paths(text: str) -> str:
    """`text` with the last part of every absolute path in its stead."""
    return _PATH.sub(lambda found: re.split(r"[/\\]", found.group().rstrip("/\\"))[-1] or "…", text)


def said(error: Exception) -> str:
    """What a visitor is told of an error."""
    if isinstance(error, ImageError):
        return _sentence(without_paths(error.reason))
    if isinstance(error, FakeimgError):
        return _sentence(without_paths(str(error)))
    _log.error("a request failed", exc_info=error)
    return OUR_FAULT


def answered(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` or generator function, with every error turned into the message that Gradio shows."""
    import gradio as gr

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def parts(*values: Any, **named: Any) -> Iterator[Any]:
            try:
                yield from function(*values, **named)
            except gr.Error:
                raise
            except Exception as error:
                raise gr.Error(said(error), print_exception=False) from None

        return parts

    @functools.wraps(function)
    def whole(*values: Any, **named: Any) -> Any:
        try:
            return function(*values, **named)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(said(error), print_exception=False) from None

    return whole


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
