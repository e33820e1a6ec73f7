"""The pages in Chromium: from an empty service to a report by clicking, and what a browser can measure of them.

GAN_AUG_SCREENSHOTS names a folder for pictures of every page: wide and narrow, light and dark.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.service.chromium import Browser, chromium
from tests.support.service.live_service import LiveService

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SMALL = {
    "data-size": "16",
    "train-images": "9600",
    "classifier-steps": "20",
    "compare-seeds": "2",
    "data-limit": "30",
    "gan-width": "4",
    "train-batch": "32",
    "train-checkpoint_every": "960",
    "train-sample_every": "640",
    "synthesis-counts": "10",
    "classifier-epochs": "2",
    "compute-workers": "1",
}
"""A small run; the keys after the fourth stand in sections that have to be opened first."""

CONTRAST = """
const number = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => {
  const linear = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = number(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? [15, 19, 23] : [255, 255, 255];
};
const weak = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest(".skip, svg, :disabled, noscript")) continue;
  const [a, b] = [light(number(getComputedStyle(element).color)), light(ground(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) weak.push(`${element.tagName} ${element.className} ${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
}
return weak;
"""  # noqa: E501


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveService]:
    with LiveService(tmp_path, "--nice", "0", first="") as service:
        service.start()
        yield service


@pytest.fixture
def browser(live: LiveService, tmp_path: Path) -> Iterator[Browser]:
    with chromium(tmp_path, f"http://127.0.0.1:{live.port}") as opened:
        yield opened


def look(browser: Browser, name: str) -> None:
    """Measure the page wide and narrow, light and dark, and keep pictures where they are wanted."""
    for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
        browser.device(width, dark)
        if not dark:
            wide = browser.driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide on a screen of {width}"
        if width == 1280:
            assert browser.driver.execute_script(CONTRAST) == [], f"{name}, {'dark' if dark else 'light'}"
        if folder := os.environ.get("GAN_AUG_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            browser.look(Path(folder) / f"{name}-{width}-{'dark' if dark else 'light'}.png", width=width, dark=dark)
    browser.device(1280, dark=False)


def fill_in(browser: Browser, values: dict[str, str]) -> None:
    """Type the values into the form; sections that are closed are opened first."""
    for field, value in values.items():
        closed = "const part = document.getElementById(arguments[0]).closest('details'); return part && !part.open"
        if browser.driver.execute_script(closed, field):
            browser.follow(f"details:has(#{field}) > summary")
        browser.type(field, value)


def test_from_an_empty_service_to_a_report_by_clicking(live: LiveService, browser: Browser, tmp_path: Path) -> None:
    browser.open("/new?example=quickstart")
    look(browser, "sign-in")
    browser.type("key", "ganaug_wrong")
    browser.click("Sign in")
    browser.until("not known, expired or revoked")
    browser.type("key", live.key)
    browser.click("Sign in")
    browser.until("What to do")
    assert browser.find("#data-source").get_attribute("value") == "digits"
    browser.click("Home")
    browser.until("Nothing here yet")
    look(browser, "home-empty")
    assert [fault for fault in browser.faults() if "401" not in fault] == []  # the refused key's

    browser.click("Start with the quickstart")
    look(browser, "new")
    browser.type("data-size", "large")
    browser.click("Start the job")
    browser.until("There is one fault")
    look(browser, "new-fault")
    fill_in(browser, SMALL)
    browser.click("Start the job")
    browser.until("Submitted")
    path = browser.driver.current_url
    _watch(browser)
    assert browser.find("#state").text == "done"
    assert browser.driver.current_url == path
    look(browser, "job-done")
    assert [fault for fault in browser.faults() if "422" not in fault] == []  # the fault's

    report = browser.find('.products a[href^="/reports/"]').get_attribute("href")
    assert report
    assert live.call("GET", f"/v1/reports/{report.rpartition('/')[2]}").json()["schema"] == 1
    _browse(browser)
    _ask(browser, report, tmp_path)
    browser.click("Home")
    browser.until("Ended recently")
    look(browser, "home")
    browser.click("Keys")
    look(browser, "keys")
    browser.click("Sign out")
    browser.find("#key")
    browser.driver.get(path)
    assert browser.find("h1").text == "Sign in"


def _watch(browser: Browser) -> None:
    """Follow the job until it ends: its losses and samples come without the page being loaded anew."""
    browser.driver.execute_script("window.untouched = true")
    browser.find("#chart polyline")
    assert browser.driver.execute_script("return window.untouched") is True
    look(browser, "job-running")
    browser.find(".state.done")
    browser.find('a[href^="/reports/"]')
    assert browser.shows("#sample")


def _browse(browser: Browser) -> None:
    """From the job's page to all that it made: report, data set, model, and the synthetic set down to one image."""
    browser.follow('.products a[href^="/reports/"]')
    browser.find("iframe.report")
    browser.until("Open alone, to print")
    look(browser, "report")

    browser.follow('a[href^="/datasets/"]')
    browser.until("Contact sheets")
    assert browser.shows(".sheet img")
    look(browser, "dataset")

    browser.follow('main a[href^="/models/"]')
    browser.until("From one image to another")
    browser.type("sample-count", "12")
    browser.type("sample-truncation", "0.7")
    browser.click("Make images")
    browser.until("seed 0, truncation 0.7")
    assert browser.shows(".made img")
    browser.type("walk-frames", "9")
    browser.click("Show the walk")
    slider = browser.find("#walk-frame")
    slider.send_keys(browser.RIGHT, browser.RIGHT)
    assert slider.get_attribute("value") == "3"
    look(browser, "model")

    browser.follow('main a[href^="/synthetic/"]')
    browser.until("so it cannot be downloaded")
    browser.type("recipient", "the class of Jürgen Müller")
    browser.follow('form[action$="/release"] button')
    browser.until("Download PNG (zip)")
    assert "the class of Jürgen Müller" in browser.text()
    browser.follow('.choose a[href*="label=3"]')
    browser.until("1 to 10 of 10")
    assert len(browser.all(".gallery img")) == 10
    assert browser.shows(".gallery img")
    look(browser, "synthetic")
    browser.follow(".gallery a")
    assert browser.shows(".enlarged img")
    look(browser, "synthetic-image")
    permanent = browser.driver.current_url
    browser.find("body").send_keys(browser.RIGHT)
    browser.until("← Previous")
    assert browser.driver.current_url != permanent
    browser.click("All of label 3")
    browser.until("1 to 10 of 10")
    assert browser.faults() == []


def _ask(browser: Browser, report: str, folder: Path) -> None:
    """Ask a classifier about noise, which is unlike digits, and about what is no image."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(folder / "noise.png")
    (folder / "words.txt").write_text("no image")
    browser.driver.get(report)
    browser.click("Ask a classifier about an image")
    browser.find("#image").send_keys(f"{folder / 'words.txt'}\n{folder / 'noise.png'}")
    browser.until("Caution: this image is unlike the training images")
    assert "by the classifier trained on “real”" in browser.text()
    assert "the image cannot be read" in browser.text()
    look(browser, "predict")
    assert [fault for fault in browser.faults() if "422" not in fault] == []  # the text's


def class_folders(path: Path) -> Path:
    """A zip of two classes with 40 grey images each."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for label, level in (("normal", 80), ("pneumonia", 160)):
            for k in range(40):
                png = io.BytesIO()
                Image.fromarray(rng.normal(level, 25, (20, 20)).clip(0, 255).astype(np.uint8)).save(png, "PNG")
                archive.writestr(f"{label}/{k}.png", png.getvalue())
    return path


def test_own_images_are_sent_as_a_zip_and_imported(live: LiveService, browser: Browser, tmp_path: Path) -> None:
    browser.open("/new")
    browser.type("key", live.key)
    browser.click("Sign in")
    browser.click("Upload your own images")
    (tmp_path / "words.zip").write_text("no zip at all")
    browser.find("#zip").send_keys(str(tmp_path / "words.zip"))
    browser.follow("#send:enabled")
    browser.until("Not uploaded: ")
    assert "the upload is not a whole, plain zip" in browser.find("#sent").text
    browser.find("#zip").send_keys(str(class_folders(tmp_path / "films.zip")))
    browser.follow("#send:enabled")
    browser.until("80 files of films")
    look(browser, "new-upload")
    root = browser.find("#data-root").get_attribute("value") or ""
    assert (root[:8], browser.find("#data-source").get_attribute("value")) == ("uploads/", "folder")
    browser.follow("input[name=verb][value=import]")
    fill_in(browser, {"data-positive": "pneumonia", "compute-workers": "1"})
    browser.click("Start the job")
    browser.find(".state.done")
    browser.follow('.products a[href^="/datasets/"]')
    browser.until("the disease")
    assert browser.shows(".sheet img")
    browser.click("Data sets")
    browser.until("normal, pneumonia")
    look(browser, "datasets")


def test_the_pages_can_be_used_by_keyboard(live: LiveService, browser: Browser) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open("/")
    browser.find("#key:focus").send_keys(live.key, Keys.ENTER)
    browser.until("Nothing here yet")
    browser.find("body").send_keys(Keys.TAB)
    skip = browser.find("a:focus")
    assert skip.text == "Skip to the content"
    skip.send_keys(Keys.ENTER)
    browser.find("#main:focus").send_keys(Keys.TAB)
    assert browser.find("a:focus").text == "Start with the quickstart"
    style = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.driver.execute_script(style) == "solid"
