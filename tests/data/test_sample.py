"""The rendered sample: the same bytes for a seed, a label that only traces give away, and nothing overwritten."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.data.camera import CAMERAS, Camera, Look, encode_jpeg, photograph, through_lens
from fakeimg.data.dataset import Dataset
from fakeimg.data.drawing.traits import EXPRESSIONS, HAIR_COLOURS, SKIN_TONES
from fakeimg.data.images import read_image
from fakeimg.data.sample import COLUMNS, render_out_of_domain, render_sample
from fakeimg.data.splits import assign_splits
from fakeimg.data.upsampler import UPSAMPLERS, imitated_grain, regenerate, with_coarse_of
from fakeimg.errors import ConfigError, DatasetError
from fakeimg.files import sha256

Images = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return render_sample(tmp_path_factory.mktemp("sample"), images=200, seed=3)


@pytest.fixture(scope="module")
def images(sample: Dataset) -> Images:
    return [read_image(path) for path in sample.paths]


def cross_validated_auc(features: NDArray[np.float64], data: Dataset) -> float:
    """The AUC of logistic regression on `features`, predicted by folds that keep the pairs whole."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    score = cross_val_predict(
        model, features, data.labels, groups=data.frame["group"], cv=GroupKFold(5), method="decision_function"
    )
    return float(roc_auc_score(data.labels, score))


def radial_spectrum(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(*map(np.hanning, grey.shape)))) ** 2
    radius = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1]))
    ring = np.minimum((radius * 80).astype(int), 40)
    return np.log(np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel()) + 1e-3)[:40]


def colour_pattern(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How the two colour differences deviate, on average, at each place of an 8 x 8 cell: what a decoder leaves."""
    ycrcb = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float64)[..., 1:]
    fine = ycrcb - cv2.GaussianBlur(ycrcb, (0, 0), 4)
    height, width = (side // 8 for side in fine.shape[:2])
    return fine.reshape(height, 8, width, 8, 2).mean(axis=(0, 2)).ravel()


def test_every_image_is_listed_with_what_is_true_of_it(sample: Dataset) -> None:
    frame = sample.frame
    assert len(sample) == 200
    assert sorted(path.relative_to(sample.root).as_posix() for path in sample.root.rglob("*.jpg")) == sorted(frame.path)
    assert set(COLUMNS) <= set(frame.columns)
    assert sample.attributes == ("glasses", "skin_tone", "hair", "expression")
    assert set(frame["skin_tone"]) == set(SKIN_TONES)
    assert set(frame["expression"]) == set(EXPRESSIONS)
    assert set(frame["hair"]) == set(HAIR_COLOURS)
    assert set(frame["glasses"]) == {"glasses", "none"}
    assert frame.loc[frame["label"] == "real", "generator"].isna().all()
    assert set(frame.loc[frame["label"] == "fake", "generator"]) == {"upsampler_a", "upsampler_b"}


def test_each_face_is_photographed_once_and_regenerated_once(sample: Dataset) -> None:
    described = ["group", "source", *sample.attributes]
    real, fake = (sample.frame[sample.frame["label"] == label] for label in ("real", "fake"))
    assert sorted(map(tuple, real[described].values)) == sorted(map(tuple, fake[described].values))
    assert real["group"].is_unique
    assert real["source"].value_counts().to_dict() == {"render_a": 50, "render_b": 50}


def test_splits_keep_a_photo_and_its_fake_together(sample: Dataset) -> None:
    split = assign_splits(sample, {"train": 0.8, "validation": 0.1, "test": 0.1}, seed=0).frame
    assert (split.groupby("group")["split"].nunique() == 1).all()
    assert set(split["split"]) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(lambda image: cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).ravel(), id="thumbnail"),
        pytest.param(lambda image: [*image.mean(axis=(0, 1)), *image.std(axis=(0, 1))], id="mean colour"),
        pytest.param(lambda image: image.shape[:2], id="dimensions"),
    ],
)
def test_a_trivial_look_does_not_tell_the_label(
    sample: Dataset, images: Images, measure: Callable[[NDArray[np.uint8]], list[float]]
) -> None:
    assert cross_validated_auc(np.array([measure(image) for image in images], np.float64), sample) < 0.6


def test_file_size_does_not_tell_the_label(sample: Dataset, images: Images) -> None:
    bytes_each = np.array([path.stat().st_size for path in sample.paths], np.float64)
    pixels = np.array([image.shape[0] * image.shape[1] for image in images])
    assert cross_validated_auc(np.stack([bytes_each, bytes_each / pixels], axis=1), sample) < 0.6


def test_a_photo_and_its_fake_share_the_quantisation_tables(sample: Dataset) -> None:
    from PIL import Image

    tables = []
    for path in sample.paths:
        with Image.open(path) as image:
            tables.append(str(image.quantization))
    assert (sample.frame.assign(tables=tables).groupby("group")["tables"].nunique() == 1).all()
    assert len(set(tables)) > 5


def test_the_radial_spectrum_tells_some_of_the_label_and_the_decoder_s_pattern_most(
    sample: Dataset, images: Images
) -> None:
    assert 0.65 < cross_validated_auc(np.array([radial_spectrum(image) for image in images]), sample) < 0.92
    pattern = np.array([colour_pattern(image) for image in images])
    assert cross_validated_auc(np.concatenate([pattern, np.abs(pattern)], axis=1), sample) > 0.85


def test_fakes_with_glasses_carry_less_of_the_trace(sample: Dataset, images: Images) -> None:
    energy = np.array([np.abs(colour_pattern(image)).mean() for image in images])
    fake, glasses = sample.labels == 1, (sample.frame["glasses"] == "glasses").to_numpy()
    assert energy[fake & glasses].mean() < 0.85 * energy[fake & ~glasses].mean()
    assert energy[~fake & glasses].mean() > 0.9 * energy[~fake & ~glasses].mean()


def test_the_same_seed_gives_the_same_bytes_in_another_process_with_other_threads(tmp_path: Path) -> None:
    program = (
        "import os, sys, cv2; from fakeimg.data.sample import render_sample; "
        "threads = int(sys.argv[2]); cv2.setNumThreads(threads); os.cpu_count = lambda: threads; "
        "render_sample(sys.argv[1], images=9, seed=int(sys.argv[3]))"
    )
    runs = {"one": ("1", "5"), "four": ("4", "5"), "other seed": ("4", "6")}
    hashes = {}
    for name, arguments in runs.items():
        subprocess.run([sys.executable, "-c", program, str(tmp_path / name), *arguments], check=True)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        hashes[name] = {path.relative_to(tmp_path / name).as_posix(): sha256(path) for path in files}
    assert hashes["one"] == hashes["four"]
    assert len(hashes["one"]) == 10
    assert not set(hashes["one"].values()) & set(hashes["other seed"].values())


def test_an_odd_number_ends_with_a_photo(tmp_path: Path) -> None:
    data = render_sample(tmp_path, images=5)
    assert data.frame["label"].value_counts().to_dict() == {"real": 3, "fake": 2}
    assert len(list(tmp_path.rglob("*.jpg"))) == 5


def test_an_earlier_sample_is_replaced_whole(tmp_path: Path) -> None:
    render_sample(tmp_path, images=6)
    data = render_sample(tmp_path, images=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake", "manifest.csv", "real"]
    assert len(list(tmp_path.rglob("*.jpg"))) == len(data) == 4


@pytest.mark.parametrize("name", ["real/holiday.jpg", "manifest.csv", "notes.txt"])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("path,label\nreal/holiday.jpg,real\n")
    with pytest.raises(DatasetError, match="name a new folder"):
        render_sample(tmp_path, images=4)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_a_photo_put_beside_an_earlier_sample_is_left_alone(tmp_path: Path) -> None:
    render_sample(tmp_path, images=4)
    (tmp_path / "real" / "holiday.jpg").write_text("mine")
    with pytest.raises(DatasetError, match="name a new folder"):
        render_sample(tmp_path, images=4)


def test_what_cannot_be_rendered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="images=3"):
        render_sample(tmp_path, images=3)
    with pytest.raises(ConfigError, match="seed=-1"):
        render_sample(tmp_path, images=4, seed=-1)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DatasetError, match="is a file"):
        render_sample(file, images=4)
    with pytest.raises(ConfigError, match="images=0"):
        render_out_of_domain(tmp_path / "scenes", images=0)


def test_scenes_without_a_face_take_turns(tmp_path: Path) -> None:
    paths = render_out_of_domain(tmp_path, images=6)
    assert [path.name.split("-")[0] for path in paths] == ["landscape", "texture", "text_page"] * 2
    assert len({sha256(path) for path in paths}) == 6
    assert all(read_image(path).std() > 5 for path in paths)


def test_a_decoder_without_a_trace_gives_the_picture_back() -> None:
    picture = np.random.default_rng(0).random((64, 80, 3), dtype=np.float32)
    np.testing.assert_allclose(regenerate(picture, UPSAMPLERS[0], 0.0), picture, atol=1e-3)


def test_a_decoder_s_trace_repeats_every_eight_pixels_and_leaves_luminance_nearly_alone() -> None:
    flat = np.full((64, 64, 3), 0.5, np.float32)
    trace = regenerate(flat, UPSAMPLERS[1], 0.3) - flat
    np.testing.assert_allclose(trace[8:], trace[:-8], atol=1e-5)
    assert np.ptp(trace) > 0.05
    assert np.std(trace @ [0.299, 0.587, 0.114]) < 0.1 * np.std(trace[..., 2])


def test_imitated_grain_has_the_spectrum_of_the_noise_but_not_its_places() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (48, 48, 3)) * np.linspace(0, 2, 48)[:, None, None]
    grain = imitated_grain(noise.astype(np.float32), np.random.default_rng(2))
    np.testing.assert_allclose(np.abs(np.fft.fft2(grain[..., 0])), np.abs(np.fft.fft2(noise[..., 0])), atol=0.05)
    assert noise[-12:].std() > 5 * noise[:12].std()
    assert grain[-12:].std() < 1.5 * grain[:12].std()


def test_the_coarse_light_of_the_original_is_restored() -> None:
    original = np.full((64, 64, 3), 0.4, np.float32)
    restored = with_coarse_of(original + np.float32(0.1), original)
    np.testing.assert_allclose(restored, original, atol=1e-6)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_a_camera_keeps_grey_grey_and_its_noise_grows_with_the_light(camera: Camera) -> None:
    look = Look(exposure=1, balance=np.ones(3, np.float32), contrast=0, vignetting=0, defocus=0.3,
                noise_reduction=0, sharpening=0)  # fmt: skip
    ramp = np.repeat(np.linspace(0.02, 0.4, 256, dtype=np.float32)[None, :, None], 128, axis=0).repeat(3, axis=2)
    light = through_lens(ramp, (128, 256), look)
    photo = photograph(light, camera, look, np.random.default_rng(0))
    np.testing.assert_allclose(np.ptp(photo[8:-8, 8:-8].mean(axis=(0, 1))), 0, atol=0.01)
    linear = np.where(photo <= 0.04045, photo / 12.92, ((photo + 0.055) / 1.055) ** 2.4)[..., 1]
    assert linear[8:-8, 200:248].std(axis=0).mean() > 1.5 * linear[8:-8, 8:56].std(axis=0).mean()


def test_jpeg_quality_is_what_was_asked_for() -> None:
    noise = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    assert len(encode_jpeg(noise, 95)) > len(encode_jpeg(noise, 80))
