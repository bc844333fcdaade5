"""A listing in a browser: light and dark, narrow and wide, and its links by mouse."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from support.chromium import complaints_of, needs_chromium
from support.servers.folder import Serve

pytestmark = needs_chromium

AWKWARD = "<img src=x onerror=alert(1)>.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a folder" / "below").mkdir(parents=True)
    (tmp_path / "a folder" / "inner.txt").write_text("inner")
    (tmp_path / AWKWARD).write_text("awkward")
    (tmp_path / "favicon.ico").touch()  # the browser asks for it, and complains if there is none
    (tmp_path / ("long-" * 40 + ".txt")).write_text("x" * 5000)
    return tmp_path


def brightness(colour: str) -> int:
    """Of `rgb(r, g, b)`."""
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark_and_on_a_telephone(
    scheme: Literal["light", "dark"], browser: Browser, folder: Path, serve: Serve
) -> None:
    with serve(target=str(folder), listing=True) as (host, port):
        page = browser.new_page(color_scheme=scheme, viewport={"width": 360, "height": 640})
        complaints = complaints_of(page)
        page.goto(f"http://{host}:{port}/")
        text = brightness(page.evaluate("getComputedStyle(document.body).color"))
        assert (text > 382) is (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(page.get_by_role("columnheader")).to_have_text(["Name", "Size", "Changed (UTC)"])
        page.get_by_role("link", name="a folder/").click()
        expect(page).to_have_title("Index of /a folder/")
        page.get_by_role("link", name="below/").click()
        page.get_by_role("link", name="a folder", exact=True).click()  # among the crumbs
        page.get_by_role("link", name="../").click()
        expect(page).to_have_title("Index of /")
        page.get_by_role("link", name=AWKWARD).click()
        assert page.inner_text("body") == "awkward"
        assert complaints == []
        page.close()
