"""The interactive map: one file, no network, and it does what it says in a browser."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakeimg.data.dataset import Dataset
from fakeimg.visual.clusters import cluster_table
from fakeimg.visual.embedding import EmbeddingMap
from fakeimg.visual.map_page import map_page

HOSTILE = "</script><script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def page(sample: Dataset, small_detector: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up map of the rendered sample: faces on a circle, two clusters, one wrong call."""
    n = len(sample)
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    clusters = np.where(sample.labels == 1, 1, 0)
    clusters[:3] = -1
    wrong = np.arange(n) == 5
    frame = sample.frame[["path", "label", "source"]].assign(
        probability_fake=np.linspace(0, 1, n),
        verdict="fake",
        wrong=wrong,
        x=np.cos(angle),
        y=np.sin(angle),
        cluster=clusters,
    )
    frame["mood"] = np.where(np.arange(n) % 2, "calm", HOSTILE)
    faces = EmbeddingMap(
        frame=frame,
        clusters=cluster_table(clusters, sample.labels > 0, wrong, np.linspace(0, 1, n)),
        failed=pd.DataFrame(columns=["path", "reason"]),
        trustworthiness=0.9,
        seconds={},
        root=sample.root,
        class_names=sample.class_names,
        detector=small_detector,
        projection=None,  # type: ignore[arg-type]
        seed=0,
    )
    path = tmp_path_factory.mktemp("page") / "map.html"
    map_page(faces, path)
    return path


def test_the_page_holds_everything_and_asks_for_nothing(page: Path) -> None:
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", text)
    assert not re.findall(r"https?://", text)
    assert "default-src 'none'" in text
    content = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert content is not None
    data = json.loads(content[1])
    assert len(data["x"]) == len(data["path"]) == 48
    assert HOSTILE in next(one for one in data["attributes"] if one["name"] == "mood")["values"]


@pytest.mark.browser
def test_pointing_and_typing_show_faces(page: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        tab = browser.new_page(viewport={"width": 1100, "height": 700})
        problems: list[str] = []
        requests: list[str] = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(page.as_uri())
        assert tab.title() == "Map of faces"
        data = json.loads(tab.locator("#data").text_content() or "")

        box = tab.locator("canvas").bounding_box()
        assert box is not None
        x, y = tab.evaluate("place(7)")
        tab.mouse.move(box["x"] + x, box["y"] + y)
        assert tab.locator("#path").text_content() == data["path"][7]
        assert f"{data['score'][7]:.3f}" in (tab.locator("#facts").text_content() or "")
        assert "data:image/jpeg" in tab.locator("#face").evaluate("face => face.style.backgroundImage")

        tab.locator("canvas").focus()
        tab.keyboard.press("ArrowLeft")
        assert tab.locator("#path").text_content() != data["path"][7]

        tab.select_option("#colour", "mood")
        assert HOSTILE in (tab.locator("#legend").text_content() or "")
        tab.get_by_role("button", name="show only cluster 1").click()
        assert tab.evaluate("[...data.cluster.keys()].filter(visible).length") == data["cluster"].count(1)
        tab.locator("#wrong").check()
        tab.get_by_role("button", name="Whole map").click()
        assert tab.evaluate("[...data.wrong.keys()].filter(visible)") == [5]
        browser.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
