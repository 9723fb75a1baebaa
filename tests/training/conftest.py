"""A small labelled data set for training: coarse shades against fine grain."""

import cv2
import numpy as np
import pytest

from fakeimg.data.dataset import Dataset


def make_dataset(folder, images=60, side=40, seed=0):
    """`images` PNG files in real/ and fake/, which a small network tells apart better than chance."""
    random = np.random.default_rng(seed)
    for i in range(images):
        label = ("real", "fake")[i % 2]
        pixels = random.integers(90, 160, (side, side, 3)).astype(np.float64)
        strength = random.uniform(0.2, 1.0)
        smooth = cv2.GaussianBlur(pixels, (0, 0), 3)
        mixed = smooth if label == "real" else (1 - strength) * smooth + strength * pixels
        path = folder / label / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mixed.round().clip(0, 255).astype(np.uint8))
    return Dataset.open(folder)


@pytest.fixture(scope="session")
def grain(tmp_path_factory):
    """60 images of 40 x 40 pixels, half real, half fake."""
    return make_dataset(tmp_path_factory.mktemp("grain"))
