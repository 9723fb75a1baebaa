"""The bytes of one image, from a file or from memory, and the one kind of error that leaves the decoder."""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fakeimg.errors import ImageError

Source = Path | str | bytes

MAX_BYTES = 256 * 2**20
"""Holds 64 megapixels of uncompressed RGBA."""
_TOO_LARGE = f"larger than {MAX_BYTES // 2**20} MiB"
LARGE_BYTES = 32 * 2**20
"""A file over this size is read and decoded alone."""
LARGE = threading.RLock()
"""Held while a large picture is decoded: one at a time, so that several threads together stay within 1.5 GB."""


@contextmanager
def only_image_errors(source: object) -> Iterator[None]:
    """Turn whatever goes wrong with one picture into an `ImageError` with its name.

    Pillow and the libraries under it raise a dozen kinds of error for damaged files, more with each release.
    """
    name = None if isinstance(source, bytes) else str(source)
    try:
        yield
    except ImageError as error:
        raise ImageError(error.reason, name) from error.__cause__
    except MemoryError as error:
        raise ImageError("not enough memory to decode it", name) from error
    except Exception as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"cannot be decoded ({detail})", name) from error


def read_source(source: Source, turn: ExitStack) -> bytes:
    """The content of a file of a sane size; a large one waits its turn first."""
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, str | Path):
        try:
            status = os.stat(source)
            if stat.S_ISDIR(status.st_mode):
                raise ImageError("a folder, not a file")
            if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device would wait for ever
                raise ImageError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise ImageError(_TOO_LARGE)
            if status.st_size > LARGE_BYTES:
                turn.enter_context(LARGE)
            with open(source, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError as error:
            raise ImageError("a link to nothing" if os.path.islink(source) else "no such file") from error
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error
    else:
        raise ImageError(f"expected a path or bytes; received {type(source).__name__}")
    if len(data) > MAX_BYTES:
        raise ImageError(_TOO_LARGE)
    return data
