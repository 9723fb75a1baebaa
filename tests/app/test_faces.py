"""The examples of the page: both classes in turn, no face twice, and the detector's own kind first."""

from pathlib import Path

import numpy as np

from fakeimg import Dataset, Detector
from fakeimg.app.faces import examples


def test_examples_take_both_classes_in_turn_and_no_face_twice(faces: Path, model_folder: Path) -> None:
    chosen = examples(Dataset.open(faces), Detector.open(model_folder))
    assert [path.parent.name for path in chosen[:-1]] == ["real", "fake"] * 3 + ["real"]
    assert len({path.stem for path in chosen}) == len(chosen) == 8


def test_pictures_without_groups_are_faces_of_their_own(faces: Path, model_folder: Path) -> None:
    dataset = Dataset.open(faces).assign(group=np.nan)
    assert len(examples(dataset, Detector.open(model_folder))) == 8
