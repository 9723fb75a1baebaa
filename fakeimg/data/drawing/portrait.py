"""A portrait: background, clothes, head, hair and glasses, laid one over another."""

import numpy as np

from fakeimg.data.drawing.beard import draw_beard
from fakeimg.data.drawing.canvas import Canvas, Field
from fakeimg.data.drawing.clothes import draw_clothes
from fakeimg.data.drawing.eyes import draw_brows
from fakeimg.data.drawing.glasses import draw_glasses
from fakeimg.data.drawing.hair import draw_back_hair, draw_hair
from fakeimg.data.drawing.head import draw_head, head_outline
from fakeimg.data.drawing.light import Light
from fakeimg.data.drawing.scenes import backdrop
from fakeimg.data.drawing.traits import Face


def paint_portrait(face: Face, size: tuple[int, int], rng: np.random.Generator) -> Field:
    """A portrait of `face` in linear light, (h, w, 3), values about [0, 1]; `size` is (h, w) in pixels."""
    height, width = size
    scale = min(height, width) * float(rng.uniform(0.245, 0.29))
    origin = (width * float(rng.uniform(0.46, 0.54)), height * float(rng.uniform(0.44, 0.5)))
    canvas = Canvas(backdrop(rng, size), origin, scale, face.roll)
    light = Light.draw(rng, canvas.pixels.mean(axis=(0, 1)))
    head = head_outline(face)
    draw_back_hair(canvas, face, light.key, rng)
    draw_clothes(canvas, face, light, head, rng)
    draw_head(canvas, face, light, head, rng)
    draw_beard(canvas, face, rng)
    draw_brows(canvas, face, rng)
    draw_hair(canvas, face, light.direction, light.key, rng)
    if face.glasses == "glasses":
        draw_glasses(canvas, face, rng)
    return canvas.pixels
