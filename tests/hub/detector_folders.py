"""Detector folders made by hand: everything but the network is real, so that these tests need no TensorFlow."""

import os
from pathlib import Path
from typing import Any

from fakeimg.config import Head
from fakeimg.models.artifact import DetectorSpec, write_spec
from fakeimg.models.network import Architecture

WEIGHTS = "model.weights.h5"


def make_folder(folder: Path, *, weights: bytes | None = None, card: str = "", **spec: Any) -> Path:
    """A folder that `verify` accepts, with random weights of 200 kB."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(os.urandom(200_000) if weights is None else weights)
    (folder / "config.json").write_text("{}")
    (folder / "metadata.json").write_text("{}")
    if card:
        (folder / "README.md").write_text(card)
    architecture = Architecture(
        backbone="five_conv", image_size=(64, 64), framing="stretch", head=Head(), class_names=("real", "fake")
    )
    values: dict[str, Any] = {"architecture": architecture, "positive_class": "fake"} | spec
    write_spec(folder, DetectorSpec(**values), [WEIGHTS, "config.json", "metadata.json"])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
