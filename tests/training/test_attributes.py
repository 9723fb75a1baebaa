"""An attribute's head is trained by the runner that trains detectors, and judges with what it learnt."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakeimg.config import Experiment, Head
from fakeimg.data.annotate import annotate
from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError, ModelError
from fakeimg.models.artifact import DetectorSpec
from fakeimg.models.detector import Detector
from fakeimg.models.network import Architecture, build_network
from fakeimg.training.attributes import HeadAnnotator, attribute_dataset, train_attribute

EXPERIMENT = Experiment.parse(
    {
        "backbone": "five_conv",  # untrained convolutions still tell light from dark
        "image_size": 64,
        "train.batch_size": 8,
        "train.epochs": 12,
        "train.learning_rate": 0.03,
        "split.stratify": ["label"],
    }
)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """60 pictures whose attribute `tone` is their brightness."""
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    tones = ["light" if i % 3 else "dark" for i in range(60)]
    for i, tone in enumerate(tones):
        grey = random.integers(0, 80, (64, 64, 3)) + (150 if tone == "light" else 20)
        Image.fromarray(grey.astype(np.uint8)).save(folder / f"{i}.png")
    return Dataset(pd.DataFrame({"path": [f"{i}.png" for i in range(60)], "label": "real", "tone": tones}), folder)


def test_a_head_learns_from_what_is_given_and_fills_in_the_rest(faces: Dataset, tmp_path: Path) -> None:
    given = faces.frame["tone"].to_numpy(object)
    hidden = np.arange(60) % 4 == 0
    data = faces.assign(tone=np.where(hidden, None, given))
    result = train_attribute(data, "tone", EXPERIMENT, out=tmp_path / "head")
    assert result.detector.class_names == ("light", "dark")  # the most frequent first
    assert len(result.data) == 45

    annotator = HeadAnnotator.open(tmp_path / "head")
    assert annotator.attributes == ("tone",)
    filled = annotate(data, [annotator]).dataset.frame
    assert (filled["tone_annotator"].notna().to_numpy() == hidden).all()
    assert filled["tone_confidence"][hidden].between(0.5, 1).all()
    assert filled["tone"].tolist() == given.tolist()

    (agreement,) = annotate(data, [annotator], check=True).agreements
    test_part = int((result.data.frame["split"] == "test").sum())
    assert agreement.n == test_part < 45  # what it learnt from is no evidence
    assert HeadAnnotator.of(result, "tone").learnt_from == annotator.learnt_from


def test_what_an_annotator_filled_in_is_not_learnt_from(faces: Dataset) -> None:
    by = np.where(np.arange(60) % 2 == 0, "somebody", None)
    labelled = attribute_dataset(faces.assign(tone_annotator=by), "tone")
    assert len(labelled) == 30
    assert labelled.frame["tone_annotator"].isna().all()


def test_too_little_to_learn_from_is_refused(faces: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"no attribute 'tome'.*did you mean 'tone'"):
        train_attribute(faces, "tome", EXPERIMENT)
    with pytest.raises(DatasetError, match="two values with 10 images each"):
        attribute_dataset(faces.assign(tone="light"), "tone")


def test_a_detector_of_fakes_is_no_annotator(tmp_path: Path) -> None:
    architecture = Architecture(
        backbone="five_conv", image_size=(64, 64), framing="stretch", head=Head(), class_names=("real", "fake")
    )
    spec = DetectorSpec(architecture=architecture, positive_class="fake")
    Detector.of(build_network(architecture), spec).save(tmp_path / "detector")
    with pytest.raises(ModelError, match="is no attribute's model"):
        HeadAnnotator.open(tmp_path / "detector")
