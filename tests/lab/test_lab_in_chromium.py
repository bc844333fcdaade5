"""The lab's page in a browser: both live pages are in it, its buttons do what they say, and nothing
is cut off on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from support.chromium import complaints_of, needs_chromium
from support.page_layout import READABLE, WIDTHS, unreadable
from support.servers.laboratory import lab

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with lab("--left", "thread+blocking") as (_, address):
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    complaints = complaints_of(page)
    page.goto(address)
    yield page
    assert complaints == []
    page.close()


@needs_chromium
def test_an_experiment_is_seen_on_both_sides(page: Page) -> None:
    live = [page.frame_locator(f"[data-side='{side}'] iframe") for side in (0, 1)]
    for each in live:
        expect(each.locator("#workers")).to_have_text("1 of 1")
    page.get_by_role("button", name="One slow client").click()
    for each in live:
        expect(each.locator("#connections")).to_contain_text("waiting for the client")
    expect(page.locator("#says")).to_have_text("One slow client: done.")
    for side in (0, 1):
        expect(page.locator(f"[data-side='{side}'] .found")).to_contain_text("others were answered")


@needs_chromium
def test_another_pair_is_chosen(page: Page, browser: Browser) -> None:
    """In one tab; another shows the new one, too, whether it was open then or not."""
    other = browser.new_page()
    other.goto(page.url)
    page.locator("[data-side='1'] select[data-of='serving']").select_option("process")
    expect(page.locator("#says")).to_have_text("process+multiplexing serves.")
    page.reload()
    for each in (page, other):
        chosen = each.locator("[data-side='1'] select[data-of='serving']")
        expect(chosen).to_have_value("process")
        live = each.frame_locator("[data-side='1'] iframe")
        expect(live.locator("h1")).to_contain_text("process + ")
    other.close()


@needs_chromium
def test_a_page_whose_lab_has_ended_says_so(browser: Browser) -> None:
    with lab() as (process, address):
        page = browser.new_page()
        page.goto(address)
        process.terminate()
        process.wait()
        expect(page.locator("#says")).to_contain_text("The lab has ended")
        expect(page.get_by_role("button", name="One crash")).to_be_disabled()
        page.close()


@needs_chromium
def test_nothing_is_cut_off_and_no_labels_meet(page: Page) -> None:
    """The page's own words, and those of both live pages in it."""
    page.get_by_role("button", name="One crash").click()
    expect(page.locator("#says")).to_have_text("One crash: done.")
    colours = set()
    for width, scheme in WIDTHS:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [unreadable(each) for each in page.frames] == [READABLE] * 3, width
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2
