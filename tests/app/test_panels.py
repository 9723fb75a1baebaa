"""Facts about the pieces of the page: what visitors name is shown as text, and every picture says what it is."""

import re
from pathlib import Path

import numpy as np
import pytest

from fakeimg.app.about import card
from fakeimg.app.check_many import as_csv
from fakeimg.app.panels import WORDS, heat_panel, picture, scale, verdict_panel
from fakeimg.models.decision import VERDICTS
from fakeimg.visual.gradcam import Heatmap

RECORD = {
    "path": "face.jpg", "status": "ok", "verdict": "fake", "probability_fake": 0.93, "threshold_fake": 0.8,
    "threshold_real": 0.2, "model": "bundled", "model_sha256": "0" * 64, "reason": None,
}  # fmt: skip
HOSTILE = "<script>alert(1)</script>\"' onerror=alert(1) x="


def test_every_verdict_has_its_words() -> None:
    assert set(WORDS) == set(VERDICTS)


@pytest.mark.parametrize("score", [0.0, 0.2, 0.5, 1.0])
def test_the_scale_says_in_words_what_it_draws(score: float) -> None:
    drawn = scale(RECORD | {"probability_fake": score})
    assert f"Probability of being generated {score:.3f}" in drawn
    assert f'class="fi-mark" style="left:{100 * score:.2f}%"' in drawn
    assert "--low:20.00%;--high:80.00%" in drawn


def test_a_threshold_that_is_never_reached_is_not_drawn() -> None:
    never = scale(RECORD | {"threshold_fake": float(np.nextafter(1, 2))})
    assert "generated from" not in never
    assert "photograph below 0.20" in never


def test_what_comes_from_outside_is_text() -> None:
    shown = verdict_panel(RECORD | {"status": "error", "verdict": None, "probability_fake": None, "reason": HOSTILE})
    assert "<script" not in shown
    image = picture(np.zeros((4, 4, 3), np.uint8), HOSTILE)
    assert "<script" not in image
    assert len(re.findall(r'\salt="[^"]*"', image)) == 1


def test_a_heatmap_has_a_slider_with_a_name_and_two_described_pictures() -> None:
    photo = np.zeros((8, 6, 3), np.uint8)
    panel = heat_panel(photo, Heatmap(np.zeros((2, 2), np.float32), photo, "fake", -3.0), "face.jpg")
    assert 'aria-label="Opacity of the heatmap"' in panel
    assert "No positive evidence for &#x27;fake&#x27;." in panel
    assert panel.count("<img") == panel.count("alt=") == 2


def test_cells_that_a_spreadsheet_would_run_are_text() -> None:
    text = as_csv([RECORD | {"path": "=HYPERLINK(1)"}, RECORD | {"path": "-1.jpg"}])
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == ["'=HYPERLINK(1)", "'-1.jpg"]
    assert text.splitlines()[1].split(",")[3] == "0.93"


def test_the_card_on_the_page_tells_limits_and_no_folders(model_folder: Path) -> None:
    from fakeimg import Detector

    text = card(Detector.open(model_folder))
    assert "What it is for, and what not" in text
    assert "studio" in text
    assert str(model_folder) not in text
    assert "keras.saving.load_model" not in text
