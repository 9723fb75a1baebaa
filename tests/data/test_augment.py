"""Random changes: decided by their arguments alone, and each setting changes what its name says."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.config import Augment
from fakeimg.data.augment import augment, augment_batch, random_patches

EVERYTHING = Augment(
    flip=0.5,
    rotation=10,
    zoom=0.1,
    crop=0.3,
    brightness=0.1,
    contrast=0.2,
    saturation=0.3,
    jpeg=40,
    resize=0.5,
    blur=1,
    noise=4,
)


@pytest.fixture
def image() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.uniform(40, 215, (6, 6, 3)), (64, 48), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 6, (48, 64, 1)), 0, 255).astype(np.uint8)


def variants(image: NDArray[np.uint8], settings: Augment, n: int = 40) -> NDArray[np.uint8]:
    return np.stack([augment(image, settings, seed=1, index=i, epoch_or_view=0) for i in range(n)])


def fine_detail(image: NDArray[np.uint8]) -> float:
    return float(np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean())


def test_the_same_arguments_give_the_same_bytes_on_every_thread(image: NDArray[np.uint8]) -> None:
    once = variants(image, EVERYTHING)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda i: augment(image, EVERYTHING, seed=1, index=i, epoch_or_view=0), range(len(once))))
    assert np.array_equal(once, np.stack(again))


@pytest.mark.parametrize("changed", ["seed", "index", "epoch_or_view"])
def test_every_argument_counts(image: NDArray[np.uint8], changed: str) -> None:
    base = {"seed": 1, "index": 2, "epoch_or_view": 3}
    other = {**base, changed: 9}
    assert not np.array_equal(augment(image, EVERYTHING, **base), augment(image, EVERYTHING, **other))


def test_the_original_is_left_alone(image: NDArray[np.uint8]) -> None:
    before = image.copy()
    variants(image, EVERYTHING, 5)
    assert np.array_equal(image, before)


def test_nothing_switched_on_changes_nothing(image: NDArray[np.uint8]) -> None:
    assert np.array_equal(augment(image, Augment(), seed=1, index=2, epoch_or_view=3), image)
    assert Augment().active is False


def test_a_batch_is_its_images_one_by_one(image: NDArray[np.uint8]) -> None:
    batch = np.stack([image, image[::-1]])
    changed = augment_batch(batch, EVERYTHING, 5, [7, 11], 2)
    assert np.array_equal(changed[0], augment(batch[0], EVERYTHING, seed=5, index=7, epoch_or_view=2))
    assert np.array_equal(changed[1], augment(batch[1], EVERYTHING, seed=5, index=11, epoch_or_view=2))


def test_flip_mirrors_left_and_right(image: NDArray[np.uint8]) -> None:
    assert np.array_equal(augment(image, Augment(flip=1), seed=0, index=0, epoch_or_view=0), image[:, ::-1])


def test_half_a_flip_flips_about_half(image: NDArray[np.uint8]) -> None:
    flipped = [np.array_equal(v, image[:, ::-1]) for v in variants(image, Augment(flip=0.5), 200)]
    assert 70 < sum(flipped) < 130


def test_a_crop_shows_a_part_of_the_picture_enlarged() -> None:
    ramp = np.repeat(np.linspace(0, 255, 100).astype(np.uint8)[None, :, None], 3, axis=2).repeat(80, axis=0)
    spans = [int(np.ptp(v[:, :, 0].mean(axis=0))) for v in variants(ramp, Augment(crop=0.5))]
    assert 255 * 0.5 - 8 < min(spans) < 160  # never less than half the ramp
    assert max(spans) > 230


def test_a_crop_brings_no_border_into_the_picture() -> None:
    ramp = np.repeat(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(40, axis=0)
    steps = np.diff(variants(ramp, Augment(crop=0.4))[:, 20, :, 0].astype(int), axis=1)
    assert steps.min() >= 0  # a mirrored border would run backwards


def test_rotation_turns_about_the_centre() -> None:
    dot = np.zeros((41, 41, 3), np.uint8)
    dot[20, 20] = 255
    assert all(v[20, 20, 0] > 128 for v in variants(dot, Augment(rotation=180)))


def test_brightness_moves_the_mean_and_not_the_contrast(image: NDArray[np.uint8]) -> None:
    changed = variants(image, Augment(brightness=0.1))
    means = changed.mean(axis=(1, 2, 3)) - image.mean()
    assert -26 < means.min() < -15
    assert 15 < means.max() < 26
    assert np.allclose(changed.std(axis=(1, 2, 3)), image.std(), rtol=0.03)


def test_contrast_moves_the_spread_and_not_the_mean(image: NDArray[np.uint8]) -> None:
    changed = variants(image, Augment(contrast=0.4))
    grey = changed @ np.array([0.299, 0.587, 0.114])
    assert np.allclose(grey.mean(axis=(1, 2)), grey.mean(), atol=2)
    spread = changed.std(axis=(1, 2, 3)) / image.std()
    assert spread.min() < 0.75
    assert spread.max() > 1.25


def test_saturation_leaves_grey_pictures_alone() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert np.array_equal(augment(grey, Augment(saturation=1), seed=0, index=0, epoch_or_view=0), grey)


def test_jpeg_touches_half_the_images_and_loses_more_at_low_quality(image: NDArray[np.uint8]) -> None:
    def damage(quality: int) -> NDArray[np.floating]:
        return np.abs(variants(image, Augment(jpeg=quality), 200).astype(int) - image).mean(axis=(1, 2, 3))

    assert 70 < (damage(30) == 0).sum() < 130
    assert damage(30).mean() > 2 * damage(95).mean() > 0


def test_jpeg_keeps_red_red() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 200
    assert (variants(red, Augment(jpeg=50), 20)[:, :, :, 0] > 190).all()


@pytest.mark.parametrize("settings", [Augment(resize=0.7), Augment(blur=3)])
def test_resampling_and_blur_take_fine_detail_away(image: NDArray[np.uint8], settings: Augment) -> None:
    detail = [fine_detail(v) for v in variants(image, settings)]
    assert np.mean(detail) < 0.9 * fine_detail(image)


def test_noise_is_never_stronger_than_asked() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    spread = variants(grey, Augment(noise=8)).std(axis=(1, 2, 3))
    assert 7 < spread.max() < 8.5
    assert spread.min() < 1


@pytest.mark.parametrize("change", [{"crop": 0.5, "crop_share": 0.3}, {"noise": 8, "noise_share": 0.3}])
def test_a_share_is_changed_and_the_rest_left_as_it_was(image: NDArray[np.uint8], change: dict[str, float]) -> None:
    same = [np.array_equal(v, image) for v in variants(image, Augment(**change), 300)]
    assert 180 < sum(same) < 240
    everyone = {name: value for name, value in change.items() if not name.endswith("share")}
    assert sum(np.array_equal(v, image) for v in variants(image, Augment(**everyone), 50)) < 5  # by a strength near 0


def test_a_share_of_nothing_is_nothing() -> None:
    assert not Augment(crop_share=0.5, noise_share=0.5).active


def test_a_window_cut_from_a_larger_image_stays_sharper_than_one_enlarged(image: NDArray[np.uint8]) -> None:
    large = cv2.resize(image, (128, 96), interpolation=cv2.INTER_NEAREST)
    settings = Augment(crop=0.5)
    cut = [augment(large, settings, seed=1, index=i, epoch_or_view=0, size=(48, 64)) for i in range(20)]
    assert all(window.shape == (48, 64, 3) for window in cut)
    assert np.mean([fine_detail(v) for v in cut]) > np.mean([fine_detail(v) for v in variants(image, settings, 20)])


def test_without_changes_the_larger_image_is_just_resized(image: NDArray[np.uint8]) -> None:
    large = np.kron(image, np.ones((2, 2, 1), np.uint8))
    assert np.array_equal(augment_batch(large[None], Augment(), 0, [0], 0, size=(48, 64))[0], image)


def test_patches_are_parts_of_their_images_and_reach_every_corner() -> None:
    place = np.arange(12 * 10, dtype=np.uint8).reshape(12, 10)
    images = np.repeat(place[None, :, :, None], 3, axis=3).repeat(300, axis=0)
    patches = random_patches(images, 8, seed=0, indices=range(300), view=0)
    corners = {int(patch[0, 0, 0]) for patch in patches}
    assert corners == {int(place[top, left]) for top in range(5) for left in range(3)}
    assert all(np.array_equal(patch[:, :, 0] - patch[0, 0, 0], place[:8, :8]) for patch in patches)
    assert np.array_equal(patches, random_patches(images, 8, seed=0, indices=range(300), view=0))
