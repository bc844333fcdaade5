"""The report in a browser: silent on the network, by keyboard, in light and dark, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from fivefold.compare.report.advice import advice
from fivefold.compare.report.html.page import as_html
from fivefold.iomodels import MODELS as IO_MODELS
from fivefold.serving import MODELS as SERVING_MODELS
from support.chromium import WatchedPage, needs_chromium
from support.hand_made.rows import document, figure, row, unavailable
from support.page_layout import READABLE, WIDTHS, unreadable

pytestmark = needs_chromium

USUAL = "async+multiplexing"


def several() -> dict[str, Any]:
    steady = [
        row("process+blocking", 40),
        row("thread+blocking", 15),
        row("async+blocking", 30, clients_left=63),
        row(USUAL, 10),
        row("async+aio", 8, lost=figure(3, 0)),
        unavailable("thread+aio", "this kernel has no io_uring"),
        row("nginx", 11, serving=None, io=None),
    ]
    grown = [
        row(name, cpu * factor, scenario="idle", idle_connections=idle)
        for idle, factor in ((0, 1), (1000, 3))
        for name, cpu in ((USUAL, 10), ("async+blocking", 20))
    ]
    rows = [*steady, *grown]
    return document(*rows, advice=advice(rows, "./site", USUAL))


class Opened(WatchedPage):
    """One that is shown from a file."""

    def __init__(self, page: Page, path: Path) -> None:
        super().__init__(page)
        self.path = path

    def show(self, found: dict[str, Any]) -> Page:
        self.path.write_text(as_html(found), "utf-8")
        self.page.goto(self.path.as_uri())
        return self.page


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    opened = Opened(page, tmp_path / "report.html")
    yield opened
    page.close()
    assert opened.complaints == []
    assert opened.fetched <= {opened.path.as_uri()}


def test_everything_is_there(opened: Opened) -> None:
    page = opened.show(several())
    for heading in ("Summary", "The matrix", "The machine", "Every command used", "steady"):
        assert page.get_by_role("heading", name=heading, exact=True).is_visible()
    assert page.locator("svg:visible").count() == 7  # two of each of three settings, and the growth
    expect(page.locator(".advice")).to_contain_text(f"Take {USUAL}")
    expect(page.locator(".advice")).not_to_contain_text("Take async+aio")
    expect(page.locator("main")).to_contain_text("this kernel has no io_uring")
    expect(page.locator("main")).to_contain_text("63 clients got no answer in")


def test_the_matrix_switches_by_keyboard(opened: Opened) -> None:
    page = opened.show(several())
    cell = page.locator(f'#matrix td[data-name="{USUAL}"]')
    worst = page.locator('#matrix td[data-name="process+blocking"]')
    assert (cell.inner_text(), worst.inner_text()) == ("10.0", "40.0")
    assert worst.get_attribute("class") == "heat-4"
    for _ in range(9):  # tables that scroll come before it
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "figure":
            break
    assert page.evaluate("document.activeElement.id") == "figure"
    page.keyboard.type("requests")
    expect(cell).to_have_text("100000")
    expect(page.locator("#shown")).to_have_text("requests/s")
    page.locator("#setting").select_option("idle, 1000 idle")
    expect(cell).to_have_text("33300")
    assert page.locator('#matrix td[data-name="thread+aio"]').inner_text() == "-"


def test_a_pair_that_cannot_run_says_so(opened: Opened) -> None:
    page = opened.show(several())
    cell = page.locator('#matrix td[data-name="thread+aio"]')
    assert cell.inner_text() == "not here"
    assert not cell.get_attribute("class")


def test_what_can_be_reached_shows_it(opened: Opened) -> None:
    page = opened.show(several())
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_lost_requests_stand_out(opened: Opened) -> None:
    page = opened.show(several())
    assert page.locator("td.bad").all_inner_texts() == ["3"]


def test_light_and_dark_differ_and_can_be_read(opened: Opened) -> None:
    page = opened.show(several())
    assert opened.complaints == []
    shots = []
    for dark in (False, True):
        page.emulate_media(color_scheme="dark" if dark else "light")
        shots.append(page.screenshot())
        text = colour(page, "text")
        for ground in ("page", "panel", *(f"heat-{n}" for n in range(5))):
            assert contrast(text, colour(page, ground)) >= 4.5, ground
        for name in ("quiet", "bad"):
            assert contrast(colour(page, name), colour(page, "page")) >= 4.5, name
        for name in ("process", "thread", "async", "other", "focus"):
            assert contrast(colour(page, name), colour(page, "page")) >= 4.5, name
    assert shots[0] != shots[1]
    opened.complaints.clear()  # a screenshot hides the caret by a style, which the page refuses


def colour(page: Page, name: str) -> str:
    found = "getComputedStyle(document.documentElement).getPropertyValue"
    return str(page.evaluate(f"{found}('--{name}')")).strip()


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(hexadecimal: str) -> float:
    channels = [int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_printed_it_has_no_controls(opened: Opened) -> None:
    page = opened.show(several())
    page.emulate_media(media="print")
    assert not page.locator("#choices").is_visible()
    assert page.locator("#matrix").is_visible()
    assert page.pdf().startswith(b"%PDF")


CLAIMS = [
    {
        "claim": "cost",
        "figure": "ms to a new one's answer",
        "figures": {"process": "8.12", "thread": "0.512", "async": "0.301"},
        "verdict": "not confirmed here",
    },
    {
        "claim": "speed",
        "figure": "requests a second",
        "figures": {"process": "25000", "thread": "66700", "async": "100000"},
        "verdict": "refuted here",
    },
]


def of_every_pair() -> dict[str, Any]:
    """As many as there are, some exactly as good as others, and growing."""
    names = [f"{serving}+{io}" for serving in SERVING_MODELS for io in IO_MODELS]
    rows = [row(name, 30 + n // 2) for n, name in enumerate(names)]
    rows.append(row("nginx", 11, serving=None, io=None))
    rows += [
        row(name, 30 + idle / 100, scenario="idle", idle_connections=idle)
        for idle in (0, 1000, 10_000)
        for name in names
    ]
    return document(*rows, advice=advice(rows, "./site", USUAL)) | {"claims": CLAIMS}


def test_nothing_is_cut_off_and_no_labels_meet(opened: Opened) -> None:
    page = opened.show(of_every_pair())
    for width, scheme in WIDTHS:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        assert unreadable(page) == READABLE, width
        assert page.locator("svg:visible").count() == page.locator("svg").count() / 2
        assert len(drawn_numbers(page)) == 16 + 16 + 15 + 6 * 15
    claims = page.get_by_role("region", name="Side by side: claims")
    verdicts = claims.locator("tbody td").all_inner_texts()[3::4]
    assert verdicts == ["not confirmed", "refuted"]


def drawn_numbers(page: Page) -> list[str]:
    return list(page.locator(".series .number:visible").all_text_contents())


def test_what_is_injected_stays_text(opened: Opened) -> None:
    evil = "</script><script>alert(1)</script><img src=//example.test/x onerror=alert(2)>"
    found = several()
    found["target"] = found["machine"]["processor"] = found["rows"][0]["name"] = evil
    page = opened.show(found)
    assert page.locator("h1").inner_text() == f"Which model for {evil}"
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2


def test_without_a_script_the_matrix_has_its_first_figure(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(as_html(several()), "utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator(f'#matrix td[data-name="{USUAL}"]').inner_text() == "10.0"
    assert not page.locator("#choices").is_visible()
    context.close()
