"""A small real detector, a few rendered faces, and the page running on them."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

RATE = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 100}


@pytest.fixture(scope="session")
def demo_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Session-wide fixtures run before the cache of the tests is set for each test."""
    folder = tmp_path_factory.mktemp("demo-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKEIMG_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def faces(demo_cache: Path) -> "Path":
    """24 rendered faces."""
    from fakeimg.data.sample import render_sample

    render_sample(demo_cache / "faces", images=24)
    return demo_cache / "faces"


@pytest.fixture(scope="session")
def model_folder(demo_cache: Path) -> Path:
    """A network of random weights: the page must show whatever a detector says."""
    from fakeimg import Detector, Experiment
    from fakeimg.models.artifact import DetectorSpec
    from fakeimg.models.network import Architecture, build_network

    architecture = Architecture.of(Experiment.parse({"backbone": "compact", "image_size": 64}))
    model = build_network(architecture)
    kernel = model.get_layer("logit").weights[0]
    kernel.assign(kernel * 40)  # otherwise every probability is near one half
    point = {"false_alarms": RATE | {"value": 0.05, "low": 0.02}, "misses": RATE | {"value": 0.1}, "inconclusive": RATE}
    by_source = {"studio": {"n": 100, "label": "mixed", "accuracy": RATE}}
    metrics = {"n": 200, "accuracy": RATE, "operating_point": point, "by_source": by_source}
    spec = DetectorSpec(
        architecture=architecture,
        positive_class="fake",
        operating_point={"threshold_fake": 0.6, "threshold_real": 0.4},
        metrics=metrics,
    )
    Detector.of(model, spec).save(demo_cache / "model")
    return demo_cache / "model"


@pytest.fixture(scope="session")
def demo(model_folder: Path, faces: Path, demo_cache: Path) -> Iterator[SimpleNamespace]:
    """The running page: address, page, detectors, folder of uploads, model folder."""
    from fakeimg.app.page import build
    from fakeimg.app.server import launched

    page = build(str(model_folder), models=["hf://nobody/nothing"], faces=faces)
    with launched(page, port=None) as address:
        yield SimpleNamespace(
            address=address.rstrip("/"), page=page, detectors=page.fakeimg_detectors, folder=page.fakeimg_folder,
            model=model_folder, faces=faces,
        )  # fmt: skip
