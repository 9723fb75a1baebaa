"""The few kinds of error that fakeimg raises, and the hint that goes with a misspelt name."""

from collections.abc import Iterable
from difflib import get_close_matches


class FakeimgError(Exception):
    """Anything that fakeimg refuses or cannot do; its text is one line that says what would do instead."""

    exit_code = 1


class ConfigError(FakeimgError):
    """An experiment, an option or an argument is wrong."""

    exit_code = 2


class DatasetError(FakeimgError):
    """A data set cannot be read, or does not hold what was asked of it."""

    exit_code = 2


class ImageError(FakeimgError):
    """One image cannot be read; the rest of a batch goes on without it.

    Attributes:
        reason: why, without the name of the file.
    """

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(reason if name is None else f"{name}: {reason}")
        self.reason = reason


class ModelError(FakeimgError):
    """A model folder is missing, damaged, too new, or not safe to open."""


class HubError(FakeimgError):
    """The Hugging Face Hub refused or could not be reached."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """`'; did you mean "resnet50"?'` for the closest of `options`, or an empty string when none is close."""
    close = get_close_matches(name, list(options), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
