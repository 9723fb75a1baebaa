"""Who is drawn: the traits of a face, drawn at random; those that a person would name are the sample's attributes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.data.drawing.canvas import Field, srgb

_SKIN = {
    "light": ((244, 208, 186), (228, 180, 152)),
    "medium": ((212, 160, 122), (176, 122, 86)),
    "dark": ((146, 98, 70), (86, 56, 42)),
}
_HAIR = {
    "black": ((30, 25, 26), (46, 38, 36)),
    "brown": ((66, 42, 28), (112, 74, 46)),
    "blond": ((176, 134, 78), (222, 186, 126)),
    "red": ((124, 54, 26), (172, 86, 40)),
    "grey": ((120, 118, 116), (206, 204, 200)),
}
_HAIR_OF_SKIN = {
    "light": (0.12, 0.33, 0.25, 0.13, 0.17),
    "medium": (0.38, 0.34, 0.08, 0.04, 0.16),
    "dark": (0.56, 0.22, 0.05, 0.01, 0.16),
}
_IRIS = {
    "light": ((92, 128, 156), (106, 132, 96), (122, 88, 52), (84, 56, 36)),
    "medium": ((122, 88, 52), (84, 56, 36), (60, 40, 28), (104, 112, 74)),
    "dark": ((62, 40, 28), (48, 32, 24)),
}
_STYLES = {
    True: ("long", "long", "wavy", "bob", "bun", "curly", "crop", "fringe"),
    False: ("crop", "crop", "quiff", "side", "side", "buzz", "curly", "bald", "long"),
}

SKIN_TONES = tuple(_SKIN)
HAIR_COLOURS = tuple(_HAIR)
EXPRESSIONS = ("positive", "neutral", "negative")


@dataclass(frozen=True)
class Face:
    """What is drawn. Colours are linear light, shape (3,); lengths are in units of half the head's width."""

    skin_tone: str
    hair: str
    expression: str
    glasses: str
    style: str
    soft_features: bool  # fuller lips, thinner brows, finer jaw
    age: float  # 0 young adult, 1 old
    skin: Field
    hair_colour: Field
    iris: Field
    beard: float  # 0 none, about 0.4 stubble, 1 full
    frame: str  # outline of the glasses
    freckles: float
    jaw: float
    chin: float
    length: float
    eye_size: float
    eye_tilt: float
    eye_distance: float
    brow_weight: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_fullness: float
    mood: float  # -1 negative .. 1 positive: how strongly the expression shows
    mouth_open: float
    yaw: float  # radians, positive to the right of the picture
    pitch: float
    roll: float
    gaze: tuple[float, float]

    def turned(self, points: ArrayLike, depth: float = 0.9) -> NDArray[np.float64]:
        """Where points (n, 2) on the front of the face come to lie when the head turns and nods.

        `depth` is the distance from the axis that the head turns about to the middle of the face.
        """
        x, y = np.asarray(points, np.float64).T
        z = depth * np.sqrt(np.clip(1 - 0.75 * x**2, 0.05, 1))
        return np.stack([x * np.cos(self.yaw) + 0.62 * z * np.sin(self.yaw), y + 0.6 * z * np.sin(self.pitch)], axis=1)


def draw_traits(rng: np.random.Generator) -> Face:
    """A face at random; skin tone, expression and glasses are independent, hair depends on skin tone and age."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def colour(pair: tuple[tuple[int, int, int], tuple[int, int, int]]) -> Field:
        mix = rng.uniform()
        red, green, blue = np.array(pair[0]) * (1 - mix) + np.array(pair[1]) * mix + rng.normal(0, 2.5, 3)
        return srgb(red, green, blue)

    skin_tone = str(rng.choice(SKIN_TONES))
    expression = str(rng.choice(EXPRESSIONS))
    glasses = "glasses" if rng.uniform() < 0.4 else "none"
    hair = str(rng.choice(HAIR_COLOURS, p=_HAIR_OF_SKIN[skin_tone]))
    age = float(np.clip(rng.beta(1.1, 3.2) + (0.45 if hair == "grey" else 0), 0, 1))
    soft = bool(rng.uniform() < 0.5)
    mood = {"positive": between(0.65, 1), "neutral": between(-0.12, 0.15), "negative": between(-1, -0.6)}[expression]
    return Face(
        skin_tone=skin_tone,
        hair=hair,
        expression=expression,
        glasses=glasses,
        style=str(rng.choice(_STYLES[soft])),
        soft_features=soft,
        age=age,
        skin=colour(_SKIN[skin_tone]),
        hair_colour=colour(_HAIR[hair]),
        iris=srgb(*(rng.choice(_IRIS[skin_tone]) + rng.normal(0, 6, 3))),
        beard=0.0 if soft or rng.uniform() < 0.45 else float(rng.choice([0.35, 0.5, 0.9, 1.0])),
        frame=str(rng.choice(["round", "square", "oval", "cat" if soft else "square"])),
        freckles=between(0.4, 1) if skin_tone != "dark" and rng.uniform() < 0.25 else 0.0,
        jaw=between(0.7, 0.79) if soft else between(0.77, 0.88),
        chin=between(0.3, 0.4) if soft else between(0.4, 0.52),
        length=between(0.99, 1.1),
        eye_size=between(0.98, 1.16) if soft else between(0.88, 1.04),
        eye_tilt=between(-0.06, 0.1),
        eye_distance=between(0.4, 0.45),
        brow_weight=between(0.045, 0.07) if soft else between(0.07, 0.1),
        nose_width=between(0.2, 0.26) + (0.05 if skin_tone == "dark" else 0),
        nose_length=between(0.5, 0.62),
        mouth_width=between(0.34, 0.42),
        lip_fullness=(between(0.95, 1.3) if soft else between(0.7, 1.0)) + (0.25 if skin_tone == "dark" else 0),
        mood=mood,
        mouth_open=float(rng.uniform(0.5, 1)) if expression == "positive" and rng.uniform() < 0.6 else 0.0,
        yaw=between(-0.32, 0.32),
        pitch=between(-0.08, 0.08),
        roll=float(rng.normal(0, 0.06)),
        gaze=(between(-0.35, 0.35), between(-0.2, 0.2)),
    )
