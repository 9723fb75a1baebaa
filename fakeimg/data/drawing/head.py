"""The head: its outline, and its surface under the light."""

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.drawing.canvas import Canvas, Field, blurred, bounding_box, mirrored, spline
from fakeimg.data.drawing.eyes import draw_eyes
from fakeimg.data.drawing.light import Light
from fakeimg.data.drawing.mouth import draw_mouth, draw_nose
from fakeimg.data.drawing.skin import relief_of, skin_colour
from fakeimg.data.drawing.traits import Face


def head_outline(face: Face) -> NDArray[np.float64]:
    """The outline of the head without ears, frame units, closed."""
    down = face.length
    outline = mirrored(
        [
            (0, -1.36),
            (0.52, -1.24),
            (0.87, -0.86),
            (0.985, -0.3),
            (0.96, 0.2),
            ((0.96 + face.jaw) / 2, 0.58 * down),
            (face.jaw, 0.84 * down),
            ((face.jaw + face.chin) / 2 + 0.03, 1.1 * down),
            (face.chin * 0.72, 1.3 * down),
            (0, 1.38 * down),
        ]
    )
    lower = np.clip(outline[:, 1], 0, None)
    outline[:, 0] += 0.3 * face.yaw * lower / 1.38  # the chin turns with the head
    return spline(outline, closed=True)


def draw_head(canvas: Canvas, face: Face, light: Light, head: NDArray[np.float64], rng: np.random.Generator) -> None:
    """The head with its ears and features, within the outline `head`; hair, brows and glasses come later."""
    for sign in (-1, 1):
        _draw_ear(canvas, face, light, sign)
    coverage = canvas.polygon(head)
    box = bounding_box(coverage)
    canvas, coverage = canvas.crop(box), coverage[box]
    x, y = canvas.coordinates()
    albedo = skin_colour(canvas, face, rng)
    relief = relief_of(canvas, face, rng)
    rows, columns = np.gradient(relief)
    across = np.clip(x / _half_width(head, y), -1, 1)
    down = np.clip(y / 1.42, -1, 1)
    normal_x = np.sign(across) * np.abs(across) ** 1.7 * 0.92 - columns * canvas.scale
    normal_y = np.sign(down) * np.abs(down) ** 2 * 0.75 - rows * canvas.scale
    normal_z = np.sqrt(np.clip(1 - 0.9 * across**4 - 0.5 * down**4, 0.06, 1))
    length = np.sqrt(normal_x**2 + normal_y**2 + normal_z**2)
    normal_x, normal_y, normal_z = normal_x / length, normal_y / length, normal_z / length
    toward = normal_x * light.direction[0] + normal_y * light.direction[1] + normal_z * light.direction[2]
    # Light that enters skin leaves it beside the shadow's edge, red furthest: a wider wrap for red than for blue.
    wrap = np.array([0.34, 0.2, 0.16], np.float32)
    diffuse = np.clip((toward[..., None] + wrap) / (1 + wrap), 0, 1)
    hollow = blurred(relief, 0.13 * canvas.scale) - relief
    occlusion = np.clip(1 - 2.2 * np.clip(hollow, 0, 1), 0.45, 1) * (0.72 + 0.28 * normal_z)
    half = light.direction + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    shine = np.clip(normal_x * half[0] + normal_y * half[1] + normal_z * half[2], 0, 1)
    gloss = 0.1 * shine**24 + 0.05 * shine**8
    colour = albedo * (light.fill * occlusion[..., None] + light.key * diffuse) + gloss[..., None] * light.key
    canvas.paint(coverage, colour)
    bend = np.array([0.05 * -np.sign(light.direction[0]), 0.06])
    tip = face.nose_length
    ridge = spline([(0, 0.1), (-0.17, tip - 0.04), (0, tip + 0.05), (0.17, tip - 0.04)], closed=True)
    shadow = canvas.polygon(face.turned(ridge, 1.05) + bend, soft=0.07)
    canvas.shade(shadow * coverage * 0.16, [0.2, 0.1, 0.1])
    draw_eyes(canvas, face, light.direction, rng)
    draw_nose(canvas, face)
    draw_mouth(canvas, face, rng)


def _draw_ear(canvas: Canvas, face: Face, light: Light, sign: int) -> None:
    """The ear to the right (`sign` 1) or left (-1) of the picture; it narrows as the head turns to its side."""
    visible = 1 + 0.5 * sign * -face.yaw
    outline = spline([(0.88, -0.12), (1.06, -0.16), (1.13, 0.02), (1.08, 0.3), (0.98, 0.5), (0.88, 0.42)], closed=True)
    outline[:, 0] = 0.9 + (outline[:, 0] - 0.9) * visible
    lit = light.fill + light.key * np.clip(0.45 + 0.5 * sign * light.direction[0], 0.08, 1)
    ear = outline * [sign, 1]
    canvas.paint(canvas.polygon(ear), face.skin * lit * np.array([1.03, 0.92, 0.9], np.float32))
    hollow = np.array([0.99, 0.14])
    inner = hollow + (outline - hollow) * 0.52
    canvas.shade(canvas.polygon(inner * [sign, 1], soft=0.03) * 0.5, [0.55, 0.42, 0.42])


def _half_width(head: NDArray[np.float64], y: Field) -> Field:
    """Half the width of the outline `head` at the height of every pixel, (h, w)."""
    right = head[head[:, 0] >= 0]
    order = np.argsort(right[:, 1])
    table = np.linspace(-1.4, 1.5, 128)
    widths = np.clip(np.interp(table, right[order, 1], right[order, 0]), 0.12, None)
    place = np.clip((y + 1.4) / 2.9 * 127, 0, 126.999)
    low = place.astype(np.intp)
    part = place - low
    return np.asarray(widths[low] * (1 - part) + widths[low + 1] * part, np.float32)
