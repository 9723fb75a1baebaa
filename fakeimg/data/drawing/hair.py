"""Hair: strands run along sheets from root to tip, thick ones for cover, fine ones for texture."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeimg.data.drawing.canvas import SUBPIXEL, Canvas, Field, blurred, bounding_box, mirrored, smooth_noise, spline
from fakeimg.data.drawing.hairstyles import Sheet, sheets_of
from fakeimg.data.drawing.traits import Face


def draw_back_hair(canvas: Canvas, face: Face, key: Field, rng: np.random.Generator) -> None:
    """The hair that hangs behind the neck."""
    low = {"long": 2.1, "wavy": 1.9, "bob": 1.12}.get(face.style)
    if low is None:
        return
    sheet: Sheet = [
        [(-0.9, -0.9), (0.9, -0.9)],
        [(-1.18, 0.1), (1.18, 0.1)],
        [(-1.16, low * 0.7), (1.16, low * 0.7)],
        [(-1.1, low), (1.1, low)],
    ]
    wave = 0.07 if face.style == "wavy" else 0.015
    coverage, texture = _strands(canvas, [sheet], rng, cover=90, fine=160, wave=wave)
    lit = 0.16 + 0.14 * texture
    canvas.paint(coverage, face.hair_colour * key * lit[..., None])


def draw_hair(canvas: Canvas, face: Face, light: NDArray[np.float32], key: Field, rng: np.random.Generator) -> None:
    """The hair on the head, in the face's style, with its sheen and the shade it throws on the brow."""
    part = float(rng.uniform(0.1, 0.4) * rng.choice([-1, 1]))
    if face.style == "curly":
        coverage, texture = _curls(canvas, rng)
    elif face.style in ("buzz", "bald"):
        coverage, texture = _stubble(canvas, face, rng)
    else:
        wave = {"wavy": 0.06, "long": 0.02}.get(face.style, 0.012)
        coverage, texture = _strands(canvas, sheets_of(face.style, part), rng, wave=wave)
        if face.style == "bun":
            knot, more = _bun(canvas, rng)
            texture = np.where(knot > coverage, more, texture)
            coverage = np.maximum(coverage, knot)
    drop = np.roll(blurred(coverage, 0.05 * canvas.scale), round(0.05 * canvas.scale), axis=0)
    box = bounding_box(np.maximum(coverage, drop))
    canvas, coverage, texture, drop = canvas.crop(box), coverage[box], texture[box], drop[box]
    x, y = canvas.coordinates()
    around = np.clip(x / 1.3, -1, 1) * light[0] - np.clip((y + 0.4) / 1.4, -1, 1) * 0.55
    radius = np.sqrt(x**2 + (0.92 * (y + 0.25)) ** 2)
    band = np.exp(-0.5 * ((radius - 1.02 + 0.05 * texture) / 0.13) ** 2) * np.clip(-y + 0.35 + 0.6 * x * light[0], 0, 1)
    lit = np.clip(0.62 + 0.4 * around, 0.2, 1.2) * np.clip(0.78 + 0.4 * texture, 0.1, 1.9)
    soft = {"buzz": 0.25, "bald": 0.15, "curly": 0.3}.get(face.style, 1.0)
    sheen = soft * band * np.clip(0.5 + 0.7 * texture, 0, 1.5)
    colour = face.hair_colour * (0.3 + 0.75 * key) * (lit * (1 + 0.5 * sheen))[..., None]
    colour = colour + np.float32(0.045) * sheen[..., None] * key
    canvas.shade(np.clip(drop - coverage, 0, 1) * 0.6 * soft * (radius < 1.25), [0.45, 0.35, 0.33])
    canvas.paint(coverage, colour)


def _strands(
    canvas: Canvas, sheets: Sequence[Sheet], rng: np.random.Generator, *, cover: int = 60, fine: int = 240, wave: float
) -> tuple[Field, Field]:
    """Coverage and texture (about -1..1) of strands drawn along `sheets`."""
    coverage = np.zeros(canvas.pixels.shape[:2], np.float32)
    texture = np.full(canvas.pixels.shape[:2], 110, np.uint8)
    for sheet in sheets:
        base = _courses(sheet, np.linspace(0, 1, cover), wave, rng, 0.004)
        coverage = np.maximum(coverage, canvas.strokes(base, 0.055))
        if wave < 0.05:  # the body of wavy hair is uneven: strokes cover it, an outline would fill its waves
            outline = np.concatenate([base[0], base[:, -1], base[-1, ::-1], base[::-1, 0]])
            coverage = np.maximum(coverage, canvas.polygon(outline, soft=0.01))
        flyaway = _courses(sheet, rng.uniform(-0.02, 1.02, 24), wave, rng, 0.025)
        coverage = np.maximum(coverage, canvas.strokes(flyaway, 0.008) * 0.7)
        places = rng.uniform(0, 1, fine)
        locks = smooth_noise(rng, (2, 200), 40)[0]
        tones = np.clip(128 + 40 * locks[(places * 199).astype(int)] + rng.normal(0, 24, fine), 0, 255).astype(int)
        widths = rng.integers(1, 3, fine)
        strands = canvas.fixed_point(_courses(sheet, places, wave, rng, 0.012))
        for strand, tone, width in zip(strands, tones.tolist(), widths.tolist(), strict=True):
            cv2.polylines(texture, [strand], False, tone, width, cv2.LINE_AA, SUBPIXEL)
    return coverage, (texture.astype(np.float32) - 128) / 70


def _courses(
    sheet: Sheet, places: NDArray[np.float64], wave: float, rng: np.random.Generator, jitter: float
) -> NDArray[np.float64]:
    """The strands at `places` (n,) in [0, 1] across the sheet, (n, points, 2)."""
    t = places[:, None]
    knots = []
    for row in sheet:
        first, last = np.array(row[0]), np.array(row[-1])
        middle = np.array(row[1]) if len(row) == 3 else (first + last) / 2
        knots.append(first * (1 - t) * (1 - 2 * t) + middle * 4 * t * (1 - t) + last * t * (2 * t - 1))
    course = spline(knots, 6)
    along = np.linspace(0, 1, len(course))[:, None]
    sway = np.sin(2 * np.pi * 2.3 * along + 9 * places) * wave * np.clip(along * 2.5 - 0.4, 0, 1)
    course += rng.normal(0, jitter, (len(places), 2)) + np.stack([sway, 0.3 * sway], axis=2)
    return course.transpose(1, 0, 2)


def _curls(canvas: Canvas, rng: np.random.Generator) -> tuple[Field, Field]:
    """A cloud of curls around the skull, short or long."""
    big = float(rng.uniform(1.18, 1.62))
    count = 900
    angle = rng.uniform(-np.pi, np.pi, count)
    hairline = 0.9 + 0.12 * np.abs(np.sin(angle))
    radius = hairline + (big - hairline) * rng.uniform(0, 1, count) ** 0.6
    x, y = radius * np.sin(angle), -0.12 - radius * 1.12 * np.cos(angle)
    keep = (y < -0.1) | ((y < (0.7 if big > 1.35 else 0.0)) & (np.abs(x) > 0.94))
    centres = np.stack([x, y], axis=1)[keep]
    sizes = rng.uniform(0.05, 0.1, len(centres))
    turn = np.linspace(0, 1.7 * np.pi, 12) + rng.uniform(0, 2 * np.pi, (len(centres), 1))
    curls = centres[:, None] + sizes[:, None, None] * np.stack([np.cos(turn), np.sin(turn)], axis=2)
    tones = np.clip(rng.normal(140, 45, len(centres)), 40, 255).astype(int)
    crown = spline([(0.9, -0.5), (0.72, -1.0), (0, -1.15), (-0.72, -1.0), (-0.9, -0.5)])
    top = spline([(-1.08, -0.6), (-0.8, -1.2), (0, -1.45), (0.8, -1.2), (1.08, -0.6)])
    coverage = np.round(255 * canvas.polygon(np.concatenate([crown, top]))).astype(np.uint8)
    texture = np.full(coverage.shape, 95, np.uint8)
    thick = max(1, round(0.022 * canvas.scale))
    for at, size, curl, tone in zip(
        canvas.fixed_point(centres).tolist(), sizes.tolist(), canvas.fixed_point(curls), tones.tolist(), strict=True
    ):
        cv2.circle(coverage, at, int(1.15 * size * canvas.scale * 2**SUBPIXEL), 255, -1, cv2.LINE_AA, SUBPIXEL)
        cv2.polylines(texture, [curl], False, tone, thick, cv2.LINE_AA, SUBPIXEL)
    return coverage.astype(np.float32) / 255, (texture.astype(np.float32) - 128) / 80


def _stubble(canvas: Canvas, face: Face, rng: np.random.Generator) -> tuple[Field, Field]:
    """Hair cut to the skin; on a bald head only a ring above the ears."""
    x, y = canvas.coordinates()
    right = [(0, -1.41), (0.56, -1.28), (0.93, -0.88), (1.04, -0.3), (0.98, 0.02), (0, -0.2)]
    skull = canvas.polygon(spline(mirrored(right), closed=True), soft=0.012)
    line = -0.9 + 0.1 * np.cos(3 * x) + 0.05 * smooth_noise(rng, skull.shape, 16)
    above = np.clip((line - y) / 0.1, 0, 1)
    sides = np.clip((np.abs(x) - 0.84 - 0.05 * y) / 0.06, 0, 1) * (y < 0.05)
    region = np.maximum(above, sides) if face.style == "buzz" else sides * np.clip((y + 0.85) / 0.2, 0, 1)
    grain = blurred(rng.standard_normal(skull.shape, dtype=np.float32), 0.7) * 2.2
    density = np.clip(0.8 + 0.2 * grain, 0, 1) * (0.92 if face.style == "buzz" else 0.75)
    return np.asarray(skull * region * density, np.float32), np.asarray(grain * 0.5, np.float32)


def _bun(canvas: Canvas, rng: np.random.Generator) -> tuple[Field, Field]:
    """A knot of hair on top of the head."""
    turn = np.linspace(0, 2 * np.pi, 24)
    ring = np.stack([np.cos(turn) * 0.4, np.sin(turn) * 0.33], axis=1)
    centre = np.array([rng.uniform(-0.15, 0.15), -1.66])
    texture = np.full(canvas.pixels.shape[:2], 105, np.uint8)
    for _ in range(70):
        loop = ring * rng.uniform(0.2, 1.0) + centre + rng.normal(0, 0.02, 2)
        arc = canvas.fixed_point(loop[: int(rng.integers(8, 24))])
        cv2.polylines(texture, [arc], False, int(np.clip(rng.normal(130, 35), 0, 255)), 2, cv2.LINE_AA, SUBPIXEL)
    return canvas.polygon(ring + centre, soft=0.012), (texture.astype(np.float32) - 128) / 70
