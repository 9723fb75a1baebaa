"""Facts about detectors: what they say of images, how they are saved, and that both engines agree."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeimg import Dataset, Detector, Experiment, ImageError, ModelError
from fakeimg.models.artifact import SPEC_FILE, WEIGHTS_FILE, DetectorSpec
from fakeimg.models.decision import OperatingPoint
from fakeimg.models.domain import DomainGuard
from fakeimg.models.network import Architecture, build_network

SIZE = 64


def make_detector(backbone: str = "five_conv_program", classes: tuple[str, ...] = ("real", "fake"), **spec) -> Detector:
    experiment = Experiment.parse({"backbone": backbone, "image_size": SIZE, "data": {"classes": classes}})
    architecture = Architecture.of(experiment)
    model = build_network(architecture)
    # Random weights leave every logit near 0; spread them so that verdicts differ.
    kernel = model.get_layer("logit").weights[0]
    kernel.assign(kernel * 40)
    return Detector.of(model, DetectorSpec(architecture=architecture, positive_class=classes[1], **spec))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = []
    for i, size in enumerate([(64, 64), (90, 120), (200, 64), (64, 65), (300, 300)]):
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BILINEAR).save(folder / f"{i}.png")
        paths.append(folder / f"{i}.png")
    return paths


@pytest.fixture(scope="module")
def saved(detector, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    detector.save(folder)
    return folder


@pytest.mark.parametrize("backbone", ["five_conv_program", "mobilenet_v2", "resnet50", "resnet18"])
def test_both_engines_give_the_same_probabilities(backbone: str) -> None:
    detector = make_detector(backbone)
    images = np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    fast = detector.predict(images, engine="openvino")
    slow = detector.predict(images, engine="tensorflow")
    np.testing.assert_allclose(fast.probability_fake, slow.probability_fake, atol=1e-4)
    np.testing.assert_allclose(fast.embeddings, slow.embeddings, rtol=1e-3, atol=1e-4)


def test_paths_arrays_and_data_sets_of_the_same_pictures_agree(detector, pictures, tmp_path) -> None:
    arrays = [np.asarray(Image.open(path)) for path in pictures]
    from_paths = detector.predict(pictures)
    np.testing.assert_array_equal(from_paths.probability_fake, detector.predict(arrays).probability_fake)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,gender\n" + "".join(f"{path},real,woman\n" for path in pictures))
    from_data = detector.predict(Dataset.open(manifest))
    np.testing.assert_array_equal(from_paths.probability_fake, from_data.probability_fake)
    assert set(from_data.frame["gender"]) == {"woman"}
    assert detector.predict(str(pictures[0])).probability_fake[0] == from_paths.probability_fake[0]
    assert np.ptp(from_paths.probability_fake) > 0.01


def test_a_bad_file_is_listed_and_the_others_are_scored(detector, pictures, tmp_path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("not a picture")
    mixed = [pictures[0], bad, *pictures[1:3], tmp_path / "missing.png", *pictures[3:]]
    found = detector.predict(mixed, batch_size=2)
    assert [reason is None for reason in found.reasons] == [True, False, True, True, False, True, True]
    good = [i for i, reason in enumerate(found.reasons) if reason is None]
    np.testing.assert_array_equal(found.probability_fake[good], detector.predict(pictures).probability_fake)
    records = [json.loads(line) for line in found.to_json_lines().splitlines()]
    assert records[1]["status"] == "error"
    assert records[1]["verdict"] is None
    assert records[1]["probability_fake"] is None
    assert "missing.png" in records[4]["path"]


def test_the_json_has_the_fields_of_the_contract(detector, pictures) -> None:
    record = next(detector.predict(pictures[:1]).records())
    assert list(record) == [
        "path", "status", "verdict", "probability_fake", "threshold_fake", "threshold_real", "model", "model_sha256",
        "reason",
    ]  # fmt: skip


def test_arrays_that_are_no_pictures_are_refused(detector) -> None:
    for wrong in (np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8)):
        with pytest.raises(ImageError, match=r"uint8 RGB array of shape \(h, w, 3\)"):
            detector.predict([wrong])
    with pytest.raises(ImageError, match="no images"):
        detector.predict([])


def test_saving_and_opening_keeps_every_bit(detector, saved, pictures) -> None:
    opened = Detector.open(saved)
    np.testing.assert_array_equal(
        detector.predict(pictures).probability_fake, opened.predict(pictures).probability_fake
    )
    for a, b in zip(detector.model.get_weights(), opened.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_stock_keras_opens_the_folder_and_gives_the_same_probabilities(detector, saved) -> None:
    program = (
        "import sys, numpy as np, keras\n"
        "assert not any(name.startswith('fakeimg') for name in sys.modules)\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        f"images = np.random.default_rng(1).integers(0, 256, (4, {SIZE}, {SIZE}, 3)).astype('float32')\n"
        "print(*map(float, 1 / (1 + np.exp(-model.predict(images, verbose=0)[:, 0].astype('float64')))))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, saved], capture_output=True, text=True, check=True)
    images = np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.uint8)
    ours = detector.predict(images, engine="tensorflow").probability_fake
    np.testing.assert_allclose([float(word) for word in done.stdout.split()], ours, atol=1e-6)


def test_a_known_graph_scores_without_tensorflow(saved, pictures) -> None:
    Detector.open(saved).predict(pictures)  # makes the graph
    program = (
        "import sys; from fakeimg import Detector\n"
        "Detector.open(sys.argv[1]).predict(sys.argv[2])\n"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'matplotlib', 'scipy') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, saved, pictures[0]], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_changed_byte_anywhere_is_noticed(saved, tmp_path) -> None:
    for name in ("model.weights.h5", "config.json", "metadata.json"):  # the card stays editable
        folder = tmp_path / name
        shutil.copytree(saved, folder)
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(ModelError, match="SHA-256 differs"):
            Detector.open(folder)


def test_a_shortened_or_missing_file_is_noticed(saved, tmp_path) -> None:
    shutil.copytree(saved, tmp_path / "short")
    weights = tmp_path / "short" / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="truncated or replaced"):
        Detector.open(tmp_path / "short")
    weights.unlink()
    with pytest.raises(ModelError, match=r"lacks model\.weights\.h5"):
        Detector.open(tmp_path / "short")


def test_a_folder_that_is_no_model_says_so(tmp_path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        Detector.open(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"holds no fakeimg\.json"):
        Detector.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"positive_class": "real"}, "positive class"),
        ({"surprise": 1}, "surprise"),
        ({"operating_point": {"threshold_fake": 2.0}}, "threshold"),
    ],
)
def test_a_spec_from_elsewhere_is_checked(saved, tmp_path, change, message) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(saved, folder)
    spec = json.loads((folder / SPEC_FILE).read_bytes()) | change
    (folder / SPEC_FILE).write_text(json.dumps(spec))
    with pytest.raises(ModelError, match=message):
        Detector.open(folder)


def test_verdicts_follow_the_two_thresholds(pictures) -> None:
    plain = make_detector()
    scores = plain.predict(pictures).probability_fake
    low, high = np.quantile(scores, [0.4, 0.7])
    point = OperatingPoint(threshold_fake=float(high), threshold_real=float(low))
    found = make_detector(operating_point=point.to_json()).predict(pictures)
    expected = ["fake" if score >= high else "real" if score < low else "inconclusive" for score in scores]
    assert list(found.verdicts) == expected
    assert len(set(expected)) == 3


def test_with_three_classes_fake_is_anything_but_a_photograph(pictures) -> None:
    found = make_detector(classes=("real", "edited", "generated")).predict(pictures)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(found.probability_fake, found.probabilities[:, 1:].sum(axis=1))


def test_the_domain_guard_lets_its_own_kind_pass_and_stops_another(tmp_path) -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(5, 40))
    usual = rng.normal(size=(2000, 5)) @ plane + 0.05 * rng.normal(size=(2000, 40))
    new = rng.normal(size=(2000, 5)) @ plane + 0.05 * rng.normal(size=(2000, 40))
    other = rng.normal(size=(500, 40)) * np.sqrt((usual**2).mean())  # as long, in other directions
    guard = DomainGuard.fit(usual)
    assert guard is not None
    assert guard.is_outside(new).mean() < 0.04  # 1 % by each of two distances, and what a small sample adds
    assert guard.is_outside(other).mean() > 0.99
    np.savez(tmp_path / "guard.npz", **guard.to_arrays())
    np.testing.assert_array_equal(DomainGuard.read(tmp_path / "guard.npz").is_outside(new), guard.is_outside(new))


def test_a_guarded_detector_calls_what_it_never_saw_out_of_domain(pictures, tmp_path) -> None:
    rng = np.random.default_rng(0)
    plain = make_detector()
    smooth = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((SIZE, SIZE))) for _ in range(400)
    ]
    guard = DomainGuard.fit(plain.predict(smooth).embeddings)
    guarded = Detector.of(plain.model, plain.spec, guard=guard)
    noise = [rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8) for _ in range(10)]
    assert set(guarded.predict(noise).verdicts) == {"out-of-domain"}
    assert "out-of-domain" not in guarded.predict(smooth[:50]).verdicts[:10]
    opened = guarded.save(tmp_path / "guarded")
    assert opened.predict(noise).verdicts == guarded.predict(noise).verdicts
