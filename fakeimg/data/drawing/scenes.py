"""What is not a face: the backdrops of portraits, and pictures without anybody in them."""

import cv2
import numpy as np

from fakeimg.data.drawing.canvas import Field, blurred, smooth_noise, srgb


def backdrop(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """An out-of-focus background in linear light, (h, w, 3)."""
    kind = str(rng.choice(["studio", "studio", "lights", "leaves", "room", "skyline", "wall"]))
    height, width = size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    hue = rng.uniform(0, 2 * np.pi)
    colour = (rng.uniform(0.12, 0.55) * (1 + rng.uniform(0.05, 0.5) * np.cos(hue + np.array([0, 2.1, 4.2])))).astype(
        np.float32
    )
    if kind == "studio":
        glow = np.exp(-((x - rng.uniform(-0.6, 0.6)) ** 2 + (y - rng.uniform(-0.8, 0.3)) ** 2) / rng.uniform(0.5, 1.6))
        return np.asarray(
            colour * (0.45 + 0.75 * glow)[..., None] * (1 + 0.03 * smooth_noise(rng, size, 6))[..., None], np.float32
        )
    if kind == "lights":
        return _lights(rng, size, colour * 0.25)
    if kind == "leaves":
        green = srgb(*rng.uniform((60, 95, 40), (120, 150, 70)))
        tone = 0.75 + 0.45 * smooth_noise(rng, size, 7) + 0.25 * smooth_noise(rng, size, 15)
        sun = np.clip(smooth_noise(rng, size, 10) - 0.9, 0, 1)
        picture = green * np.clip(tone, 0.1, 2)[..., None] + sun[..., None] * np.array([0.9, 0.9, 0.5], np.float32)
        return blurred(picture.astype(np.float32), 0.012 * width)
    if kind == "room":
        return _shelves(rng, size, colour)
    if kind == "skyline":
        return blurred(landscape(rng, size), 0.016 * width)
    step = rng.uniform(0.1, 0.3)
    pattern = (
        0.5 * (np.sin(2 * np.pi * x / step) > 0.2)
        if rng.uniform() < 0.5
        else 0.5 * ((np.floor(x / step) + np.floor(y / step)) % 2)
    )
    shade = (0.85 + 0.2 * x * rng.choice([-1, 1]) - 0.2 * y + 0.1 * smooth_noise(rng, size, 40) * 0.5) * (
        1 - 0.25 * (pattern + 0 * y)
    )
    return blurred(np.asarray(colour * 1.1 * shade[..., None], np.float32), rng.uniform(0.004, 0.012) * width)


def _lights(rng: np.random.Generator, size: tuple[int, int], colour: Field) -> Field:
    height, width = size
    picture = (
        np.ones((height, width, 3), np.float32)
        * colour
        * np.linspace(1.3, 0.6, height, dtype=np.float32)[:, None, None]
    )
    for _ in range(int(rng.integers(16, 34))):
        column, row = int(rng.uniform(0, width)), int(rng.uniform(0, height * 0.85))
        radius = int(rng.uniform(0.02, 0.075) * width)
        left, top = max(0, column - radius - 2), max(0, row - radius - 2)
        near = picture[top : row + radius + 2, left : column + radius + 2]
        disc = np.zeros(near.shape[:2], np.uint8)
        cv2.circle(disc, (column - left, row - top), radius, 170, -1, cv2.LINE_AA)
        cv2.circle(disc, (column - left, row - top), radius, 255, 1, cv2.LINE_AA)
        warm = srgb(*rng.uniform((150, 110, 40), (255, 220, 190)))
        lamp = warm if rng.uniform() < 0.75 else warm[::-1]
        near += disc[..., None].astype(np.float32) / 255 * lamp * np.float32(rng.uniform(0.15, 0.7))
    return blurred(picture, 0.006 * width)


def _shelves(rng: np.random.Generator, size: tuple[int, int], colour: Field) -> Field:
    height, width = size
    picture = np.ones((height, width, 3), np.float32) * colour * 0.8
    top = 0
    while top < height:
        tall = int(rng.uniform(0.16, 0.24) * height)
        left = 0
        while left < width:
            wide = int(rng.uniform(0.02, 0.06) * width) + 1
            book = srgb(*(rng.uniform(45, 200) * np.array([1, 0.93, 0.85]) + rng.normal(0, 17, 3)).clip(15, 240))
            lean = int(rng.uniform(0, 0.3) * tall)
            picture[top + lean : top + tall, left : left + wide] = book * 0.7
            left += wide + (int(rng.uniform(0, 0.1) * width) if rng.uniform() < 0.15 else 0)
        picture[top + tall : top + tall + max(2, height // 60)] = colour * 0.35
        top += tall + max(2, height // 60)
    return blurred(picture, rng.uniform(0.008, 0.018) * width)


def landscape(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Sky, clouds, a sun and some ranges of hills, (h, w, 3), linear light."""
    height, width = size
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    zenith, horizon = (
        srgb(*rng.uniform((50, 90, 150), (110, 150, 215))),
        srgb(*rng.uniform((220, 170, 130), (250, 225, 215))),
    )
    picture = np.broadcast_to(zenith * (1 - down) + horizon * down, (height, width, 3)).astype(np.float32)
    clouds = sum(
        (smooth_noise(rng, size, cells) / (k + 1) for k, cells in enumerate((4, 9, 19, 40))), np.zeros(size, np.float32)
    )
    picture += (np.clip(clouds - 0.4, 0, 1.2) * (1 - down[..., 0]) * 0.45)[..., None]
    ranges = int(rng.integers(3, 6))
    rows = np.arange(height, dtype=np.float32)[:, None]
    earth = srgb(*rng.uniform((40, 60, 30), (110, 110, 60)))
    for k in range(ranges):
        near = (k + 1) / ranges
        base = height * (0.42 + 0.5 * near * 0.8)
        ridge = base - height * (
            0.09 * smooth_noise(rng, (2, width), 3 + 2 * k)[0] + 0.02 * smooth_noise(rng, (2, width), 25)[0]
        )
        tint = earth * (0.4 + 0.5 * (1 - near)) * near + horizon * 0.75 * (1 - near)
        texture = 1 + 0.3 * near * smooth_noise(rng, size, 60) + 0.2 * near * smooth_noise(rng, size, 14)
        ground = np.clip(rows - ridge + 0.5, 0, 1)[..., None]
        picture += ground * (tint * np.clip(texture, 0.2, 2)[..., None] - picture)
    return np.clip(picture, 0, 1.2)


def texture(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Wood, stone or cloth seen from above, (h, w, 3), linear light."""
    height, width = size
    first, second = srgb(*rng.uniform((90, 60, 40), (220, 200, 180))), srgb(*rng.uniform((30, 25, 20), (130, 110, 100)))
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    kind = str(rng.choice(["wood", "stone", "cloth"]))
    if kind == "wood":
        mix = 0.5 + 0.5 * np.sin(60 * (y + 0.06 * smooth_noise(rng, size, 3)) + 2 * smooth_noise(rng, size, 2))
    elif kind == "stone":
        mix = 0.5 + 0.25 * smooth_noise(rng, size, 12) + 0.2 * smooth_noise(rng, size, 50)
    else:
        mix = 0.5 + 0.25 * np.sin(2 * np.pi * x * 40) + 0.25 * np.sin(2 * np.pi * y * 40)
    grain = 1 + 0.1 * rng.standard_normal(size, dtype=np.float32)
    share = np.clip(mix, 0, 1).astype(np.float32)[..., None]
    return np.asarray((first * share + second * (1 - share)) * grain[..., None], np.float32)


def text_page(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """A page of lines of words, (h, w, 3), linear light."""
    height, width = size
    page = np.full((height, width), 235, np.uint8)
    step = max(8, int(rng.uniform(0.035, 0.06) * height))
    for bottom in range(2 * step, height - step, step):
        if rng.uniform() < 0.12:
            continue
        words = " ".join("".join(rng.choice(list("aceimnorstuvlh"), int(rng.integers(2, 10)))) for _ in range(14))
        cv2.putText(page, words, (width // 12, bottom), cv2.FONT_HERSHEY_COMPLEX, step / 34, 40, 1, cv2.LINE_AA)
    page[:, width - width // 12 :] = 235
    light = 0.85 + 0.1 * smooth_noise(rng, size, 2)
    return np.asarray(srgb(250, 246, 236) * ((page.astype(np.float32) / 235) ** 2.2 * light)[..., None], np.float32)
