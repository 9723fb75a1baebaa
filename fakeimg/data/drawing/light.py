"""The light that falls on a portrait."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.drawing.canvas import Field


@dataclass(frozen=True)
class Light:
    """A key light from a direction (x right, y down, z to the viewer; unit length) over soft surrounding light."""

    direction: NDArray[np.float32]
    key: Field
    fill: Field

    @classmethod
    def draw(cls, rng: np.random.Generator, surroundings: Field) -> "Light":
        """A light at random, whose fill takes some of the colour of the `surroundings`, (3,)."""
        direction = np.array([rng.uniform(0.25, 0.85) * rng.choice([-1, 1]), rng.uniform(-0.75, -0.2), 0.75])
        warmth = rng.uniform(-0.08, 0.1)
        tint = surroundings / max(float(surroundings.mean()), 1e-3)
        level = rng.uniform(0.3, 0.5)
        return cls(
            direction=(direction / np.linalg.norm(direction)).astype(np.float32),
            key=np.array([1 + warmth, 1, 1 - warmth], np.float32) * np.float32(rng.uniform(0.75, 0.95)),
            fill=(level * (0.75 + 0.25 * tint)).astype(np.float32),
        )
