"""The mouth, and the shadows that make a nose."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.data.drawing.canvas import Canvas, spline
from fakeimg.data.drawing.traits import Face

Points = NDArray[np.float64]

_MIDDLE = 0.885  # where the lips meet, below the eyes


def draw_nose(canvas: Canvas, face: Face) -> None:
    """Nostrils, the wings of the nose, and the shade under its tip; its relief belongs to the head."""
    tip, wide = face.nose_length, face.nose_width
    under = spline([(-wide, tip), (0, tip + 0.09), (wide, tip), (0, tip + 0.03)], closed=True)
    canvas.shade(canvas.polygon(face.turned(under, 1.0), soft=0.03) * 0.6, [0.42, 0.32, 0.32])
    hole = spline([(0.18, 0.045), (0.41, 0.015), (0.61, 0.035), (0.36, 0.06)], closed=True)
    wing = spline([(0.86, -0.1), (1.02, -0.01), (0.95, 0.05), (0.72, 0.055)])
    for sign in (-1, 1):
        nostril = face.turned(hole * [sign * wide, 1] + [0, tip], 1.02)
        canvas.shade(canvas.polygon(nostril, soft=0.012) * 0.85, [0.12, 0.06, 0.06])
        edge = face.turned(wing * [sign * wide, 1] + [0, tip], 1.0)
        canvas.shade(canvas.strokes([edge], 0.02, soft=0.016) * 0.6, [0.42, 0.3, 0.3])


def draw_mouth(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    """Lips, and teeth where the mouth is open; the corners rise or fall with the mood."""
    smile = max(face.mood, 0)
    wide, full = face.mouth_width * (1 + 0.2 * smile), 0.075 * face.lip_fullness
    corner = -0.012 - (0.085 if face.mood > 0 else 0.055) * face.mood
    gap, sag = 0.15 * face.mouth_open, 0.035 * smile

    def place(points: ArrayLike) -> Points:
        return face.turned(np.add(points, [0, _MIDDLE]))

    def across(middle: float, *between: tuple[float, float]) -> Points:
        """A line from corner to corner through (0, `middle`) and points given by share of the width."""
        right = np.array([(share * wide, y) for share, y in [(0, middle), *between, (1, corner)]])
        return spline(np.concatenate([right[:0:-1] * [-1, 1], right]))

    above = across(0.6 * sag - 0.25 * gap, (0.45, 0.55 * sag - 0.22 * gap + 0.2 * corner))
    below = across(sag + 0.8 * gap, (0.5, 0.8 * sag + 0.6 * gap + 0.22 * corner))
    top = across(-0.72 * full - 0.25 * gap, (0.2, -full - 0.25 * gap), (0.6, 0.5 * corner - 0.45 * full))
    bottom = across(
        1.3 * full + sag + 0.8 * gap,
        (0.42, 1.12 * full + sag + 0.65 * gap),
        (0.8, 0.35 * full + 0.6 * corner),
    )
    painted = face.soft_features and rng.uniform() < 0.5
    lip = face.skin * ([0.95, 0.36, 0.36] if painted else [0.84, 0.5, 0.5])
    canvas.shade(canvas.polygon(place(np.add(bottom, [0, 0.9 * full])), soft=0.05) * 0.3, [0.5, 0.42, 0.42])
    canvas.paint(canvas.polygon(place(np.concatenate([top, above[::-1]])), soft=0.008) * 0.9, lip * 0.52)
    canvas.paint(canvas.polygon(place(np.concatenate([below, bottom[::-1]])), soft=0.008) * 0.9, lip * 0.78)
    level = float(above[:, 1].min()) + gap
    gleam = [(-0.4 * wide, 0.75 * full), (0, 0.6 * full), (0.4 * wide, 0.75 * full), (0, 1.05 * full)]
    gloss = canvas.polygon(place(spline(np.add(gleam, [0, level]), closed=True)), soft=0.025)
    canvas.paint(gloss * (0.3 if painted else 0.16), [0.9, 0.8, 0.78])
    if face.mouth_open:
        _draw_teeth(canvas, place, above, below, gap)
    else:
        canvas.paint(canvas.strokes([place(above)], 0.022, soft=0.008) * 0.8, lip * 0.14)
    for sign in (-1, 1):
        end = [(sign * wide, corner - 0.03), (sign * (wide + 0.02), corner), (sign * wide, corner + 0.04)]
        canvas.shade(canvas.strokes([place(end)], 0.03, soft=0.02) * 0.45, [0.4, 0.3, 0.3])


def _draw_teeth(canvas: Canvas, place: Callable[[ArrayLike], Points], above: Points, below: Points, gap: float) -> None:
    inside = canvas.polygon(place(np.concatenate([above, below[::-1]])), soft=0.006)
    canvas.paint(inside, [0.05, 0.012, 0.012])
    edge = above * [0.9, 1] + [0, 0.78 * gap]
    teeth = canvas.polygon(place(np.concatenate([above, edge[::-1]])), soft=0.008)
    canvas.paint(teeth * inside * 0.95, [0.66, 0.62, 0.56])
    level, half = above[:, 1].min(), 0.7 * above[:, 0].max()
    between = [place([(x, level - 0.05), (x, level + 0.8 * gap)]) for x in np.linspace(-half, half, 8)]
    canvas.shade(canvas.strokes(between, 0.008, soft=0.006) * inside * 0.25, 0.5)
    canvas.shade(canvas.strokes([place(above)], 0.05, soft=0.02) * inside * 0.5, 0.35)
