"""The audit: planted faults are found and named, and data without faults passes."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.data.sample import render_sample
from fakeimg.errors import ConfigError, DatasetError
from fakeimg.evaluation.audit import Audit, audit
from fakeimg.evaluation.findings import Thresholds
from fakeimg.evaluation.shortcuts import find_shortcuts

Image = NDArray[np.uint8]


def make(folder: Path, n: int = 40, change: Callable[[Image, bool], Image] = lambda image, fake: image) -> Path:
    """`n` images of both classes, the same but for `change`."""
    rng = np.random.default_rng(0)
    for i in range(n):
        fake = i % 2 == 1
        coarse = rng.integers(20, 235, (7, 7, 3)).astype(np.uint8)
        image = change(np.asarray(cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC), np.uint8), fake)
        place = folder / ("fake" if fake else "real") / f"{i:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return folder


def kinds(found: Audit, severity: str = "finding") -> list[str]:
    return [finding.kind for finding in found.findings if finding.severity == severity]


def test_data_without_faults_passes(tmp_path: Path) -> None:
    found = audit(make(tmp_path))
    assert found.exit_code == 0
    assert kinds(found) == []
    assert found.sentence.startswith("No shortcut was found")


def test_a_thumbnail_that_gives_the_label_away_is_named(tmp_path: Path) -> None:
    def darker_corner(image: Image, fake: bool) -> Image:
        image[:16, :16] //= 4 if fake else 1
        return image

    found = audit(make(tmp_path, change=darker_corner))
    assert found.exit_code == 3
    assert found.strongest is not None
    assert found.strongest["shortcut"] == "8×8 thumbnail"
    assert found.sentence.startswith("An 8×8-pixel thumbnail alone predicts the label")


def test_a_format_that_gives_the_label_away_is_named(tmp_path: Path) -> None:
    for path in sorted((make(tmp_path) / "fake").iterdir()):
        path.with_suffix(".jpg").write_bytes(cv2.imencode(".jpg", cv2.imread(str(path)))[1].tobytes())
        path.unlink()
    found = audit(tmp_path)
    row = found.shortcuts.set_index("shortcut").loc["container"]
    assert row["auc"] == 1
    assert row["auc_low"] < 1
    assert any(finding.sentence.startswith("The file format alone") for finding in found.findings)


def test_a_candidate_that_is_the_same_everywhere_predicts_nothing(tmp_path: Path) -> None:
    row = audit(make(tmp_path)).shortcuts.set_index("shortcut").loc["EXIF"]
    assert row["constant"]
    assert row["auc"] == 0.5


def test_the_spectrum_alone_is_a_note_unless_it_is_asked_to_be_a_finding(tmp_path: Path) -> None:
    def grid(image: Image, fake: bool) -> Image:
        image = image // 2 + 60
        image[::2] += np.uint8(6 * fake)
        return image

    data = make(tmp_path, change=grid)
    assert "spectrum" in kinds(audit(data), "note")
    assert "spectrum" in kinds(audit(data, thresholds=Thresholds(spectrum=0.7)))


def test_thresholds_decide_what_is_a_finding(tmp_path: Path) -> None:
    def tint(image: Image, fake: bool) -> Image:
        return cv2.convertScaleAbs(image, alpha=1.0, beta=30.0 if fake else 0.0)

    data = make(tmp_path, change=tint)
    assert "shortcut" in kinds(audit(data))
    assert kinds(audit(data, thresholds=Thresholds(shortcut=1.0))) == []
    with pytest.raises(ConfigError, match="'shortcut' lies between 0 and 1, got 7"):
        Thresholds(shortcut=7)


def split_manifest(folder: Path, **columns: object) -> Dataset:
    data = Dataset.open(folder)
    halves = np.where(np.arange(len(data)) % 4 < 2, "train", "test")
    return data.assign(**{"split": halves, **columns})


def test_a_picture_on_two_sides_of_the_split_is_a_leak(tmp_path: Path) -> None:
    data = split_manifest(make(tmp_path, n=400))
    assert kinds(audit(data)) == []
    parts = data.frame.groupby("split")["path"].first()
    (data.root / parts["test"]).write_bytes((data.root / parts["train"]).read_bytes())
    found = audit(data)
    assert kinds(found) == ["leak"]
    assert parts["test"] in found.findings[0].sentence
    assert kinds(found, "note") == ["duplicates"]  # one copy of 400 is too few to fail for, were it not for the split


def test_one_picture_with_two_labels_is_found(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "fake" / "copy.png").write_bytes((tmp_path / "real" / "000.png").read_bytes())
    assert any("with two labels" in finding.sentence for finding in audit(tmp_path).findings)


def test_a_group_on_two_sides_of_the_split_is_a_leak(tmp_path: Path) -> None:
    groups = [f"person {i // 4}" for i in range(40)]
    found = audit(split_manifest(make(tmp_path), group=groups))
    assert kinds(found) == ["leak"]
    assert "10 groups" in found.findings[0].sentence


def test_unreadable_files_are_listed_and_change_the_exit_code(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "real" / "broken.png").write_bytes(b"not a picture")
    found = audit(tmp_path)
    assert found.exit_code == 4
    assert list(found.unreadable) == ["real/broken.png"]
    assert kinds(found, "note") == ["unreadable"]


def test_too_few_images_is_said_and_not_guessed(tmp_path: Path) -> None:
    found = audit(make(tmp_path, n=12))
    assert found.shortcuts.empty
    assert found.exit_code == 0
    assert "too few" in kinds(found, "note")
    assert "too few images" in found.sentence


def test_one_class_alone_can_be_audited(tmp_path: Path) -> None:
    data = Dataset.open(make(tmp_path))
    found = audit(data.take(data.labels == 0))
    assert "fake has fewer" in found.findings[0].sentence


def test_pure_sources_that_a_thumbnail_tells_apart_are_confounding(tmp_path: Path) -> None:
    def darker(image: Image, fake: bool) -> Image:
        return image // (2 if fake else 1)

    data = Dataset.open(make(tmp_path, change=darker))
    named = data.assign(source=data.frame["label"].map({"real": "camera", "fake": "generator"}))
    found = audit(named)
    assert "confounding" in kinds(found)
    assert found.confounding is not None
    assert found.confounding.cramers_v == pytest.approx(1, abs=0.1)
    mixed = data.assign(source=np.where(np.arange(len(data)) % 3 == 0, "a", "b"))
    assert "confounding" not in kinds(audit(mixed))


def test_only_a_sample_is_measured_but_copies_are_looked_for_everywhere(tmp_path: Path) -> None:
    make(tmp_path, n=60)
    last = sorted((tmp_path / "fake").iterdir())[-1]
    (tmp_path / "fake" / "copy.png").write_bytes(last.read_bytes())
    found = audit(tmp_path, max_images=30)
    assert found.sampled == 30
    assert len(found.duplicates) == 2
    shares = [(found.data.labels == k).mean() for k in (0, 1)]
    assert found.shortcuts["n"].iloc[0] == 30
    assert shares[0] == pytest.approx(0.5, abs=0.02)


def test_copies_are_kept_in_one_fold() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60).astype(bool)
    values = rng.standard_normal((60, 40)).astype(np.float32)
    memorised = {"8×8 thumbnail": np.repeat(values, 5, axis=0)}  # nothing but each image's own noise, five times
    fake, groups = np.repeat(labels, 5), np.repeat(np.arange(60).astype(str), 5)
    alone = find_shortcuts(memorised, fake)
    together = find_shortcuts(memorised, fake, groups)
    assert alone["auc"].iloc[0] > 0.9
    assert together["auc_low"].iloc[0] < 0.6


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    found = audit(make(tmp_path / "data"))
    found.write(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert written["sentence"] == found.sentence
    assert written["exit_code"] == 0
    assert len(pd.read_csv(tmp_path / "out" / "shortcuts.csv")) == len(written["shortcuts"]) == 9
    assert found.sentence in found._repr_html_()


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing-here"):
        audit(tmp_path / "nothing-here")
    with pytest.raises(ConfigError, match="got 0"):
        audit(make(tmp_path), max_images=0)


def test_the_rendered_sample_passes(tmp_path: Path) -> None:
    found = audit(render_sample(tmp_path / "sample", images=60))
    assert found.exit_code == 0
    assert found.duplicates.empty


def test_the_published_five_conv_set_is_given_away_by_a_thumbnail(shared_data: Path) -> None:
    data = Dataset.open(shared_data / "faces" / "manifest.csv", sources=["deforgify_real", "deforgify_fake"])
    found = audit(data, max_images=400)
    assert found.exit_code == 3
    assert found.strongest is not None
    assert found.strongest["shortcut"] == "8×8 thumbnail"
    assert found.strongest["auc"] > 0.99
