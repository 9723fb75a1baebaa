"""The pages people forward: what they must say, and that they load nothing, run nothing and fit a telephone."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakeimg.data.dataset import Dataset
from fakeimg.evaluation.audit import Audit, audit
from fakeimg.evaluation.breakdown import breakdown
from fakeimg.evaluation.evaluate import Evaluation
from fakeimg.evaluation.stress import APPLIED_TO, StressResult
from fakeimg.models.decision import OperatingPoint, verdict
from fakeimg.scoring.metrics import evaluate_scores, image_loss
from fakeimg.visual.audit_page import write_audit
from fakeimg.visual.report import write_report

IMAGES = 60
POINT = OperatingPoint(threshold_fake=0.7, threshold_real=0.4, chosen_on="validation")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Fakes have a dark upper half; one source is called what an attacker would call it."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(IMAGES):
        fake = i % 2
        coarse = rng.integers(60, 200, (6, 6, 3)).astype(np.uint8)
        coarse[:3] //= 1 + 2 * fake
        path = folder / ("real", "fake")[fake] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(path)
    opened = Dataset.open(folder)
    sources = np.where(np.arange(IMAGES) % 3 == 0, HOSTILE, "studio")
    return opened.assign(source=sources, glasses=np.where(np.arange(IMAGES) % 2 == 0, "yes", "no"))


def evaluation_of(data: Dataset, strength: float = 2.0) -> Evaluation:
    fake = data.labels > 0
    logits = np.random.default_rng(1).normal(np.where(fake, strength, -strength), 1.6)
    scores = 1 / (1 + np.exp(-logits))
    metrics = evaluate_scores(
        data.labels, scores, point=POINT, sources=data.frame["source"].to_numpy(object), resamples=100
    )
    metrics |= {"unreadable": 0, "model": {"name": "m", "sha256": "ab" * 32}, "data": {"fingerprint": "cd" * 32}}
    columns = {"probability_fake": scores, "status": "ok", "loss": image_loss(data.labels, scores)}
    return Evaluation(metrics, data.frame.assign(**columns, verdict=verdict(scores, POINT)), data.class_names)


def stress_of(fake: Any) -> StressResult:
    import pandas as pd

    rows = []
    for level, strength in (("none", 0.0), ("jpeg", 75.0), ("jpeg", 30.0)):
        for applied_to in APPLIED_TO if strength else ("both",):
            rates = {"accuracy": 0.8, "fpr": 0.3, "fnr": 0.1, "auc": 0.9}
            bounds = {
                f"{name}_{end}": value + step
                for name, value in rates.items()
                for end, step in (("low", -0.05), ("high", 0.05))
            }
            row = {"perturbation": level, "strength": strength, "applied_to": applied_to, "n": IMAGES}
            rows.append(row | rates | bounds)
    levels = (("none", 0.0), ("jpeg", 75.0), ("jpeg", 30.0))
    return StressResult(pd.DataFrame(rows), np.zeros((IMAGES, 3)), levels, fake, 0.5, {}, {})


@pytest.fixture(scope="module")
def evaluation(data: Dataset) -> Evaluation:
    return evaluation_of(data)


@pytest.fixture(scope="module")
def audited(data: Dataset) -> Audit:
    return audit(data)


@pytest.fixture(scope="module")
def whole(data: Dataset, evaluation: Evaluation, audited: Audit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = breakdown(evaluation.predictions, "glasses")
    folder = tmp_path_factory.mktemp("report")
    stress = stress_of(data.labels > 0)
    return write_report(evaluation, folder, audit=audited, stress=stress, breakdowns=[table], images=data.root)


def test_the_page_loads_nothing_and_runs_nothing(whole: Path) -> None:
    text = whole.read_text("utf-8")
    assert "<script" not in text
    loaded = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert loaded
    assert all(target.startswith(("data:", "#")) for target in loaded)


def test_names_from_the_data_are_text_and_not_markup(whole: Path) -> None:
    text = whole.read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_headline_says_when_a_shortcut_does_as_well(whole: Path) -> None:
    headline = re.search(r'class="headline">([^<]*)', whole.read_text("utf-8"))
    assert headline is not None
    assert "alone does as well" in headline[1]
    assert "do not show that forgery is detected" in headline[1]


def test_every_number_comes_with_its_interval(whole: Path, evaluation: Evaluation) -> None:
    text = whole.read_text("utf-8")
    for name in ("accuracy", "precision", "recall"):
        rate = evaluation.metrics[name]
        assert f"<b>{100 * rate['value']:.1f}%</b>" in text
        assert f"{100 * rate['low']:.1f}% – {100 * rate['high']:.1f}%" in text


def test_a_count_of_the_matrix_leads_to_its_pictures(whole: Path, evaluation: Evaluation) -> None:
    text = whole.read_text("utf-8")
    links = set(re.findall(r'<a href="#([^"]*)"', text))
    assert links == {
        f"{truth}-called-{called}"
        for i, truth in enumerate(evaluation.class_names)
        for j, called in enumerate(evaluation.class_names)
        if evaluation.metrics["confusion"]["matrix"][i][j]
    }
    assert links <= set(re.findall(r'id="([^"]*)"', text))


def test_pictures_are_inside_only_when_they_are_asked_for(evaluation: Evaluation, tmp_path: Path, whole: Path) -> None:
    text = write_report(evaluation, tmp_path).read_text("utf-8")
    assert "data:image/jpeg" not in text
    assert "data:image/jpeg" in whole.read_text("utf-8")


def headline(evaluation: Evaluation, folder: Path, **extras: Any) -> str:
    found = re.search(r'class="headline">([^<]*)', write_report(evaluation, folder, **extras).read_text("utf-8"))
    assert found is not None
    return found[1]


def test_without_an_audit_the_headline_says_that_a_shortcut_is_unknown(evaluation: Evaluation, tmp_path: Path) -> None:
    assert "the data was not audited" in headline(evaluation, tmp_path)


def test_guessing_is_called_guessing(data: Dataset, tmp_path: Path) -> None:
    assert "cannot be told from guessing" in headline(evaluation_of(data, strength=0.0), tmp_path)


def test_a_clean_audit_is_good_news(evaluation: Evaluation, audited: Audit, tmp_path: Path) -> None:
    clean = replace(audited, findings=())
    assert "no shortcut in the data explains it" in headline(evaluation, tmp_path, audit=clean)


def test_one_class_alone_can_be_reported(data: Dataset, tmp_path: Path) -> None:
    reals = data.take(data.labels == 0)
    assert "says nothing of telling two apart" in headline(evaluation_of(reals), tmp_path, images=data.root)


def test_three_classes_can_be_reported(data: Dataset, tmp_path: Path) -> None:
    labels = np.arange(IMAGES) % 3
    scores = np.random.default_rng(0).dirichlet(np.ones(3), IMAGES)
    names = ("real", "edited", "fake")
    metrics = evaluate_scores(labels, scores, class_names=names, resamples=50)
    frame = data.frame.assign(
        label=np.array(names, object)[labels], probability_fake=1 - scores[:, 0], status="ok", loss=0.0
    )
    text = write_report(Evaluation(metrics, frame, names), tmp_path, images=data.root).read_text("utf-8")
    assert "called edited" in text


def test_the_audit_page_shows_the_copies_and_lists_the_unreadable(data: Dataset, tmp_path: Path) -> None:
    copied = Dataset(data.frame.copy(), data.root)
    (data.root / "real" / "copy.png").write_bytes((data.root / "real" / "0.png").read_bytes())
    (data.root / "real" / "broken.png").write_bytes(b"no picture")
    found = audit(Dataset.open(copied.root))
    text = write_audit(found, tmp_path).read_text("utf-8")
    assert "exact copies" in text
    assert "copy.png" in text
    assert "real/broken.png" in text
    assert found.sentence.split("(")[0] in text
    assert "<script" not in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_and_its_figures_can_be_read(
    browser: Any, whole: Path, width: int, scheme: str
) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(whole.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    # The letters of a figure are as light or dark as the page's own, or its quieter ones.
    inks = set(tab.evaluate("[...document.querySelectorAll('svg text')].map(one => getComputedStyle(one).fill)"))
    ink = tab.evaluate("getComputedStyle(document.body).color")
    muted = tab.evaluate("getComputedStyle(document.querySelector('footer')).color")
    assert inks <= {ink, muted}
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    tab.close()
