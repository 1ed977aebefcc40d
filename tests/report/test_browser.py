"""The report as a reader meets it: opened from disk in Chromium, and walked through with the keyboard."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_up import gallery, photographs, record, report
from PIL import Image

from clastbench.report.gallery import write_gallery
from clastbench.report.site import write_report

pytestmark = pytest.mark.e2e

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
HOSTILE = "<img src=x onerror=alert(1)>../../\"'"


@pytest.fixture(scope="module")
def browser():
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        said = f"no browser: none of {', '.join(NAMES)} is installed"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A report in which one photograph and one system have names that try to be markup."""
    photos = tuple(replace(photo, id=HOSTILE if at == 5 else photo.id) for at, photo in enumerate(photographs()))
    folder = tmp_path_factory.mktemp("site")
    write_report(folder, *report(("net", HOSTILE), photos), pixels=True, rights=None)
    return folder


class Visit:
    """A page, and whatever went wrong on it."""

    def __init__(self, browser, path, **said) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **said)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"failed: {request.url}"))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._asked)
        self.page.goto(path.as_uri())

    def _asked(self, request) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.wrong.append(f"asked: {request.url}")

    def __enter__(self):
        return self.page, self.wrong

    def __exit__(self, *_):
        self.context.close()


def the(site, pattern):
    (path,) = site.glob(pattern)
    return path


def test_a_reader_walks_from_the_leaderboard_to_the_failures_with_the_keyboard(browser, site):
    with Visit(browser, site / "index.html") as (page, wrong):
        page.get_by_role("link", name="whole-image + net").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/systems/*")
        assert page.get_by_role("heading", level=1).inner_text() == "whole-image + net"
        page.get_by_role("link", name="Failures of this system").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/galleries/*")
        assert page.locator("article.exhibit:visible").count() == page.locator("article.exhibit").count() > 2
        assert wrong == []


def test_keys_move_through_the_failures_and_back_to_the_grid(browser, site):
    with Visit(browser, the(site, "galleries/*net-*.html")) as (page, wrong):
        ids = page.locator("article.exhibit").evaluate_all("all => all.map(one => one.id)")

        def moved_to(wanted: str) -> None:
            page.locator(f'html[data-view=single] article.current[id="{wanted}"]').wait_for()
            (one,) = page.locator("article.exhibit:visible").evaluate_all("all => all.map(one => one.id)")
            assert page.evaluate("location.hash") == f"#{one}" == f"#{wanted}"
            assert page.evaluate("document.activeElement.id") == wanted

        for key, place in (("j", 0), ("n", 1), ("ArrowRight", 2), ("k", 1), ("ArrowLeft", 0), ("k", 0)):
            page.keyboard.press(key)
            moved_to(ids[place])
        page.keyboard.press("Escape")
        page.locator("html[data-view=grid]").wait_for()
        assert page.locator("article.exhibit:visible").count() == len(ids)
        page.keyboard.press("Enter")
        moved_to(ids[0])
        page.go_back()
        page.locator("html[data-view=grid]").wait_for()
        assert wrong == []


def test_an_address_with_a_place_opens_that_failure(browser, site):
    path = the(site, "galleries/*net-*.html")
    with Visit(browser, path) as (page, wrong):
        last = page.locator("article.exhibit").last.get_attribute("id")
        page.goto(f"{path.as_uri()}#{last}")
        page.locator("html[data-view=single]").wait_for()
        assert page.locator("article.exhibit:visible").get_attribute("id") == last
        assert page.get_by_role("button", name="Next").is_disabled()
        assert wrong == []


def test_heat_and_outlines_are_shown_and_hidden_by_key_and_button(browser, site):
    with Visit(browser, the(site, "galleries/*net-*.html")) as (page, wrong):
        page.keyboard.press("j")
        page.locator("html[data-view=single]").wait_for()
        for key, what, button in (("h", "heat", "Heat"), ("c", "contours", "Outlines")):
            drawn = f"getComputedStyle(document.querySelector('.current .{what}')).display !== 'none'"
            pressed = page.get_by_role("button", name=button)
            assert page.evaluate(drawn)
            page.keyboard.press(key)
            assert not page.evaluate(drawn)
            assert pressed.get_attribute("aria-pressed") == "false"
            pressed.click()
            assert page.evaluate(drawn)
            assert pressed.get_attribute("aria-pressed") == "true"
        assert wrong == []


def test_hostile_names_are_read_as_they_are(browser, site):
    for path in sorted(site.rglob("*.html")):
        with Visit(browser, path) as (page, wrong):
            assert page.locator("img").count() == page.locator(".curve img").count()
            assert wrong == []
    with Visit(browser, site / "index.html") as (page, _):
        assert HOSTILE in page.locator("body").inner_text()


def test_every_picture_is_drawn(browser, site):
    with Visit(browser, the(site, "galleries/*net-*.html")) as (page, wrong):
        sizes = page.evaluate("""Promise.all([...new Set([...document.querySelectorAll('image')].map(one =>
            new URL(one.getAttribute('href'), location.href).href))].map(address => new Promise(done => {
                const image = new Image();
                image.onload = () => done(image.naturalWidth);
                image.onerror = () => done(0);
                image.src = address;
            })))""")
        assert sizes
        assert min(sizes) > 0
        assert wrong == []


def test_without_scripts_every_failure_stands_on_the_page(browser, site):
    with Visit(browser, the(site, "galleries/*net-*.html"), java_script_enabled=False) as (page, _):
        assert page.locator("article.exhibit dl").count() == page.locator("article.exhibit").count()
        assert page.locator("article.exhibit dl").last.is_visible()
        assert page.locator(".controls").is_hidden()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(browser, site, width):
    for path in sorted(site.rglob("*.html")):
        with Visit(browser, path) as (page, _):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize(("row", "column"), [(0, 6), (2, 1), (4, 4)])
def test_heat_is_drawn_in_the_middle_of_its_cell(browser, tmp_path, row, column):
    """One hot cell of a map that reaches above and below the photograph, found again by its colour."""
    values = np.full((7, 7), -1.0, np.float32)
    values[row + 1, column] = 1.0
    shown = gallery([record("net", photographs())], photographs())
    first = shown.exhibits[0]
    side = 192.0
    hot = replace(first.explanations[0], map=values, extent_xyxy=(0.0, -32.0, side, side - 32.0))
    path = write_gallery(replace(shown, exhibits=(replace(first, explanations=(hot,)),)), tmp_path, pixels=True)
    with Visit(browser, path) as (page, wrong):
        page.keyboard.press("j")
        page.keyboard.press("c")
        seen = page.locator(".current .heated svg").screenshot()
        assert wrong == []
    picture = np.asarray(Image.open(io.BytesIO(seen)).convert("RGB")).astype(float)
    weight = np.clip(np.ptp(picture, axis=2) - 12, 0, None)
    rows, columns = np.indices(weight.shape)
    scale = picture.shape[1] / side
    found = np.asarray([(weight * (columns + 0.5)).sum(), (weight * (rows + 0.5)).sum()]) / weight.sum() / scale
    cell = side / 7
    wanted = np.asarray([(column + 0.5) * cell, (row + 1.5) * cell - 32.0])
    assert np.abs(found - wanted).max() < (0.35 if column in (0, 6) else 0.12) * cell
