"""The decoder: every file is read rightly or refused with its reason, and nothing else ever happens."""

import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
import corpus

from fakeimg.data.images import (
    MAX_BYTES,
    decode,
    find_images,
    inspect,
    read_batches,
    read_image,
    resize,
)
from fakeimg.errors import ConfigError, DatasetError, ImageError

GOOD = corpus.good_files()
METADATA_BOMBS = corpus.metadata_bombs()
TRUNCATED = corpus.truncated_files()
ONE_OF_EACH = [
    "jpeg.jpg",
    "progressive.jpg",
    "rgb.png",
    "lossy.webp",
    "lossless.webp",
    "rgb.bmp",
    "rgb.tiff",
    "lzw.tif",
]
ONE_OF_EACH += ["animated.gif", "animated.webp", "pages.tiff", "rgb16.tiff"]
ONE_OF_EACH += [name for name in GOOD if name.endswith(".avif")]


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, corpus.Expectation]]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, corpus.write_corpus(folder)


def refuse(source: Path | str | bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(source)
    return caught.value.reason


@pytest.mark.parametrize("name", GOOD)
def test_every_way_to_store_the_picture_gives_the_picture(name: str) -> None:
    data, expected = GOOD[name]
    image = decode(data)
    assert corpus.difference(image.pixels, expected) <= expected.tolerance
    assert (image.format, image.truncated) == (expected.format, False)
    assert image.pixels.flags.writeable


@pytest.mark.parametrize("name", METADATA_BOMBS)
def test_metadata_is_never_unpacked(name: str) -> None:
    data, expected = METADATA_BOMBS[name]
    assert corpus.difference(read_image(data), expected) <= expected.tolerance


def test_a_mixed_folder_is_read_or_refused_file_by_file(
    corpus_folder: tuple[Path, dict[str, corpus.Expectation]],
) -> None:
    folder, expected = corpus_folder
    paths = [folder / name for name in sorted(expected)]
    got: dict[str, NDArray[np.uint8] | ImageError] = {}
    for indices, images, errors in read_batches(paths, (corpus.HEIGHT, corpus.WIDTH), batch_size=7, workers=3):
        got |= {paths[i].name: image for i, image in zip(indices, images, strict=True)}
        got |= {paths[i].name: error for i, error in errors.items()}
    assert got.keys() == expected.keys()
    for name, owed in expected.items():
        result = got[name]
        assert isinstance(result, ImageError) != owed.ok, (name, result)
        if isinstance(result, ImageError):
            assert owed.reason in result.reason
            assert str(result) == f"{folder / name}: {result.reason}"
            assert "\n" not in str(result)
        elif "one_pixel" not in name:  # those were enlarged
            assert corpus.difference(result, owed) <= owed.tolerance, name


def test_a_folder_of_bombs_and_large_pictures_stays_under_1_5_gigabytes(
    corpus_folder: tuple[Path, dict[str, corpus.Expectation]], tmp_path: Path
) -> None:
    folder, expected = corpus_folder
    allowed = corpus.bomb_png(7_900)
    for number in range(2):
        (tmp_path / f"large{number}.png").write_bytes(allowed)
    paths = [str(folder / name) for name in expected] + [str(path) for path in sorted(tmp_path.iterdir())]
    program = """
import json, resource, sys
from fakeimg.data.images import read_batches
paths, read, refused = json.load(sys.stdin), 0, 0
for truncated in ("refuse", "tolerate"):
    for indices, images, errors in read_batches(paths, (64, 64), workers=4, truncated=truncated):
        read, refused = read + len(indices), refused + len(errors)
print(read, refused, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", program],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=True,
    )
    read, refused, peak = (int(number) for number in ended.stdout.split())
    ok, cut = (
        sum(condition(owed) for owed in expected.values()) for condition in (lambda e: e.ok, lambda e: e.truncated)
    )
    assert (read, refused) == (2 * (ok + 2) + cut, 2 * (len(expected) - ok) - cut)
    assert peak * (1 if sys.platform == "darwin" else 1024) < 1.5e9
    assert ended.stderr == ""


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_any_cut_is_noticed(name: str) -> None:
    data = GOOD[name][0]
    if name == "pages.tiff":
        data = data.rstrip(b"\0")  # padding after the last page, which nobody misses
    for length in {*range(1, len(data), max(1, len(data) // 60)), len(data) - 1, len(data) - 2}:
        reason = refuse(data[:length])
        assert "truncated" in reason or "not a JPEG" in reason or "impossible" in reason, (length, reason)
        with suppress(ImageError):  # nothing of it can be read
            assert decode(data[:length], truncated="tolerate").truncated


@pytest.mark.parametrize("name", TRUNCATED)
def test_tolerated_truncation_gives_what_there_is_and_says_so(name: str) -> None:
    data, owed = TRUNCATED[name]
    assert "truncated" in refuse(data)
    image = decode(data, truncated="tolerate")
    assert image.truncated
    assert image.pixels.shape == owed.pixels.shape
    if "progressive" in name:  # the whole picture, coarser
        correlation = np.corrcoef(image.pixels.ravel(), owed.pixels.ravel())[0, 1]
        assert correlation > 0.5
    else:
        there = slice(48, None) if name.endswith("bmp") else slice(0, 16)  # BMP begins at the bottom
        assert np.array_equal(image.pixels[there], owed.pixels[there])
        assert not np.array_equal(image.pixels, owed.pixels)


def test_a_whole_file_is_not_marked_truncated_when_truncation_is_tolerated() -> None:
    assert not any(decode(data, truncated="tolerate").truncated for data, _ in GOOD.values())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_raise_only_image_errors_and_say_nothing(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(GOOD)))
    content = bytearray(GOOD[name][0])
    # Headers decide most, so half of the changes go there.
    places = st.integers(0, min(len(content), 160) - 1) | st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        content[place] = value
    cut = data.draw(st.none() | st.integers(0, len(content)))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for truncated in ("refuse", "tolerate"):
            with suppress(ImageError):
                image = decode(bytes(content[:cut]), truncated=truncated)
                assert image.pixels.dtype == np.uint8
                assert image.pixels.shape == (image.height, image.width, 3)
        with suppress(ImageError):
            inspect(bytes(content[:cut]))
    assert [str(warning.message) for warning in heard] == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert capfd.readouterr() == ("", "")


def test_threads_that_tolerate_and_threads_that_refuse_do_not_disturb_each_other() -> None:
    cut = [data for data, _ in TRUNCATED.values()]
    whole = [data for data, _ in GOOD.values()]
    tolerated = [read_image(data, truncated="tolerate") for data in cut]
    pictures = [read_image(data) for data in whole]

    def work(turn: int) -> None:
        if turn % 2:
            for data, picture in zip(cut, tolerated, strict=True):
                assert np.array_equal(read_image(data, truncated="tolerate"), picture)
        else:
            for data in cut:
                refuse(data)
            for data, picture in zip(whole, pictures, strict=True):
                assert np.array_equal(read_image(data), picture)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))


def test_sixteen_bits_keep_their_high_byte_over_the_whole_range() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for format in ("PNG", "TIFF"):
        pixels = read_image(corpus.encode(Image.fromarray(ramp), format))
        assert np.array_equal(pixels[:, :, 0], ramp >> 8)


def test_a_cmyk_jpeg_of_unequal_inks_has_their_colours() -> None:
    inks = np.zeros((32, 32, 4), np.uint8)
    inks[:16, :16], inks[:16, 16:] = (255, 0, 0, 0), (0, 255, 0, 0)
    inks[16:, :16], inks[16:, 16:] = (0, 0, 255, 0), (0, 0, 0, 255)
    pixels = read_image(corpus.encode(Image.fromarray(inks, "CMYK"), "JPEG", quality=95)).astype(int)
    seen = pixels[8::16, 8::16].reshape(4, 3)
    expected = np.array([(0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0)])
    assert np.abs(seen - expected).max() <= 6


def test_sizes_are_refused_from_the_header_and_still_inspected() -> None:
    bomb = corpus.bomb_png(30_000)
    assert len(bomb) < 200_000
    assert refuse(bomb) == "too large: 30000x30000 pixels, over 64 megapixels"
    header = inspect(bomb)
    assert (header.format, header.width, header.height, header.bytes) == ("PNG", 30_000, 30_000, len(bomb))


def test_a_file_over_the_byte_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert refuse(path) == "larger than 256 MiB"


def test_what_is_no_source_and_no_option_is_refused(tmp_path: Path) -> None:
    assert refuse(tmp_path / "nothing.jpg") == "no such file"
    assert refuse(str(tmp_path / "no\0thing.jpg")).startswith("cannot be decoded")
    assert refuse(3) == "expected a path or bytes; received int"  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="truncated must be refuse or tolerate; received 'tolerated'; did you mean"):
        decode(b"", truncated="tolerated")  # type: ignore[arg-type]


def test_a_jpeg_header_tells_its_encoder_settings() -> None:
    image = Image.fromarray(corpus.PICTURE)
    exif = Image.Exif()
    exif[274] = 6
    for options, subsampling in (
        ({"subsampling": 0}, "4:4:4"),
        ({"subsampling": 1}, "4:2:2"),
        ({"subsampling": 2}, "4:2:0"),
    ):
        data = corpus.encode(image, "JPEG", quality=75, exif=exif, **options)
        header = inspect(data)
        assert header.jpeg_subsampling == subsampling
        assert (header.mode, header.exif, header.orientation, header.bytes) == ("RGB", True, 6, len(data))
        assert (header.width, header.height) == (corpus.WIDTH, corpus.HEIGHT)
    # IJG quality 75 halves the tables of ITU-T T.81, annex K: 16, 11, 10, 16 become 8, 6, 5, 8.
    assert header.jpeg_quality_tables is not None
    assert header.jpeg_quality_tables[0][:4] == (8, 6, 5, 8)
    assert inspect(corpus.encode(image.convert("L"), "JPEG")).jpeg_subsampling == "grey"


@pytest.mark.parametrize(
    ("name", "mode", "frames"),
    [
        ("palette.png", "P", 1), ("grey16.png", "I;16", 1), ("animated.png", "RGB", 2), ("cmyk.jpg", "CMYK", 1),
        ("animated.webp", "RGB", 3), ("alpha.webp", "RGBA", 1), ("animated.gif", "P", 3), ("pages.tiff", "RGB", 3),
    ],
)  # fmt: skip
def test_a_header_tells_mode_and_frames(name: str, mode: str, frames: int) -> None:
    header = inspect(GOOD[name][0])
    assert (header.mode, header.frames) == (mode, frames)
    assert (header.jpeg_quality_tables is None) == (header.format != "JPEG")


def test_shrinking_averages_areas_and_growing_keeps_flat_colour() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.array_equal(resize(stripes, (4, 4)), np.full((4, 4, 3), 100))
    assert np.array_equal(resize(stripes, (16, 4)), np.full((16, 4, 3), 100))  # one side grows, the other shrinks
    assert np.array_equal(resize(corpus.PICTURE, (32, 48)), corpus.PICTURE)
    assert np.array_equal(resize(np.full((3, 5, 3), 77, np.uint8), (9, 2)), np.full((9, 2, 3), 77))


def test_padding_keeps_the_aspect_ratio_between_grey_bars() -> None:
    padded = resize(np.full((10, 20, 3), 255, np.uint8), (40, 40), "pad")
    assert np.array_equal(padded[10:30], np.full((20, 40, 3), 255))
    assert np.array_equal(np.delete(padded, np.s_[10:30], axis=0), np.full((20, 40, 3), 128))


def test_cropping_keeps_the_middle() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    assert np.array_equal(resize(wide, (20, 20), "crop"), np.full((20, 20, 3), 255))
    assert np.array_equal(resize(wide.transpose(1, 0, 2), (5, 5), "crop"), np.full((5, 5, 3), 255))


@pytest.mark.parametrize("framing", ["stretch", "pad", "crop"])
@given(st.tuples(*[st.integers(1, 40)] * 4))
@settings(max_examples=40, deadline=None)
def test_every_size_becomes_every_size(framing: str, sides: tuple[int, int, int, int]) -> None:
    image = np.full((*sides[:2], 3), 9, np.uint8)
    result = resize(image, sides[2:], framing)  # type: ignore[arg-type]
    assert result.shape == (*sides[2:], 3)
    assert set(np.unique(result)) <= ({9, 128} if framing == "pad" else {9})


def test_what_cannot_be_resized_is_refused() -> None:
    with pytest.raises(ImageError, match=r"received float32 \(4, 4, 3\)"):
        resize(np.zeros((4, 4, 3), np.float32), (2, 2))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="size must be"):
        resize(corpus.PICTURE, (0, 2))
    with pytest.raises(ConfigError, match="did you mean 'stretch'"):
        resize(corpus.PICTURE, (2, 2), "stretched")  # type: ignore[arg-type]


@pytest.fixture
def shades(tmp_path: Path) -> list[Path]:
    """One hundred pictures; number n is of shade n, and 13 and 50 are broken."""
    for number in range(100):
        path = tmp_path / f"{number:03}.png"
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(path)
        if number in (13, 50):
            path.write_bytes(path.read_bytes()[:-15])
    return sorted(tmp_path.iterdir())


def test_batches_come_in_order_with_every_path_accounted_for(shades: list[Path]) -> None:
    batches = list(read_batches(shades, (2, 3), batch_size=32, workers=4))
    assert [len(indices) + len(errors) for indices, _, errors in batches] == [32, 32, 32, 4]
    assert [sorted(errors) for _, _, errors in batches] == [[13], [50], [], []]
    indices = np.concatenate([indices for indices, _, _ in batches])
    images = np.concatenate([images for _, images, _ in batches])
    assert indices.tolist() == [number for number in range(100) if number not in (13, 50)]
    assert np.array_equal(images, np.broadcast_to(indices[:, None, None, None], (98, 2, 3, 3)))


def test_a_batch_in_which_nothing_can_be_read_is_empty(shades: list[Path]) -> None:
    ((indices, images, errors),) = read_batches([shades[13], shades[50]], (5, 6))
    assert (indices.shape, images.shape, images.dtype, sorted(errors)) == ((0,), (0, 5, 6, 3), np.uint8, [0, 1])
    assert list(read_batches([], (5, 6))) == []


def test_paths_are_taken_only_as_they_are_needed(shades: list[Path]) -> None:
    taken = []

    def endless() -> Iterator[Path]:
        while True:
            taken.append(shades[0])
            yield shades[0]

    batches = read_batches(endless(), (2, 2), batch_size=8, workers=2)
    for _ in range(5):
        next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(taken) == 5 * 8 + 8


def test_a_reader_that_stops_early_leaves_no_threads(shades: list[Path]) -> None:
    def decoders() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("fakeimg-decode")]

    for _ in read_batches(shades, (2, 2), batch_size=4, workers=4):
        assert decoders()
        break
    assert not decoders()  # the loop dropped the last reference, and that closes the iterator
    list(read_batches(shades, (2, 2)))
    assert not decoders()


def test_wrong_arguments_of_a_batch_are_refused_at_the_call() -> None:
    for arguments in ({"batch_size": 0}, {"workers": 0}, {"framing": "fit"}, {"truncated": "no"}, {"size": (0, 1)}):
        with pytest.raises(ConfigError):
            read_batches([], **({"size": (2, 2)} | arguments))  # type: ignore[arg-type]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to read the memory in use")
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path) -> None:
    path = tmp_path / "noise.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(path, quality=80)
    program = f"""
import itertools
from fakeimg.data.images import read_batches
def pages(): return int(open("/proc/self/statm").read().split()[1])
for batch, _ in enumerate(read_batches(itertools.repeat({str(path)!r}, 1400), (180, 180))):
    if batch == 14: early = pages()
print((pages() - early) * 4096)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 20e6  # 900 pictures of 97 kB, were they kept, would be 90 MB


def test_images_are_found_below_a_folder_in_order(tmp_path: Path) -> None:
    for name in (
        "b/2.PNG",
        "b/1.jpeg",
        "a/x.webp",
        "a/notes.txt",
        "a/.hidden.jpg",
        ".cache/y.jpg",
        "z.JPG",
        "a/deep/er/q.gif",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dir.jpg").mkdir()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "b" / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == ["a/deep/er/q.gif", "a/x.webp", "b/1.jpeg", "b/2.PNG", "b/dangling.jpg", "z.JPG"]
    with pytest.raises(DatasetError, match="no folder"):
        find_images(tmp_path / "nowhere")


def test_importing_the_decoder_loads_nothing_heavy() -> None:
    heavy = {"cv2", "pandas", "tensorflow", "matplotlib"}
    program = f"import sys, fakeimg.data.images; print(sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_real_faces_decode_as_pillow_decodes_them(shared_data: Path) -> None:
    for path in find_images(shared_data / "faces")[::137]:
        with Image.open(path) as image:
            if image.getexif().get(274, 1) == 1:
                assert np.array_equal(read_image(path), np.asarray(image.convert("RGB"))), path


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(DatasetError, match="cannot list folder"):
        find_images(tmp_path)
