"""Facts about the detector that the package brings along."""

import subprocess
import sys

import numpy as np
import pytest

import fakeimg
from fakeimg import ConfigError, Detector, Experiment
from fakeimg.data.images import read_image
from fakeimg.evaluation.perturbations import noisy
from fakeimg.models.artifact import GRAPH_FILE, WEIGHTS_FILE, read_spec, verify
from fakeimg.models.backbones import BUNDLED, load_weights
from fakeimg.models.network import Architecture, build_network, trunk_of


@pytest.fixture(scope="module")
def bundled() -> Detector:
    return fakeimg.load()


def images(n: int = 4, size: int = 128) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3)).astype(np.float32)


def test_it_is_whole_and_small() -> None:
    spec = read_spec(BUNDLED)
    verify(BUNDLED, spec)
    assert spec.files[WEIGHTS_FILE].bytes < 4_000_000
    assert sum(file.stat().st_size for file in BUNDLED.rglob("*") if file.is_file()) < 8_000_000


def test_the_graph_that_it_brings_is_the_network_of_its_weights(bundled) -> None:
    assert GRAPH_FILE in read_spec(BUNDLED).files
    keras, openvino = bundled.logits(images(), engine="tensorflow"), bundled.logits(images(), engine="openvino")
    np.testing.assert_allclose(keras, openvino, atol=2e-3)


def test_it_scores_without_importing_tensorflow() -> None:
    program = """
import sys, numpy as np, fakeimg
scored = fakeimg.load().predict(np.full((90, 70, 3), 128, np.uint8))
print(scored.verdicts[0] is not None and "tensorflow" not in sys.modules and "keras" not in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_its_trunk_is_the_backbone_called_bundled(bundled) -> None:
    experiment = Experiment.parse({"backbone": "bundled", "image_size": 128})
    trunk = trunk_of(build_network(Architecture.of(experiment)))
    words = load_weights(trunk, "bundled", "none")
    assert bundled.weights_sha256 in words
    np.testing.assert_array_equal(trunk.predict(images(), verbose=0), bundled.trunk.predict(images(), verbose=0))


def test_the_backbone_takes_no_other_weights() -> None:
    trunk = trunk_of(build_network(Architecture.of(Experiment.parse({"backbone": "bundled", "image_size": 64}))))
    with pytest.raises(ConfigError, match="its own weights"):
        load_weights(trunk, "bundled", "imagenet")


def test_it_tells_no_path_of_the_machine_that_made_it() -> None:
    assert '"/' not in (BUNDLED / "fakeimg.json").read_text("utf-8")


def test_its_card_names_the_licences_of_its_data() -> None:
    card = (BUNDLED / "README.md").read_text("utf-8")
    assert all(source in card for source in read_spec(BUNDLED).data.sources)
    assert "research" in card


def test_faces_of_the_sources_that_it_knows_are_told_apart(bundled, shared_data) -> None:
    dataset = fakeimg.Dataset.open(shared_data / "faces" / "manifest.csv")
    rows = dataset.frame.groupby("source").head(12).index.to_numpy()
    some = dataset.take(rows)
    called = bundled.predict(some).probability_fake >= bundled.operating_point.threshold_fake
    assert (called == (some.labels > 0)).mean() > 0.9


def test_a_grainy_photograph_is_no_fake(bundled, shared_data) -> None:
    dataset = fakeimg.Dataset.open(shared_data / "faces" / "manifest.csv")
    photographs = dataset.frame[dataset.frame["label"] == "real"].groupby("source").head(15).index.to_numpy()
    rng = np.random.default_rng(0)
    grainy = [noisy(read_image(path), 5.0, rng) for path in dataset.take(photographs).paths]
    assert (bundled.predict(grainy).probability_fake >= bundled.operating_point.threshold_fake).mean() < 0.15
