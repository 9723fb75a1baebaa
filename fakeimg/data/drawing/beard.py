"""Beards: stubble, or short hairs over a darkened jaw."""

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.drawing.canvas import Canvas, blurred, bounding_box, spline
from fakeimg.data.drawing.traits import Face


def draw_beard(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    """Stubble, or a beard and moustache of short hairs."""
    if not face.beard:
        return
    jaw = canvas.polygon(_jaw(face), soft=0.02)
    box = bounding_box(jaw)
    canvas, jaw = canvas.crop(box), jaw[box]
    x, y = canvas.coordinates()
    middle = 0.25 * face.yaw
    aside = np.abs(x - middle)
    lower = np.clip((y - 0.92 + 0.5 * aside**3 - 0.55 * np.clip(aside - 0.45, 0, 1)) / 0.2, 0, 1)
    lip = np.exp(-0.5 * ((aside / 0.3) ** 4 + ((y - 0.74 - 0.9 * aside**2) / 0.06) ** 2))
    mouth = np.exp(-0.5 * ((aside / 0.33) ** 4 + ((y - 0.92) / 0.095) ** 4))
    sides = np.clip((np.abs(x - 0.6 * middle) - 0.7) / 0.14, 0, 1) * np.clip((y - 0.25) / 0.3, 0, 1)
    region = np.clip(np.maximum(lower * (1 - mouth), np.maximum(lip * 1.1, sides)), 0, 1)
    region = np.asarray(region * jaw, np.float32)
    colour = face.hair_colour * 0.34 + face.skin * 0.06
    if face.beard < 0.8:
        speckle = np.clip(0.55 + 0.5 * blurred(rng.standard_normal(x.shape, dtype=np.float32), 0.8) * 2, 0, 1)
        canvas.paint(blurred(region, 0.04 * canvas.scale) * speckle * face.beard, colour)
        return
    canvas.paint(blurred(region, 0.03 * canvas.scale) * 0.9, colour * 0.7)
    rows, columns = np.nonzero(region > 0.35)
    for tone, count in ((0.5, 260), (1.3, 260), (2.0, 90)):
        pick = rng.integers(0, rows.size, count)
        roots = np.stack([x[rows[pick], columns[pick]], y[rows[pick], columns[pick]]], axis=1)
        sway = 0.05 * (roots[:, 0] - middle) + rng.normal(0, 0.02, count)
        tips = roots + np.stack([sway, rng.uniform(0.04, 0.09, count)], axis=1)
        canvas.paint(canvas.strokes(np.stack([roots, tips], axis=1), 0.01) * 0.6, colour * tone)


def _jaw(face: Face) -> NDArray[np.float64]:
    """The part of the head's outline below the temples, frame units."""
    down = face.length
    low = [(face.jaw + 0.02, 0.86 * down), (face.chin * 0.75, 1.32 * down), (0, 1.41 * down)]
    right = np.array([(0.98, -0.2), (0.95, 0.35), *low])
    outline = np.concatenate([right, right[-2::-1] * [-1, 1]])
    outline[:, 0] += 0.3 * face.yaw * np.clip(outline[:, 1], 0, None) / 1.38
    return spline(outline)
