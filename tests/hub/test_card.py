"""The model card: valid for the Hub, complete, and honest about what was not measured."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from detector_folders import WEIGHTS, make_folder
from hub_server import Hub

from fakeimg.errors import ModelError
from fakeimg.hub.card import check_metadata, has_metadata, render_card
from fakeimg.hub.evidence import own_evaluation, record_evidence
from fakeimg.hub.publish import push
from fakeimg.models.artifact import DataRecord, DetectorSpec, read_spec, verify
from fakeimg.scoring.metrics import evaluate_scores
from fakeimg.scoring.operating_point import choose_operating_point

SECTIONS = (
    "How to use it",
    "When it says what",
    "How right it is",
    "By source",
    "By attribute",
    "What a shortcut would score",
    "Under stress",
    "What it was trained on",
    "What it is for, and what not",
    "Licence",
    "Citation",
)


def scores(seed: int, n: int = 400) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return labels, 1 / (1 + np.exp(-rng.normal(4 * labels - 2, 1.5)))


def write_evaluation(folder: Path, sha256: str) -> Path:
    """What `fakeimg evaluate` writes, for scores drawn at random."""
    labels, probability = scores(1)
    frame = pd.DataFrame({"label": np.where(labels == 1, "fake", "real"), "probability_fake": probability})
    frame["source"] = np.where(labels == 1, "generator_a", "camera_b")
    frame["gender"] = np.where(np.arange(len(frame)) % 2, "woman", "man")
    frame["path"] = [f"{i}.png" for i in range(len(frame))]
    point = choose_operating_point(*scores(2))
    metrics = evaluate_scores(labels, probability, point=point, sources=frame["source"].to_numpy(object))
    metrics |= {"model": {"name": "x", "sha256": sha256}, "data": {"fingerprint": "f" * 64}}
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    frame.to_parquet(folder / "predictions.parquet")
    return folder


def documented(folder: Path) -> Path:
    return make_folder(
        folder,
        operating_point=choose_operating_point(*scores(2)).to_json(),
        data=DataRecord(fingerprint="a" * 64, images={"train": {"real": 300, "fake": 310}}, sources={"camera_b": 300}),
        licence="Apache-2.0",
        experiment={"seed": 7, "trainable": "head", "train": {"optimizer": "adam", "learning_rate": 0.001}},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return documented(tmp_path / "model")


@pytest.fixture(scope="module")
def measured_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector with everything measured that a card tells of."""
    folder = documented(tmp_path_factory.mktemp("measured"))
    sha256 = read_spec(folder).files[WEIGHTS].sha256
    audit = {"sentence": "A thumbnail tells the label.", "findings": [LEAK], "shortcuts": [SHORTCUT], "images": 610}
    audit |= {"data": {"fingerprint": "a" * 64}, "duplicates": [{"images": ["private.png"]}]}
    stress = {"rows": [{"perturbation": "jpeg", "strength": 30, "n": 400, "accuracy": 0.5, "low": 0.4, "high": 0.6}]}
    evaluation = write_evaluation(folder / "test", sha256)
    record_evidence(folder, evaluation=evaluation, audit=audit, stress=stress)
    return folder


@pytest.fixture
def measured(measured_folder: Path) -> DetectorSpec:
    return read_spec(measured_folder)


SHORTCUT = {"shortcut": "thumbnail", "auc": 0.99, "auc_low": 0.98, "auc_high": 0.995, "n": 610}
LEAK = {"kind": "leak", "severity": "finding", "sentence": "A person is on both sides of the split."}
INTERVAL = {"value": 0.99, "low": 0.98, "high": 0.995, "n": 400}


def test_every_section_is_there_whether_measured_or_not(measured: DetectorSpec, tmp_path: Path) -> None:
    bare = read_spec(make_folder(tmp_path / "bare"))
    for card in (render_card(measured, "ann/faces"), render_card(bare, "ann/faces")):
        assert [line.lstrip("# ") for line in card.splitlines() if line.startswith("##")] == list(SECTIONS)


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    card = render_card(read_spec(make_folder(tmp_path / "bare")), "ann/faces")
    assert card.count("Not measured.") == 6
    assert "model-index" not in card
    assert "Not stated: ask the author" in card


def test_nothing_is_said_to_be_missing_when_all_was_measured(measured: DetectorSpec) -> None:
    assert "Not measured" not in render_card(measured, "ann/faces")


def test_the_results_survive_the_hubs_own_reader(measured: DetectorSpec) -> None:
    from huggingface_hub import ModelCard

    card = render_card(measured, "ann/faces")
    data = ModelCard(card).data
    results = {result.metric_type: result for result in data.eval_results or []}
    assert set(results) == {"accuracy", "roc_auc", "precision", "recall", "f1"}
    accuracy = measured.metrics["accuracy"]
    assert results["accuracy"].metric_value == pytest.approx(accuracy["value"], abs=1e-4)
    assert f"{accuracy['low']:.3f} to {accuracy['high']:.3f}" in (results["accuracy"].metric_name or "")
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "keras", "image-classification")


def test_every_number_has_its_interval(measured: DetectorSpec) -> None:
    card = render_card(measured, "ann/faces")
    lines = [line for line in card.splitlines() if line.startswith("|")]
    numbers = [cell for line in lines for cell in line.split("|") if re.match(r" \d+\.\d", cell)]
    assert len(numbers) > 15
    assert all(re.fullmatch(r" \S+( %)? \(\S+ to \S+\) ", cell) for cell in numbers)


def test_the_operating_point_in_words(measured: DetectorSpec) -> None:
    point = measured.decision
    card = render_card(measured, "ann/faces")
    assert f"It says **fake** from a probability of {point.threshold_fake:.3f} on" in card
    assert "at most 5 % of photographs are called fake" in card
    assert 'Where one picture in 100 is fake, its "fake" is right in' in card


def test_the_audit_is_told_but_not_image_by_image(measured: DetectorSpec) -> None:
    card = render_card(measured, "ann/faces")
    assert "A thumbnail tells the label.\n\n- A person is on both sides of the split.\n\n|" in card
    assert "| thumbnail | 0.990 (0.980 to 0.995) |" in card
    assert "Looked for in 610 images, the very ones it was trained" in card
    assert "duplicates" not in measured.audit


@pytest.mark.parametrize(
    ("licence", "expected"),
    [("MIT", "license: mit"), ("My own terms!", "license: other"), ("not stated", "license: unknown")],
)
def test_any_licence_gives_valid_metadata(tmp_path: Path, licence: str, expected: str) -> None:
    card = render_card(read_spec(make_folder(tmp_path / "model", licence=licence)), "ann/faces")
    assert expected in card.splitlines()
    check_metadata(card)


@pytest.mark.parametrize("text", ["", "# A title\n", "--- not yaml", "---\nno end\n"])
def test_a_card_without_metadata_is_recognised(text: str) -> None:
    assert not has_metadata(text)


def test_the_text_of_others_cannot_break_a_table(folder: Path) -> None:
    metrics = {"n": 1, "by_source": {"a|b\nc": {"n": 1, "label": "real", "accuracy": INTERVAL}}}
    card = render_card(read_spec(folder).model_copy(update={"metrics": metrics}), "ann/faces")
    assert "| a\\|b c | real | 1 | 99.0 % (98.0 to 99.5) |" in card


def test_what_is_recorded_leaves_the_detector_sound(
    measured: DetectorSpec, measured_folder: Path, tmp_path: Path
) -> None:
    verify(measured_folder, measured)
    assert {row["value"] for row in measured.metrics["by_attribute"]} == {"man", "woman"}
    copy = Path(shutil.copytree(measured_folder, tmp_path / "copy"))
    again = record_evidence(copy, audit={"sentence": "new"})
    assert again.metrics == measured.metrics
    assert again.audit == {"sentence": "new"}


def test_results_of_another_detector_are_refused(folder: Path, tmp_path: Path) -> None:
    evaluation = write_evaluation(tmp_path / "other", "0" * 64)
    with pytest.raises(ModelError, match="is about another model's weights"):
        record_evidence(folder, evaluation=evaluation)
    with pytest.raises(ModelError, match=r"there is no .*metrics\.json"):
        record_evidence(folder, evaluation=tmp_path / "nowhere")


def test_a_push_finds_the_evaluation_of_this_very_detector(hub: Hub, folder: Path) -> None:
    write_evaluation(folder / "old", "0" * 64)
    assert own_evaluation(folder) is None
    evaluation = write_evaluation(folder / "test", read_spec(folder).files[WEIGHTS].sha256)
    assert own_evaluation(folder) == evaluation
    commit = push(folder, "ann/faces").commit
    files = hub.repos["ann/faces"].commits[commit].files
    assert b"model-index" in files["README.md"].content
    assert b"generator_a" in files["README.md"].content
    assert set(files) == {WEIGHTS, "config.json", "metadata.json", "fakeimg.json", "README.md", ".gitattributes"}
