"""A browser for tests, and what its pages complain about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium: apt-get install chromium"
)


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """As long as it runs the thread has an event loop that runs: it must end with its module."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - few modules have a browser

    own = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*own, *arguments])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def complaints_of(page: Page) -> list[str]:
    """Grows with whatever the page says on its console, throws or asks in a dialog."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    return complaints


class WatchedPage:
    """A page, and whatever it complained about or asked the network for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints = complaints_of(page)
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))

    @property
    def fetched(self) -> set[str]:
        """What was not in the page itself."""
        return {url for url in self.requests if not url.startswith("data:")}
