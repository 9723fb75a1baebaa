"""Copies of a picture: which are found, which are not taken for copies, and that no pair of hashes is overlooked."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.evaluation.duplicates import close_pairs, find_duplicates
from fakeimg.evaluation.measurements import measure, perceptual_hash, radial_spectrum


def picture(seed: int, side: int = 120) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(20, 235, (7, 7, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def write(path: Path, image: NDArray[np.uint8], quality: int = 95) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1], options)[1].tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(8):
        write(tmp_path / ("real", "fake")[i % 2] / f"{i}.jpg", picture(i))
    return tmp_path


def clusters(folder: Path) -> list[tuple[str, set[str]]]:
    data = Dataset.open(folder)
    found = find_duplicates(data, measure(data))
    return [
        (str(rows["kind"].iloc[0]), {Path(path).name for path in rows["path"]}) for _, rows in found.groupby("cluster")
    ]


def test_different_pictures_are_not_copies(folder: Path) -> None:
    assert clusters(folder) == []


def test_equal_bytes_are_exact_copies(folder: Path) -> None:
    (folder / "fake" / "again.jpg").write_bytes((folder / "real" / "0.jpg").read_bytes())
    assert clusters(folder) == [("exact", {"0.jpg", "again.jpg"})]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_LINEAR),
        lambda image: cv2.resize(image, (160, 90), interpolation=cv2.INTER_LINEAR),
        lambda image: cv2.GaussianBlur(image, (0, 0), 2),
        lambda image: cv2.convertScaleAbs(image, alpha=1.0, beta=12),
    ],
    ids=["half", "other proportions", "blur", "brighter"],
)
def test_a_changed_picture_is_a_near_copy(folder: Path, change: object) -> None:
    write(folder / "real" / "again.jpg", change(picture(3)), quality=70)  # type: ignore[operator]
    assert clusters(folder) == [("near", {"3.jpg", "again.jpg"})]


def test_the_format_does_not_hide_a_copy(folder: Path) -> None:
    write(folder / "real" / "again.png", picture(3))
    assert clusters(folder) == [("near", {"3.jpg", "again.png"})]


def test_copies_in_one_declared_group_are_left_out(folder: Path) -> None:
    write(folder / "real" / "again.jpg", picture(3), quality=60)
    data = Dataset.open(folder)
    pair = data.frame["path"].str.contains("3.jpg|again", regex=True)
    together = data.assign(group=np.where(pair, "one", None))
    apart = data.assign(group=np.where(pair, data.frame["path"], None))
    measurements = measure(data)
    assert find_duplicates(together, measurements).empty
    assert len(find_duplicates(apart, measurements)) == 2


def test_plain_pictures_are_copies_only_of_their_own_grey(tmp_path: Path) -> None:
    for name, grey in (("a", 80), ("b", 80), ("c", 170)):
        write(tmp_path / "real" / f"{name}.png", np.full((40 + ord(name), 50, 3), grey, np.uint8))
    write(tmp_path / "fake" / "face.png", picture(1))
    assert clusters(tmp_path) == [("near", {"a.png", "b.png"})]


def test_every_close_pair_of_hashes_is_found_once() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 400, np.uint64)
    hashes[200:] = hashes[:200]
    for _ in range(9):  # copies now differ in up to nine bits
        hashes[200:] ^= np.uint64(1) << rng.integers(0, 64, 200, np.uint64)
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = {(i, j) for i, j in zip(*np.nonzero(distances <= 6), strict=True) if i < j}
    found = [pair for i, j in close_pairs(hashes, 6) for pair in zip(i.tolist(), j.tolist(), strict=True)]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert 0 < len(expected) < 200


def test_the_hash_of_a_brighter_picture_hardly_changes() -> None:
    grey = cv2.cvtColor(picture(5), cv2.COLOR_RGB2GRAY)
    changed = perceptual_hash(grey) ^ perceptual_hash(cv2.convertScaleAbs(grey, alpha=0.9, beta=10))
    assert changed.bit_count() <= 2


def test_a_round_wave_lies_in_its_ring_of_the_spectrum() -> None:
    distance = np.hypot(*np.meshgrid(np.arange(256) - 128, np.arange(256) - 128))
    wave = (128 + 100 * np.sin(2 * np.pi * distance / 4)).astype(np.uint8)
    spectrum = radial_spectrum(wave)
    assert int(np.argmax(spectrum[3:])) + 3 == int(0.25 / np.sqrt(0.5) * 32)


def test_a_checkerboard_lies_in_the_last_ring() -> None:
    board = 128 + 60 * (np.indices((64, 64)).sum(axis=0) % 2)
    spectrum = radial_spectrum(board.astype(np.uint8))
    assert int(np.argmax(spectrum[1:])) + 1 == 31
