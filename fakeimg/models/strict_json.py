"""JSON from a stranger: read without the freedoms that Python's parser takes."""

import json
import math
from typing import Any

from fakeimg.errors import ModelError

MAX_DEPTH = 64


def parse(content: bytes, name: str) -> Any:
    """The value that `content` holds.

    Args:
        content: already bounded in size.
        name: of the file, for the error.
    Raises:
        ModelError: not JSON; a key twice, of which one reader would take the first and another the last; a number
            that is none; more than 64 levels; control characters, which could rewrite what a terminal shows.
    """
    try:
        value = json.loads(content, object_pairs_hook=_once, parse_constant=_refuse_constant, parse_float=_finite)
        _look_over(value)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is damaged: {error}") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in names if names.count(key) > 1)!r} is there twice")
    return found


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word} is beyond every float")
    return number


def _look_over(value: Any) -> None:
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        if isinstance(item, dict):
            waiting += [(part, depth + 1) for part in (*item, *item.values())]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]
        elif isinstance(item, str) and any(character < " " and character not in "\t\r\n" for character in item):
            raise ValueError(f"{item[:40]!r} holds control characters")
