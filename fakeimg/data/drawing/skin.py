"""The surface of the face: the colour of its skin, and the relief of its features."""

import numpy as np

from fakeimg.data.drawing.canvas import Canvas, Field, blurred, smooth_noise
from fakeimg.data.drawing.traits import Face


def skin_colour(canvas: Canvas, face: Face, rng: np.random.Generator) -> Field:
    """Albedo (h, w, 3): blotches, redder cheeks, nose and chin, pores, freckles."""
    shape = canvas.pixels.shape[:2]
    blush = np.zeros(shape, np.float32)
    for sign in (-1, 1):
        canvas.add_bump(blush, (sign * 0.52 + 0.25 * face.yaw, 0.45), (0.24, 0.2), 1)
    canvas.add_bump(blush, (0.4 * face.yaw, face.nose_length - 0.05), (0.14, 0.12), 0.8)
    canvas.add_bump(blush, (0.3 * face.yaw, 1.2), (0.2, 0.12), 0.4)
    strength = {"light": 1.0, "medium": 0.6, "dark": 0.35}[face.skin_tone] * rng.uniform(0.4, 1)
    blotches = 0.035 * smooth_noise(rng, shape, 9) + 0.03 * smooth_noise(rng, shape, 28)
    pores = 0.03 * blurred(rng.standard_normal(shape, dtype=np.float32), 0.9) * 2.5
    tone = 1 + blotches + pores
    colour = np.stack([tone, tone - 0.16 * strength * blush, tone - 0.13 * strength * blush], axis=-1)
    if face.freckles:
        count = int(110 * face.freckles)
        spots = np.stack([rng.normal(0, 0.4, count) + 0.3 * face.yaw, rng.normal(0.36, 0.2, count)], axis=1)
        dots = np.zeros(shape, np.float32)
        for spot in spots:
            canvas.add_bump(dots, (spot[0], spot[1]), (rng.uniform(0.011, 0.022),) * 2, rng.uniform(0.3, 0.8))
        colour *= 1 - np.clip(dots, 0, 1)[..., None] * np.array([0.28, 0.42, 0.5], np.float32)
    return np.asarray(face.skin * colour, np.float32)


def relief_of(canvas: Canvas, face: Face, rng: np.random.Generator) -> Field:
    """Height of the features over the skull, (h, w), frame units."""
    relief = np.zeros(canvas.pixels.shape[:2], np.float32)

    def bump(u: float, v: float, wide: float, high: float, height: float, depth: float = 0.9) -> None:
        (place,) = face.turned([(u, v)], depth)
        canvas.add_bump(relief, (float(place[0]), float(place[1])), (wide, high), height)

    tip = face.nose_length
    for step in np.linspace(0, 1, 6):
        bump(0, -0.12 + step * (tip - 0.05), 0.1 + 0.025 * step, 0.11, 0.03 + 0.035 * step, 1 + 0.15 * step)
    bump(0, tip - 0.03, 0.12, 0.1, 0.06, 1.15)
    for sign in (-1, 1):
        bump(sign * face.nose_width * 0.72, tip, 0.075, 0.07, 0.05, 1.0)
        bump(sign * face.eye_distance, 0.0, 0.2, 0.13, -0.05)
        bump(sign * face.eye_distance, -0.3, 0.24, 0.08, 0.035 if face.soft_features else 0.055)
        bump(sign * 0.6, 0.38, 0.22, 0.16, 0.07 + 0.04 * max(face.mood, 0))
        bump(sign * 0.55, 0.75, 0.16, 0.2, -0.03 - 0.03 * face.age)
        fold = 0.006 + 0.03 * face.age + 0.022 * max(face.mood, 0)
        for step in np.linspace(0, 1, 7):
            bump(
                sign * (face.nose_width + 0.04 + 0.16 * step**1.3),
                tip + 0.02 + 0.3 * step,
                0.028,
                0.05,
                -fold * (1 - 0.6 * step),
            )
    bump(0, 0.86, 0.3, 0.14, 0.06)
    bump(0, 0.735, 0.03, 0.06, -0.015)
    bump(0, 1.08, 0.16, 0.05, -0.035)
    bump(0, 1.22, 0.18, 0.1, 0.06)
    bump(0, -0.75, 0.5, 0.3, 0.04)
    if face.age > 0.45:
        for line in range(3):
            lower = -0.52 - 0.14 * line + rng.normal(0, 0.01)
            for u in np.linspace(-0.4, 0.4, 13):
                bump(u, lower - 0.03 * (1 - (u / 0.4) ** 2), 0.035, 0.014, -0.009 * face.age)
        for sign in (-1, 1):
            for k in range(3):
                for step in (0.0, 0.5, 1.0):
                    bump(sign * (0.66 + 0.1 * step), -0.02 + 0.05 * (k - 1) * (1 + step), 0.03, 0.012, -0.01 * face.age)
    return relief
