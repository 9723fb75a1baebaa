"""Damaged pictures: what each way of counting may and may not change, and what a perturbation does."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.images import read_image
from fakeimg.errors import ConfigError, DatasetError, ImageError
from fakeimg.evaluation.perturbations import PERTURBATIONS
from fakeimg.evaluation.stability import BENIGN, stability
from fakeimg.evaluation.stress import StressResult, stress
from fakeimg.models.artifact import DetectorSpec
from fakeimg.models.detector import Detector
from fakeimg.models.network import Architecture, build_network

IMAGES = 24


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(IMAGES):
        coarse = rng.integers(0, 255, (9, 9, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (96, 80), interpolation=cv2.INTER_CUBIC)
        path = folder / ("real", "fake")[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), cv2.add(image, rng.integers(0, 30, image.shape, np.uint8)))
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def detector(data: Dataset) -> Detector:
    """Random weights, scaled so that about half of the pictures score above one half."""
    experiment = Experiment.parse({"backbone": "five_conv_program", "image_size": 64})
    architecture = Architecture.of(experiment)
    model = build_network(architecture)
    detector = Detector.of(model, DetectorSpec(architecture=architecture, positive_class="fake"))
    logits = detector.predict(data).logits
    kernel, bias = model.get_layer("logit").weights
    gain = 3 / logits.std()
    kernel.assign(kernel * gain)
    bias.assign([-gain * np.median(logits)])
    return Detector.of(model, detector.spec)


@pytest.fixture(scope="module")
def result(detector: Detector, data: Dataset) -> StressResult:
    return stress(detector, data, perturbations={"jpeg": (60, 10), "crop": (0.5,)})


def test_damaging_reals_alone_moves_only_the_false_positive_rate(result: StressResult) -> None:
    clean = result.frame.iloc[0]
    reals = result.frame[result.frame["applied_to"] == "reals"]
    assert (reals["fnr"] == clean["fnr"]).all()
    assert (reals["fpr"] != clean["fpr"]).any()


def test_damaging_fakes_alone_moves_only_the_misses(result: StressResult) -> None:
    clean = result.frame.iloc[0]
    fakes = result.frame[result.frame["applied_to"] == "fakes"]
    assert (fakes["fpr"] == clean["fpr"]).all()
    assert (fakes["fnr"] != clean["fnr"]).any()


def test_damaging_both_adds_up_what_each_does(result: StressResult) -> None:
    rows = result.frame.set_index(["perturbation", "strength", "applied_to"]).sort_index()
    for name, strength in result.levels[1:]:
        level = rows.loc[(name, strength)]
        assert level.loc["both", "fpr"] == level.loc["reals", "fpr"]
        assert level.loc["both", "fnr"] == level.loc["fakes", "fnr"]


def test_unchanged_images_score_as_predict_scores_them(result: StressResult, detector: Detector, data: Dataset) -> None:
    assert np.allclose(result.scores[:, 0], detector.predict(data).probability_fake, atol=1e-6)


def test_damage_happens_before_the_detectors_resizing(detector: Detector, data: Dataset) -> None:
    once = data.take([0])
    result = stress(detector, once, perturbations={"crop": (0.5,)})
    image = read_image(once.paths[0])
    middle = np.ascontiguousarray(image[20:60, 24:72])
    assert result.scores[0, 1] == pytest.approx(detector.predict(middle).probability_fake[0], abs=1e-6)


def test_every_rate_has_an_interval_around_it(result: StressResult) -> None:
    for rate in ("accuracy", "fpr", "fnr", "auc"):
        values = result.frame[[f"{rate}_low", rate, f"{rate}_high"]].to_numpy()
        assert (np.diff(values, axis=1) >= 0).all()
        assert (values[:, 2] > values[:, 0]).all()


def test_one_class_alone_has_no_auc_but_the_other_rates(detector: Detector, data: Dataset) -> None:
    result = stress(detector, data.take(data.labels == 0), perturbations={"jpeg": (30,)})
    assert np.isnan(result.frame["auc"]).all()
    assert result.frame["fpr"].notna().all()
    assert isinstance(result.plot("jpeg"), Axes)
    json.dumps(result.to_json(), allow_nan=False)


def test_what_is_written_says_what_was_measured(result: StressResult, tmp_path: Path) -> None:
    result.write(tmp_path)
    written = json.loads((tmp_path / "stress.json").read_text())
    assert len(written["rows"]) == len(result.frame) == 1 + 3 * 3
    assert written["sentence"] == result.sentence
    assert "after" in result.sentence
    assert {path.name for path in tmp_path.glob("*.png")} == {"stress_jpeg.png", "stress_crop.png"}


def test_a_file_that_cannot_be_read_is_listed(detector: Detector, tmp_path: Path, data: Dataset) -> None:
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "good.png").write_bytes(data.paths[0].read_bytes())
    (tmp_path / "real" / "broken.png").write_bytes(b"no")
    result = stress(detector, tmp_path, perturbations=["noise"])
    assert list(result.unreadable) == ["real/broken.png"]
    assert result.frame["n"].iloc[0] == 2


def test_wrong_arguments_are_refused(detector: Detector, data: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"no perturbation 'jpg'.*did you mean 'jpeg'"):
        stress(detector, data, perturbations=["jpg"])
    with pytest.raises(ConfigError, match="got 0"):
        stress(detector, data, max_images=0)
    with pytest.raises(DatasetError, match="classes are a, b"):
        stress(detector, Dataset(data.frame.assign(label="a"), data.root, ("a", "b")))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_stronger_perturbation_changes_a_picture_more(name: str, data: Dataset) -> None:
    image = read_image(data.paths[0])
    height, width = image.shape[:2]
    change = PERTURBATIONS[name]

    def distance(strength: float) -> float:
        damaged = change.apply(image, strength, np.random.default_rng(0))
        assert damaged.dtype == np.uint8
        back: NDArray[np.uint8] = cv2.resize(np.ascontiguousarray(damaged), (width, height))  # type: ignore[assignment]
        return float(np.abs(back.astype(float) - image).mean())

    distances = [distance(strength) for strength in change.strengths]
    if name != "screenshot":  # the larger a picture is shown, the less its recompression costs
        assert distances == sorted(distances)
    assert min(distances) > 0


def test_stability_spans_every_version_of_the_picture(detector: Detector, data: Dataset) -> None:
    found = stability(detector, data.paths[0])
    scores = found.frame["probability_fake"]
    assert len(scores) == 1 + len(BENIGN)
    assert (found.low, found.high) == (scores.min(), scores.max())
    assert scores.iloc[0] == pytest.approx(detector.predict(data.paths[0]).probability_fake[0], abs=1e-6)
    assert found.stable == (found.frame["verdict"].nunique() == 1)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_verdict_that_does_not_hold_is_said_to(detector: Detector, data: Dataset) -> None:
    scored = [stability(detector, path) for path in data.paths]
    assert {found.stable for found in scored} == {True, False}
    for found in scored:
        assert ("does not hold" in found.sentence) == (not found.stable)


def test_stability_of_what_is_no_picture_is_an_error(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        stability(detector, tmp_path / "absent.jpg")
