"""Reading a Keras weights file that may come from a stranger: looked over before anything in it is used."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakeimg.errors import ModelError

MAX_ENTRIES = 20_000
MAX_DEPTH = 12


def load_checked(model: Any, path: Path) -> None:
    """Load `path` into `model` after making sure that it is plain: arrays inside the file, as many numbers as expected.

    Raises:
        ModelError: not an HDF5 file; linked, external, virtual or compressed data; arrays of another network; weights
            that are not finite.
    """
    import numpy as np

    stored = stored_numbers(path)
    expected = sum(math.prod(weight.shape) for weight in model.weights)
    if stored != expected:
        raise ModelError(f"{path.name} holds {stored:,} numbers, but the network described with it has {expected:,}")
    try:
        load_whole(model, path)
    except Exception as error:  # Keras raises whatever h5py does
        raise ModelError(f"{path.name} does not fit the network described with it: {_reason(error)}") from None
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise ModelError(f"{path.name} holds weights of {weight.path} that are not finite numbers; it is damaged")


def load_whole(model: Any, path: Path) -> None:
    """`model.load_weights(path)`, but a layer that the file lacks is an error; Keras only warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Skipping nested container")
        model.load_weights(path)


def stored_numbers(path: Path) -> int:
    """How many floating-point numbers a network's arrays in an HDF5 file hold; nothing is read but their headers.

    Raises:
        ModelError: not an HDF5 file, or anything in it that is not a plain floating-point array.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            numbers = stored = 0
            for array in _plain_arrays(file, path.name):
                # A compiled model's file holds its optimizer's state beside its weights.
                if array.dtype.kind == "f" and not array.name.startswith("/optimizer/"):
                    numbers += math.prod(array.shape)
                stored += array.id.get_storage_size()
            if stored > path.stat().st_size:  # one array under many names
                raise ModelError(f"{path.name} declares more numbers than it has room for")
            return numbers
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"{path.name} is not a whole HDF5 weights file: {_reason(error)}") from None


def _plain_arrays(file: Any, name: str) -> Iterator[Any]:
    import h5py

    waiting = [(file, 0)]
    seen = 0
    while waiting:
        group, depth = waiting.pop()
        for key in group:
            seen += 1
            if seen > MAX_ENTRIES or depth > MAX_DEPTH:
                raise ModelError(f"{name} holds more entries than any network of fakeimg has")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise ModelError(f"{name} links {key!r} to data elsewhere; only plain arrays are read")
            item = group[key]
            if isinstance(item, h5py.Group):
                waiting.append((item, depth + 1))
            elif not isinstance(item, h5py.Dataset):
                raise ModelError(f"{name} holds {key!r}, which is not an array")
            elif item.is_virtual or item.external or item.chunks is not None or item.dtype.kind not in "fiu":
                raise ModelError(f"{name} stores {key!r} outside the file, compressed, or not as numbers")
            elif item.id.get_storage_size() != math.prod(item.shape) * item.dtype.itemsize:
                raise ModelError(f"{name} declares {key!r} as {item.shape}, but does not hold that many numbers")
            else:
                yield item


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
