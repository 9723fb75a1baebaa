"""The rendered sample: drawn faces, each once photographed and once regenerated, labelled and free of rights.

Every face is drawn once (`drawing`) and rendered twice: by a camera (`camera`; class "real") and by a generator's
decoder (`upsampler`; class "fake"). Both files share the drawing, the size, the lens, the exposure and the JPEG
settings, and lie in one `group`; the fake's grain is so strong that its file is about as long as a photograph's.
So content, colour, size and compression say nothing about the label; the traces of sensor and decoder do.

What is true of the sample, for those who look for it:
    - `source` is "render_a" or "render_b": another camera and another decoder. Both hold both classes, so leaving one
      out measures a detector on a camera and a generator that it has not seen, and no source gives a label away.
    - The decoder's trace is strong in one picture and next to nothing in another, so that some fakes cannot be told.
    - Faces with glasses are harder: their fakes carry `GLASSES_TRACE` times the trace that others carry.
      Skin tone, hair and expression play no part in how a picture is made.
"""

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from fakeimg.data.camera import CAMERAS, Look, encode_jpeg, photograph, render, through_lens
from fakeimg.data.dataset import Dataset
from fakeimg.data.drawing.canvas import Field, blurred
from fakeimg.data.drawing.portrait import paint_portrait
from fakeimg.data.drawing.scenes import landscape, text_page, texture
from fakeimg.data.drawing.traits import Face, draw_traits
from fakeimg.data.upsampler import UPSAMPLERS, Upsampler, imitated_grain, regenerate, with_coarse_of
from fakeimg.errors import ConfigError, DatasetError
from fakeimg.files import write_bytes, write_text

COLUMNS = ("path", "label", "source", "generator", "group", "glasses", "skin_tone", "hair", "expression")
GLASSES_TRACE = 0.6

_SOURCES = ("render_a", "render_b")
_SIZES = ((256, 256), (256, 256), (256, 256), (240, 240), (272, 272), (288, 256), (272, 240))  # multiples of 16
_SUPERSAMPLING = 1.25
_TRACE = (0.0, 28.0)  # range of the strength of the decoder's trace, over the standard deviation of the photo's noise
_STRONGEST_TRACE = 0.4
_LENGTH_SPREAD = 0.04  # standard deviation of the logarithm of a fake's length over its photo's
_SOFTNESS = 0.55  # standard deviation of the blur that stands for the demosaicing's, pixels
_DRAWING, _PHOTO, _FAKE, _SCENE = range(4)  # each has random numbers of its own

_Result = TypeVar("_Result")


def render_sample(out: Path | str, *, images: int = 200, seed: int = 0) -> Dataset:
    """Render the sample to `out`: `real/*.jpg`, `fake/*.jpg` and `manifest.csv`.

    The manifest names, beside path and label, `source` ("render_a", "render_b"), `generator` (of fakes), `group` (the
    face: a photo and its fake share it), and the attributes `glasses` ("glasses", "none"), `skin_tone` ("light",
    "medium", "dark"), `hair` ("black", "brown", "blond", "red", "grey") and `expression` ("positive", "neutral",
    "negative"). The same `seed` and number of images give the same bytes, whatever the number of threads.

    Args:
        out: a folder that does not exist, is empty, or holds an earlier sample, which is replaced.
        images: how many, in pairs of a photo and a fake; of an odd number the last is a photo.
        seed: not negative.
    Raises:
        ConfigError: fewer than 4 images, or a negative seed.
        DatasetError: `out` holds something else.
    """
    if images < 4:
        raise ConfigError(f"images={images!r} makes no sample; two faces are the least, so 4 images")
    folder = _vacant(out, seed, _is_sample)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".rendering-") as temporary:
        scratch = Path(temporary)
        pairs = _in_threads(lambda face: _render_pair(scratch, face, seed), range((images + 1) // 2))
        rows = [row for pair in pairs for row in pair][:images]
        if images % 2:
            (scratch / _path("fake", images // 2)).unlink()
        (folder / "manifest.csv").unlink(missing_ok=True)  # no manifest speaks of files that are being replaced
        for label in ("real", "fake"):
            shutil.rmtree(folder / label, ignore_errors=True)
            os.replace(scratch / label, folder / label)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *sorted(rows)])
    write_text(folder / "manifest.csv", table.getvalue())
    return Dataset.open(folder)


def render_out_of_domain(out: Path | str, *, images: int = 30, seed: int = 0) -> list[Path]:
    """Render photographs without a face to `out`, in turn landscapes, textures and pages of text; their paths.

    Raises:
        ConfigError: less than one image, or a negative seed.
        DatasetError: `out` is a file or a folder that is not empty.
    """
    if images < 1:
        raise ConfigError(f"images={images!r} is nothing to render; 1 is the least")
    folder = _vacant(out, seed, lambda _: False)

    def photo(number: int) -> Path:
        rng = np.random.default_rng([seed, number, _SCENE])
        paint = (landscape, texture, text_page)[number % 3]
        size = _SIZES[int(rng.integers(len(_SIZES)))]
        camera = CAMERAS[number % 2]
        look = Look.draw(camera, rng)
        light = through_lens(paint(rng, _supersampled(size)), size, look)
        path = folder / f"{paint.__name__}-{number:04}.jpg"
        write_bytes(path, encode_jpeg(photograph(light, camera, look, rng), int(rng.integers(84, 97))))
        return path

    return _in_threads(photo, range(images))


def _render_pair(folder: Path, number: int, seed: int) -> list[tuple[str, ...]]:
    """Write the photo and the fake of one face; their rows of the manifest."""
    rng = np.random.default_rng([seed, number, _DRAWING])
    face = draw_traits(rng)
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    kind = number % 2
    look = Look.draw(CAMERAS[kind], rng)
    quality = int(rng.integers(84, 97))
    light = through_lens(paint_portrait(face, _supersampled(size), rng), size, look)

    photo = photograph(light, CAMERAS[kind], look, np.random.default_rng([seed, number, _PHOTO]))
    encoded = encode_jpeg(photo, quality)
    rng = np.random.default_rng([seed, number, _FAKE])
    picture, grain = _regenerated(light, photo, look, face, UPSAMPLERS[kind], rng)
    length = len(encoded) * float(np.exp(rng.normal(0, _LENGTH_SPREAD)))
    write_bytes(folder / _path("real", number), encoded)
    write_bytes(folder / _path("fake", number), _of_length(length, picture, grain, quality))

    shared = (f"face_{number:04}", face.glasses, face.skin_tone, face.hair, face.expression)
    return [
        (_path("real", number), "real", _SOURCES[kind], "", *shared),
        (_path("fake", number), "fake", _SOURCES[kind], UPSAMPLERS[kind].name, *shared),
    ]


def _regenerated(
    light: Field, photo: Field, look: Look, face: Face, upsampler: Upsampler, rng: np.random.Generator
) -> tuple[Field, Field]:
    """What the decoder makes of the scene, without grain, and grain as strong and as coarse as the photo's."""
    clean = render(blurred(light, _SOFTNESS), look)
    noise = photo - clean
    # A trace that drowned the grain would lengthen the file beyond the photo's.
    strength = min(float(rng.uniform(*_TRACE)) * float(noise.std()), _STRONGEST_TRACE)
    if face.glasses == "glasses":
        strength *= GLASSES_TRACE
    rebuilt = with_coarse_of(regenerate(clean, upsampler, strength), photo)
    return rebuilt, imitated_grain(noise, rng)


def _of_length(length: float, picture: Field, grain: Field, quality: int) -> bytes:
    """`picture` as a JPEG of about `length` bytes, reached by adding more or less `grain`."""
    low, high = 0.0, 2.0
    encoded = b""
    for _ in range(6):
        amount = (low + high) / 2
        encoded = encode_jpeg(picture + np.float32(amount) * grain, quality)
        low, high = (amount, high) if len(encoded) < length else (low, amount)
    return encoded


def _supersampled(size: tuple[int, int]) -> tuple[int, int]:
    return round(size[0] * _SUPERSAMPLING), round(size[1] * _SUPERSAMPLING)


def _path(label: str, number: int) -> str:
    return f"{label}/{number:04}.jpg"


def _in_threads(task: Callable[[int], _Result], numbers: Iterable[int]) -> list[_Result]:
    """The results of `task` in order; an interruption drops what has not begun."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        return list(pool.map(task, numbers))
    finally:
        pool.shutdown(cancel_futures=True)


def _vacant(out: Path | str, seed: int, replaceable: Callable[[Path], bool]) -> Path:
    """The folder `out`, made where it is missing; refused where it holds anything but what is `replaceable`."""
    if seed < 0:
        raise ConfigError(f"seed={seed!r} is negative; any whole number from 0 up will do")
    folder = Path(out).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{out} is a file; name a folder for the images")
    folder.mkdir(parents=True, exist_ok=True)
    holds = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".rendering-"))
    if holds and not replaceable(folder):
        raise DatasetError(f"{out} holds {holds[0]!r}, which rendering would mix with or replace; name a new folder")
    return folder


def _is_sample(folder: Path) -> bool:
    """Whether `folder` holds a rendered sample and nothing else."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return False
    lines = manifest.read_text(encoding="utf-8", errors="replace").splitlines()
    listed = {line.split(",")[0] for line in lines[1:]} | {"manifest.csv"}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return lines[:1] == [",".join(COLUMNS)] and found <= listed
