"""The page in a real Chromium: every tab, wide and narrow, light and dark, by keyboard, and nothing sent outside."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
]
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))
"""axe-core is no Python package: `npm install axe-core`, or AXE_CORE names its file."""
SLOW = 90_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Chromium, which is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide and light", "phone and dark"])
def opened(request: pytest.FixtureRequest, browser: Any, demo: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The page, and every address that the browser asked for."""
    width, scheme = request.param
    # The page's own policy stays in force, so axe is added beneath it.
    context = browser.new_context(
        viewport={"width": width, "height": 860}, color_scheme=scheme, permissions=["camera"], bypass_csp=AXE.is_file()
    )
    context.set_default_timeout(SLOW)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda sent: asked.append(sent.url))
    tab.goto(f"{demo.address}/?__theme={scheme}")
    tab.locator("#fi-verdict .fi-words").wait_for()  # the page is laid out, and its tabs are where they stay
    yield SimpleNamespace(tab=tab, asked=asked, width=width)
    outside = {url for url in asked if not url.startswith((demo.address, "data:", "blob:"))}
    context.close()
    assert not outside


def go_to(opened: SimpleNamespace, name: str) -> None:
    """Open one of the tabs; on a phone some are behind a menu."""
    tab = opened.tab.get_by_role("tab", name=name)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
    else:
        opened.tab.locator(".overflow-menu button").first.click()
        opened.tab.locator(".overflow-dropdown button", has_text=name).click()


def check(opened: SimpleNamespace, demo: SimpleNamespace) -> None:
    """Put a face into the first tab and wait for all that is said of it."""
    face = sorted((demo.faces / "fake").iterdir())[1]
    opened.tab.locator("#fi-picture input[type=file]").first.set_input_files(face)
    opened.tab.locator("#fi-verdict .fi-scale").wait_for()
    opened.tab.locator(".fi-heat img").first.wait_for()


def violations(opened: SimpleNamespace) -> list[str]:
    """What axe-core calls serious or critical; nothing where it is not installed."""
    if not AXE.is_file():
        return []
    script = f"{AXE.read_text('utf-8')}; axe.run(document, {{resultTypes: ['violations']}})"
    found = opened.tab.evaluate(script)["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def fits(opened: SimpleNamespace) -> bool:
    """Whether nothing sticks out to the right."""
    return bool(opened.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_verdict_comes_in_words_with_its_scale_and_its_worth(opened, demo) -> None:
    check(opened, demo)
    words = opened.tab.locator("#fi-verdict .fi-words").inner_text()
    assert words in ("Looks generated", "Looks like a photograph", "Can’t tell")
    described = opened.tab.get_by_role("img", name="Probability of being generated").get_attribute("aria-label")
    assert "Below 0.400 it looks like a photograph, from 0.600 on it looks generated" in described
    facts = opened.tab.locator(".fi-fact").all_inner_texts()
    assert any("When sent on" in fact for fact in facts)
    assert any("Right in 90 % (80 % to 95 %) of 200 labelled pictures" in fact for fact in facts)
    assert fits(opened)
    assert violations(opened) == []


def test_the_sliders_answer_to_the_keyboard(opened, demo) -> None:
    check(opened, demo)
    heat = opened.tab.get_by_label("Opacity of the heatmap")
    heat.focus()
    opened.tab.keyboard.press("Home")
    assert opened.tab.evaluate("getComputedStyle(document.querySelector('.fi-over')).opacity") == "0"
    opened.tab.keyboard.press("End")
    assert opened.tab.evaluate("getComputedStyle(document.querySelector('.fi-over')).opacity") == "1"
    if opened.tab.locator("#fi-worth").is_visible():
        prevalence = opened.tab.locator("#fi-prevalence input[type=range]")
        prevalence.focus()
        opened.tab.keyboard.press("Home")
        opened.tab.locator(".fi-sense", has_text="Where 1 in 100 pictures are generated").first.wait_for()


def test_an_example_is_one_click_away(opened, demo) -> None:
    opened.tab.get_by_role("button", name="Example 2").click()
    opened.tab.locator("#fi-verdict .fi-scale").wait_for()


def test_a_removed_picture_takes_its_verdict_along(opened, demo) -> None:
    check(opened, demo)
    for _ in range(2):
        opened.tab.locator("#fi-picture").get_by_role("button", name="Remove Image").click()
        opened.tab.locator("#fi-verdict", has_text="Photograph, or generated?").wait_for()
        assert opened.tab.locator(".fi-fact").count() == opened.tab.locator(".fi-heat").count() == 0
        opened.tab.get_by_role("button", name="Example 2").click()
        opened.tab.locator("#fi-verdict .fi-scale").wait_for()
        opened.tab.locator(".fi-heat img").first.wait_for()


def test_what_is_no_picture_is_told_in_words(opened, demo, tmp_path) -> None:
    (tmp_path / "face.jpg").write_bytes(b"This is not a photograph.")
    opened.tab.locator("#fi-picture input[type=file]").first.set_input_files(tmp_path / "face.jpg")
    opened.tab.locator("#fi-verdict .fi-none", has_text="Cannot be read").wait_for()
    assert str(demo.folder) not in opened.tab.content().replace(f"file={demo.folder}", "")


def test_many_pictures_become_a_table_and_a_csv(opened, demo, tmp_path) -> None:
    (tmp_path / "<b>broken.jpg").write_bytes(b"nothing")
    go_to(opened, "Check many")
    faces = [*sorted((demo.faces / "real").iterdir())[:2], tmp_path / "<b>broken.jpg"]
    opened.tab.locator("#fi-files input[type=file]").first.set_input_files(faces)
    opened.tab.locator(".fi-counts").wait_for()
    assert "1 could not be read" in opened.tab.locator(".fi-bad").inner_text()
    opened.tab.locator("#fi-table img:visible").nth(2).wait_for()
    with opened.tab.expect_download() as waiting:
        opened.tab.get_by_role("button", name="Download as CSV").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert lines[0].startswith("path,status,verdict,probability_fake")
    assert len(lines) == 4
    assert violations(opened) == []
    opened.tab.get_by_text("Probability of fake").first.click()


def test_the_network_can_be_looked_into(opened, demo) -> None:
    check(opened, demo)
    opened.tab.get_by_role("button", name="Look inside this picture").click()
    opened.tab.get_by_alt_text("Feature maps of").wait_for()
    opened.tab.get_by_alt_text("The map of faces").wait_for()
    assert opened.tab.locator(".fi-trio img").count() == 3
    assert fits(opened)
    assert violations(opened) == []


def test_the_other_tabs_are_readable(opened, demo) -> None:
    go_to(opened, "Make a fake")
    assert opened.tab.get_by_label("Your OpenAI key").get_attribute("type") == "password"
    assert violations(opened) == []
    go_to(opened, "About")
    opened.tab.get_by_role("heading", name="How right it is").wait_for()
    assert fits(opened)
    assert violations(opened) == []
