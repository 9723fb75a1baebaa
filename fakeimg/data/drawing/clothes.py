"""Neck and clothes."""

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.drawing.canvas import Canvas, Field, blurred, mirrored, smooth_noise, spline
from fakeimg.data.drawing.light import Light
from fakeimg.data.drawing.traits import Face


def draw_clothes(canvas: Canvas, face: Face, light: Light, head: NDArray[np.float64], rng: np.random.Generator) -> None:
    """The neck, in the shadow of the chin of `head` (its outline), and what is worn below it."""
    thick = 0.52 if face.soft_features else 0.66
    chin = blurred(canvas.polygon(np.add(head, [-0.12 * np.sign(light.direction[0]), 0.16])), 0.09 * canvas.scale)
    top = max(0, int(canvas.origin[1] + 0.5 * canvas.scale))
    below = (slice(top, canvas.pixels.shape[0]), slice(0, canvas.pixels.shape[1]))
    torso, chin = Canvas(canvas.pixels, canvas.origin, canvas.scale, face.roll * 0.3).crop(below), chin[below]
    x, y = torso.coordinates()
    throat = [(0, 0.6), (thick, 0.6), (thick * 1.05, 1.5), (thick + 0.35, 2.0), (0.4, 2.7), (0, 2.7)]
    neck = torso.polygon(mirrored(throat))
    side = np.clip(x / thick, -1, 1) * light.direction[0]
    torso.paint(neck, face.skin * (light.fill + light.key * np.clip(0.42 + 0.5 * side, 0.05, 1)[..., None]))
    torso.shade(neck * chin, [0.42, 0.36, 0.36])

    broad = 1.75 if face.soft_features else 2.0
    slope = [(0, 1.62), (thick + 0.1, 1.62), (thick + 0.5, 1.82), (broad * 0.8, 2.02), (broad, 2.5), (broad + 0.1, 4)]
    neckline = str(rng.choice(["crew", "crew", "v", "shirt", "roll"]))
    depth = {"crew": 0.34, "v": 0.95, "shirt": 0.8, "roll": -0.3}[neckline]
    across = np.clip(np.abs(x) / np.float32(thick + 0.12), 0, 1)
    edge = 1.62 + depth * (1 - (across**2 if neckline == "crew" else across))
    dress = torso.polygon(spline(mirrored(slope))) * np.clip((y - edge) * torso.scale + 0.5, 0, 1)
    if neckline == "roll":
        outline = mirrored([(0, 1.4), (thick + 0.06, 1.28), (thick + 0.12, 1.9), (0, 1.9)])
        dress = np.maximum(dress, torso.polygon(outline))
    colour = _cloth(rng, x, y)
    folds = blurred(smooth_noise(rng, dress.shape, 7), 3)
    shape = np.clip(0.62 + 0.38 * x * light.direction[0] / broad + 0.13 * folds - 0.1 * np.clip(y - 2, 0, 2), 0.1, 1.3)
    torso.paint(dress, colour * (np.float32(0.8) * light.fill + light.key * shape[..., None]))
    if neckline in ("crew", "v"):
        torso.shade(np.clip(1 - np.abs((y - edge) / 0.07), 0, 1) * dress, 0.75)
    if neckline == "shirt":
        for sign in (-1, 1):
            wing = [(thick + 0.08, 1.42), (0.1, 2.42), (0.52, 2.5), (thick + 0.5, 1.85)]
            collar = torso.polygon(np.array(wing) * [sign, 1])
            torso.shade(blurred(collar, 0.05 * torso.scale), 0.7)
            lit = light.fill + np.float32(0.72) * light.key
            torso.paint(collar * dress, np.clip(colour * np.float32(1.12), 0, 1) * lit)


def _cloth(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """The colour of the cloth, (h, w, 3): plain, striped, checked or knitted."""
    hue = rng.uniform(0, 2 * np.pi)
    value = rng.uniform(0.08, 0.5)
    chroma = rng.uniform(0.05, 0.6)
    base = (value * (1 + chroma * np.cos(hue + np.array([0, 2.1, 4.2])))).astype(np.float32)
    other = base * np.float32(rng.uniform(0.35, 0.7)) if value > 0.2 else np.clip(base * 2.2 + 0.05, 0, 0.9)
    kind = rng.choice(["plain", "plain", "stripes", "checks", "knit"])
    step = rng.uniform(0.14, 0.34)
    if kind == "plain":
        mix = np.zeros_like(x)
    elif kind == "stripes":
        mix = np.clip(4 * np.sin(2 * np.pi * y / step) + rng.uniform(-2, 1), 0, 1)
    elif kind == "checks":
        mix = 0.5 * (np.sin(2 * np.pi * y / step) > 0.3) + 0.5 * (np.sin(2 * np.pi * x / step) > 0.3)
    else:
        mix = 0.3 + 0.3 * np.sin(2 * np.pi * x / 0.09) * np.sin(2 * np.pi * y / 0.06 + np.sin(2 * np.pi * x / 0.09))
    weave = 1 + 0.06 * rng.standard_normal(x.shape, dtype=np.float32)
    blend = mix.astype(np.float32)[..., None]
    return np.asarray((base * (1 - blend) + other * blend) * weave[..., None], np.float32)
