"""Models made to do harm: each is turned away, none of its programs runs, and none takes memory."""

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import pytest
from malicious import CONFIG, WEIGHTS, Payload, lambda_layer, make_folders, make_keras_files, sequential, sign_folder

from fakeimg import ConfigError, Detector, Experiment, ModelError
from fakeimg.models.artifact import DetectorSpec
from fakeimg.models.backbones import load_weights
from fakeimg.models.foreign import open_trunk
from fakeimg.models.network import Architecture, build_network, trunk_of

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), np.uint8)
MOST_MEMORY = 500_000_000


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Half a gigabyte that is gone after the tests."""
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def good(folder: Path) -> Path:
    architecture = Architecture.of(Experiment.parse({"backbone": "five_conv_program", "image_size": 48}))
    spec = DetectorSpec(architecture=architecture, positive_class="fake")
    Detector.of(build_network(architecture), spec).save(folder / "good")
    return folder / "good"


def small_model() -> Any:
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(layers.Rescaling(1 / 255)(image))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same", activation="silu")(x)])
    x = layers.Conv2D(16, 3, kernel_regularizer="l2", name="last")(layers.MaxPooling2D()(x))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    return model


@pytest.fixture(scope="module")
def keras_file(folder: Path) -> Path:
    small_model().save(folder / "sound.keras")
    return folder / "sound.keras"


def test_the_payloads_are_live(tmp_path: Path) -> None:
    for name, run in (
        ("pickle", lambda marker: pickle.loads(pickle.dumps(Payload(marker)))),
        (
            "lambda",
            lambda marker: keras.saving.deserialize_keras_object(sequential(lambda_layer(marker)), safe_mode=False),
        ),
    ):
        run(tmp_path / name)
        assert (tmp_path / name).exists(), name


def test_every_malicious_model_is_refused_in_little_memory(good: Path, keras_file: Path, folder: Path) -> None:
    marker = folder / "marker"
    (folder / "corpus").mkdir()
    models = make_folders(good, folder / "corpus", marker)
    trunks = make_keras_files(keras_file, folder / "corpus", marker)
    paths = [(str(case.path), "model") for case in models] + [(str(case.path), "trunk") for case in trunks]
    program = Path(__file__).with_name("open_malicious.py")
    done = subprocess.run(
        [sys.executable, program], input=json.dumps(paths), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    wrong = [
        (case.name, what, said[:300])
        for case, (what, said) in zip([*models, *trunks], found["outcomes"], strict=True)
        if what != "refused" or not re.search(case.words, said) or "\n" in said
    ]
    print(
        f"\n{len(paths) - len(wrong)} of {len(paths)} malicious models refused, "
        f"{len(models)} model folders or files and {len(trunks)} .keras files to start from; "
        f"peak memory {found['bytes'] / 1e6:.0f} MB above Keras and TensorFlow alone"
    )
    assert wrong == []
    assert not marker.exists()
    assert found["bytes"] < MOST_MEMORY


def test_the_sound_detector_that_they_were_made_from_opens(good: Path) -> None:
    assert np.isfinite(Detector.open(good).predict(IMAGES).probability_fake).all()


def test_weights_stored_in_half_precision_open(good: Path, tmp_path: Path) -> None:
    import shutil

    import h5py

    copy = shutil.copytree(good, tmp_path / "half")
    with h5py.File(copy / WEIGHTS, "r+") as file:
        arrays: list[str] = []
        file.visititems(lambda name, item: arrays.append(name) if getattr(item, "dtype", None) == "f4" else None)
        for name in arrays:
            values = file[name][()]
            del file[name]
            file[name] = values.astype("f2")
    sign_folder(copy)
    for half, full in zip(
        Detector.open(copy).model.get_weights(), Detector.open(good).model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(half, full.astype(np.float16).astype(np.float32))


def test_a_configuration_that_is_not_ours_but_harmless_does_not_decide_what_is_built(
    good: Path, tmp_path: Path
) -> None:
    import shutil

    copy = shutil.copytree(good, tmp_path / "other")
    (copy / CONFIG).write_text(json.dumps(sequential()))
    sign_folder(copy)
    np.testing.assert_array_equal(
        Detector.open(copy).predict(IMAGES).probability_fake, Detector.open(good).predict(IMAGES).probability_fake
    )


def test_a_foreign_trunk_gives_the_feature_map_of_the_model_it_came_from(keras_file: Path) -> None:
    trunk = open_trunk(keras_file)
    stock = keras.models.load_model(keras_file)
    expected = keras.Model(stock.input, stock.get_layer("last").output)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(trunk(images), expected(images))


def test_an_experiment_starts_from_a_model_that_stock_keras_saved(tmp_path: Path) -> None:
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3))
    model = keras.Sequential([base, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)  # its moments are saved, too
    model.save(tmp_path / "mine.keras")
    architecture = Architecture.of(Experiment.parse({"backbone": "mobilenet_v2", "image_size": 64}))
    trunk = trunk_of(build_network(architecture))
    words = load_weights(trunk, "mobilenet_v2", str(tmp_path / "mine.keras"))
    assert words.startswith("weights file mine.keras (sha256 ")
    for ours, theirs in zip(trunk.get_weights(), base.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = trunk_of(build_network(Architecture.of(Experiment.parse({"backbone": "compact", "image_size": 64}))))
    with pytest.raises(ConfigError, match=r"mine\.keras does not begin with compact"):
        load_weights(other, "compact", str(tmp_path / "mine.keras"))


def test_a_weights_file_to_start_from_is_looked_over_too(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "linked.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")
    trunk = trunk_of(build_network(Architecture.of(Experiment.parse({"backbone": "compact", "image_size": 64}))))
    with pytest.raises(ModelError, match="links 'layers' to data elsewhere"):
        load_weights(trunk, "compact", str(tmp_path / "linked.weights.h5"))
