"""A small labelled data set for training: smooth pictures against grainy ones; and a count of the files opened."""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakeimg.data.dataset import Dataset


def make_dataset(folder: Path, images: int = 60, side: int = 40, seed: int = 0) -> Dataset:
    """`images` PNG files in real/ and fake/, which a small network tells apart better than chance."""
    random = np.random.default_rng(seed)
    for i in range(images):
        label = ("real", "fake")[i % 2]
        pixels = random.integers(90, 160, (side, side, 3)).astype(np.float64)
        smooth = cv2.GaussianBlur(pixels, (0, 0), 3)
        strength = random.uniform(0.2, 1.0) if label == "fake" else 0.0
        mixed = (1 - strength) * smooth + strength * pixels
        path = folder / label / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mixed.round().clip(0, 255).astype(np.uint8))
    return Dataset.open(folder)


@pytest.fixture(scope="session")
def grain(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """60 images of 40 x 40 pixels, half real, half fake."""
    return make_dataset(tmp_path_factory.mktemp("grain"))


_watching: list[tuple[str, list[str]]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watching and isinstance(arguments[0], str | Path):
        root, seen = _watching[-1]
        if str(arguments[0]).startswith(root):
            seen.append(str(arguments[0]))


@pytest.fixture(scope="session")
def _audited() -> None:
    sys.addaudithook(_audit)  # cannot be taken away again, so one serves all tests


@pytest.fixture
def opened(_audited: None, grain: Dataset) -> Iterator[list[str]]:
    """The images of `grain` that anything in this process opens, as the interpreter's own audit sees it."""
    seen: list[str] = []
    _watching.append((str(grain.root), seen))
    yield seen
    _watching.pop()
