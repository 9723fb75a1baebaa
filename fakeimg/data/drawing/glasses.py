"""Glasses."""

import numpy as np

from fakeimg.data.drawing.canvas import Canvas, blurred, smooth_noise, spline
from fakeimg.data.drawing.traits import Face

# The exponent of the lens's superellipse, half its width and half its height.
_SHAPES = {
    "round": (2.0, 0.3, 0.29),
    "square": (4.5, 0.34, 0.25),
    "oval": (2.3, 0.33, 0.22),
    "cat": (3.0, 0.34, 0.24),
}
_METALS = ((0.55, 0.42, 0.2), (0.45, 0.45, 0.47))
_PLASTICS = ((0.012, 0.012, 0.014), (0.09, 0.035, 0.014), (0.02, 0.03, 0.09), (0.25, 0.02, 0.03))


def draw_glasses(canvas: Canvas, face: Face, rng: np.random.Generator) -> None:
    """A frame with lenses that darken and mirror a little, its temples, and the shadow it throws."""
    power, wide, high = _SHAPES[face.frame]
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lens = np.sign(circle) * np.abs(circle) ** (2 / power) * [wide, high]
    if face.frame == "cat":
        lens[:, 1] -= 0.1 * np.clip(lens[:, 0] / wide, 0, 1) * (lens[:, 1] < 0)
    metal = rng.uniform() < 0.35
    thick = 0.026 if metal else float(rng.uniform(0.045, 0.075))
    colours = _METALS if metal else _PLASTICS
    colour = colours[int(rng.integers(len(colours)))]

    centre = face.eye_distance + 0.01
    rims = [face.turned(lens * [sign, 1] + [sign * centre, 0.03], 1.0) for sign in (-1, 1)]
    bridge = face.turned(spline([(wide - centre, -0.03), (0, -0.075), (centre - wide, -0.03)]), 1.05)
    temples = []
    for sign in (-1, 1):
        (hinge,) = face.turned([(sign * (centre + wide - 0.01), -0.06)], 1.0)
        temples.append(np.array([hinge, (sign * 1.02, -0.04), (sign * 1.06, 0.0)]))

    fall = np.array([0.0, 0.05])
    shadow = canvas.strokes([rim + fall for rim in rims], thick, closed=True, soft=0.03)
    shadow = np.maximum(shadow, canvas.strokes([bridge + fall], thick, soft=0.03))
    canvas.shade(shadow * 0.55, [0.4, 0.3, 0.3])
    for rim in rims:
        glass = canvas.polygon(rim)
        canvas.shade(glass, [0.88, 0.9, 0.9])
        (left, top), (right, bottom) = rim.min(axis=0), rim.max(axis=0)
        left += rng.uniform(-0.1, 0.25) * (right - left)
        streak = [(left + 0.12, top), (left + 0.3, top), (left + 0.08, bottom), (left - 0.1, bottom)]
        canvas.paint(canvas.polygon(streak, soft=0.02) * glass * rng.uniform(0.02, 0.08), [0.9, 0.95, 1.0])
    frame = np.maximum(canvas.strokes(rims, thick, closed=True), canvas.strokes([bridge, *temples], thick))
    canvas.paint(frame, colour)
    edge = [rim - [0.004, 0.3 * thick] for rim in rims]
    sheen = canvas.strokes(edge, max(0.012, thick * 0.25), closed=True) * frame
    patchy = np.clip(smooth_noise(rng, frame.shape, 9), 0, 1)
    canvas.paint(blurred(sheen * patchy, 0.8) * (0.7 if metal else 0.3), [1, 1, 1])
