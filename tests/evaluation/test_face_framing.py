"""The face is found where it was put, at the size that it was given, whatever the picture's shape."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.data.images import read_image
from fakeimg.data.sample import render_sample
from fakeimg.evaluation.audit import audit
from fakeimg.evaluation.face_framing import face_framing

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[Grey]:
    sample = render_sample(tmp_path_factory.mktemp("faces"), images=24)
    return [np.asarray(cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY), np.uint8) for path in sample.paths]


def found(faces: list[Grey]) -> NDArray[np.float32]:
    return np.stack([face_framing(face) for face in faces])


def test_most_faces_are_found_near_the_middle(faces: list[Grey]) -> None:
    framing = found(faces)
    seen = framing[framing[:, 0] > 0]
    assert len(seen) >= 0.8 * len(faces)
    assert np.abs(np.median(seen[:, 1:], axis=0)).max() < 0.1


def test_a_wider_view_makes_the_face_smaller_and_a_shift_moves_it(faces: list[Grey]) -> None:
    side = faces[0].shape[0]
    wide = found([cv2.copyMakeBorder(face, 0, side // 4, 0, side // 4, cv2.BORDER_REPLICATE) for face in faces])
    both = (found(faces)[:, 0] > 0) & (wide[:, 0] > 0)
    assert both.sum() >= len(faces) / 2
    change = np.median((wide - found(faces))[both], axis=0)
    assert change[0] < -0.05
    assert change[1:] == pytest.approx([-0.1, -0.1], abs=0.05)


def test_size_and_stretches_of_border_change_little(faces: list[Grey]) -> None:
    large = found([cv2.resize(face, None, fx=2.5, fy=2.5) for face in faces])
    strip = found([cv2.copyMakeBorder(face, 0, 0, 300, 300, cv2.BORDER_REPLICATE) for face in faces])
    for other in (large, strip):
        both = (found(faces)[:, 0] > 0) & (other[:, 0] > 0)
        assert np.median(np.abs((other - found(faces))[both])) < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (1, 100_000), (3000, 4), (90, 90)])
def test_a_picture_without_a_face_has_none(shape: tuple[int, int]) -> None:
    assert not face_framing(np.full(shape, 90, np.uint8)).any()


def test_an_audit_names_framing_that_gives_the_label_away(tmp_path: Path) -> None:
    sample = render_sample(tmp_path, images=80)
    for path, label in zip(sample.paths, sample.frame["label"], strict=True):
        if label == "fake":  # framed wider, to the same size: what a generator's alignment does
            image = read_image(path)
            side = image.shape[0]
            wide = cv2.copyMakeBorder(image, *([side // 4] * 4), cv2.BORDER_REFLECT_101)
            cv2.imwrite(str(path), cv2.resize(wide, (side, side), interpolation=cv2.INTER_AREA)[:, :, ::-1])
    report = audit(Dataset.open(tmp_path))
    assert report.exit_code == 3
    assert any("framing of the face" in finding.sentence for finding in report.findings)
