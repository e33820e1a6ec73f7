"""A headless Chromium for tests of pages: light or dark, wide or narrow, with no way out to other machines."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    NoSuchElementException,
    SessionNotCreatedException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.marks import starts_server

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
SECONDS = 300


class Browser:
    """A browser on one service, moved as a user moves it."""

    RIGHT = Keys.ARROW_RIGHT

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver, self.address = driver, address

    def open(self, path: str) -> None:
        """Go to a page by its address."""
        self.driver.get(self.address + path)

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector, once it is there."""
        return WebDriverWait(self.driver, SECONDS).until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector))

    def click(self, text: str) -> None:
        """Click the link, button or summary with these words, once it is there."""
        ways = " | ".join(f"//{tag}[contains(normalize-space(.), {text!r})]" for tag in ("a", "button", "summary"))
        self._click(By.XPATH, ways)

    def follow(self, selector: str) -> None:
        """Click the first element of a CSS selector, once it is there."""
        self._click(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """The elements of a CSS selector that are there now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def shows(self, selector: str) -> bool:
        """Whether the first picture of a CSS selector comes and can be drawn."""
        found = self._centred(self.find(selector))
        return bool(WebDriverWait(self.driver, SECONDS).until(lambda _: found.get_property("naturalWidth")))

    def type(self, field: str, text: str) -> None:
        """Type into the field of an id."""
        found = self._centred(self.find(f"#{field}"))
        found.clear()
        found.send_keys(text)

    def _click(self, by: str, what: str) -> None:
        """Click the first such element: again where it moved away, as pictures above it came, before it was hit."""

        def hit(driver: webdriver.Chrome) -> bool:
            self._centred(driver.find_element(by, what)).click()
            return True

        moved = (NoSuchElementException, ElementClickInterceptedException, StaleElementReferenceException)
        WebDriverWait(self.driver, SECONDS, ignored_exceptions=moved).until(hit)

    def _centred(self, element: WebElement) -> WebElement:
        """The element, in the middle of the window: what is at its edge may lie under something."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        return element

    def text(self) -> str:
        """The words of the page."""
        return self.find("body").text

    def until(self, words: str, seconds: float = SECONDS) -> None:
        """Wait until the page has these words."""
        WebDriverWait(self.driver, seconds, ignored_exceptions=[Exception]).until(lambda _: words in self.text(), words)

    def faults(self) -> list[str]:
        """What the browser complained of since the last time: a page of ours gives it no reason to."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def look(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Keep a picture of the whole page as a PNG file."""
        self.device(width, dark)
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 4000), "scale": 1}
        asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", asked)
        path.write_bytes(base64.b64decode(picture["data"]))

    def device(self, width: int, dark: bool) -> None:
        """Be so wide, in light or dark."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


@contextmanager
def chromium(folder: Path, address: str) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`; skips the test where Chromium or its driver is not installed."""
    starts_server("a browser")
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("Chromium and its driver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for option in (*OPTIONS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        driver = webdriver.Chrome(options=options, service=Service(str(programs[1])))
    except SessionNotCreatedException:  # the browser was too slow to start
        driver = webdriver.Chrome(options=options, service=Service(str(programs[1])))
    try:
        driver.set_page_load_timeout(120)
        yield Browser(driver, address)
    finally:
        driver.quit()
