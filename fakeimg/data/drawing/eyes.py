"""Eyes and brows."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.data.drawing.canvas import Canvas, Field, spline
from fakeimg.data.drawing.traits import Face

Points = NDArray[np.float64]

_TURN = np.linspace(0, 2 * np.pi, 40)
_RING = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


def draw_eyes(canvas: Canvas, face: Face, light: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Both eyes with their lids and lashes; `light` is the direction of the key light (x right, y down, z near)."""
    for sign in (-1, 1):
        _draw_eye(canvas, face, sign, float(np.sign(light[0])), rng)


def _draw_eye(canvas: Canvas, face: Face, sign: int, bright_side: float, rng: np.random.Generator) -> None:
    """One eye, in coordinates about its middle whose x points away from the nose."""

    def place(points: ArrayLike) -> Points:
        x, y = np.asarray(points, np.float64).T
        return face.turned(np.stack([sign * (face.eye_distance + x), y - face.eye_tilt * x], axis=1))

    wide, high = 0.22 * face.eye_size, 0.112 * face.eye_size
    high *= 1 - 0.28 * max(face.mood, 0) - 0.12 * max(-face.mood, 0)
    upper = spline(
        [(-wide, 0.03), (-0.55 * wide, -0.72 * high), (0, -1.08 * high), (0.6 * wide, -0.7 * high), (wide, 0)]
    )
    lower = spline([(wide, 0), (0.5 * wide, 0.62 * high), (0, 0.8 * high), (-0.55 * wide, 0.62 * high), (-wide, 0.03)])
    almond = np.concatenate([upper, lower])
    opening = canvas.polygon(place(almond), soft=0.006)
    canvas.shade(canvas.polygon(place(almond * [1.25, 1.9] - [0, 0.03]), soft=0.06) * 0.28, [0.55, 0.45, 0.45])
    canvas.paint(opening, np.array([0.57, 0.54, 0.52]) * (0.84 if face.skin_tone == "dark" else 1))
    corner = place(_RING * [0.02, 0.014] + [0.02 - wide, 0.028])

    def disc(radius: float, centre: ArrayLike, soft: float) -> Field:
        return canvas.polygon(place(_RING * radius + np.asarray(centre)), soft=soft) * opening

    iris = 0.104 * face.eye_size
    gaze = np.array([sign * (0.12 * face.gaze[0] - 0.05 * face.yaw), 0.06 * face.gaze[1] - 0.012])
    canvas.paint(disc(iris, gaze, 0.006), face.iris * 0.3)
    canvas.paint(disc(0.84 * iris, gaze, 0.01), face.iris * 0.95)
    canvas.paint(disc(0.55 * iris, np.add(gaze, [0, 0.03]), 0.02) * 0.5, np.clip(face.iris * 1.9, 0, 0.7))
    spokes = rng.uniform(0, 2 * np.pi, 14)
    fibres = [place(np.outer([0.45, 0.8], [np.cos(a), np.sin(a)]) * iris + gaze) for a in spokes]
    canvas.shade(canvas.strokes(fibres, 0.006) * opening * 0.4, 0.4)
    canvas.paint(disc(0.42 * iris, gaze, 0.005), [0.006, 0.006, 0.007])
    canvas.shade(canvas.strokes([place(np.add(upper, [0, 0.03]))], 0.075, soft=0.015) * opening * 0.75, 0.3)
    glint = _RING * 0.023 + gaze + np.array([sign * 0.035 * bright_side, -0.04])
    canvas.paint(canvas.polygon(place(glint), soft=0.004) * 0.95, [1, 1, 1])
    canvas.paint(canvas.polygon(corner, soft=0.006) * 0.6, face.skin * [0.9, 0.55, 0.5])
    _draw_lids(canvas, face, place(upper), place(lower), wing=place([(wide, 0), (wide + 0.035, -0.015)]))
    crease = upper * [1.02, 1.1] + [0.005, -0.062 - 0.02 * (1 - face.age)]
    canvas.shade(canvas.strokes([place(crease)], 0.018, soft=0.012) * 0.55, [0.4, 0.3, 0.3])
    bag = lower * [1.0, 1.25] + [0.0, 0.06]
    canvas.shade(canvas.strokes([place(bag)], 0.02, soft=0.018) * (0.14 + 0.45 * face.age), [0.5, 0.38, 0.38])


def _draw_lids(canvas: Canvas, face: Face, upper: Points, lower: Points, wing: Points) -> None:
    lines = [upper, wing] if face.soft_features else [upper]
    width, strength = (0.034, 0.85) if face.soft_features else (0.022, 0.6)
    canvas.paint(canvas.strokes(lines, width, soft=0.006) * strength, face.hair_colour * 0.12)
    canvas.paint(canvas.strokes([lower], 0.014, soft=0.008) * 0.3, face.skin * 0.2)


def draw_brows(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    """Two brows of short hairs; they rise a little with a smile, and draw down and together with a frown."""
    frown, smile = max(-face.mood, 0), max(face.mood, 0)
    inner = np.array([0.2 - 0.035 * frown, -0.235 + 0.1 * frown - 0.02 * smile])
    middle = np.array([0.46, -0.325 + 0.015 * frown])
    outer = np.array([0.68, -0.235 - 0.02 * frown])
    curve = spline([inner, (inner + middle) / 2 - [0, 0.025], middle, outer], 10)
    along = np.linspace(0, 1, len(curve))
    half = face.brow_weight * 0.62 * (0.62 + 0.5 * np.sin(np.pi * np.clip(along * 1.25, 0, 1)) - 0.55 * along**2)
    across = np.stack([np.zeros_like(half), half], axis=1)
    band = np.concatenate([curve - across, (curve + across)[::-1]])
    colour = face.hair_colour * (0.5 if face.hair == "grey" else 0.3) + face.skin * 0.05
    for sign in (-1, 1):
        flip = np.array([sign, 1])
        canvas.paint(canvas.polygon(face.turned(band * flip), soft=0.014) * 0.55, colour)
        hairs = []
        for k in rng.integers(0, len(curve) - 1, 34):
            root = curve[k] + [rng.normal(0, 0.01), rng.uniform(-0.3, 1) * half[k]]
            lean = np.array([0.045, -0.055 * (1 - 1.3 * along[k])]) * rng.uniform(0.7, 1.2)
            hairs.append(face.turned(np.stack([root, root + lean]) * flip))
        canvas.paint(canvas.strokes(hairs, 0.012) * 0.65, colour * 0.6)
