"""The page in a browser: played by keyboard, silent on the network, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fivefold.tracing.model import Trace
from fivefold.tracing.report.html.page import as_html
from support.chromium import WatchedPage, needs_chromium
from support.hand_made.traces import all_io, application, cold_file, hand_over, warm_file
from support.page_layout import READABLE, WIDTHS, unreadable

pytestmark = needs_chromium


class Opened(WatchedPage):
    """One that is shown from a file."""

    def __init__(self, page: Page, path: Path) -> None:
        super().__init__(page)
        self._path = path

    def show(self, *traces: Trace) -> Page:
        self._path.write_text(as_html(traces), "utf-8")
        self.page.goto(self._path.as_uri())
        return self.page


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Afterwards: no complaint, and nothing asked for but the page itself."""
    page = browser.new_page()
    page.set_default_timeout(20_000)
    path = tmp_path / "trace.html"
    opened = Opened(page, path)
    yield opened
    page.close()
    assert opened.complaints == []
    assert opened.fetched <= {path.as_uri()}


def step(page: Page) -> int:
    """The current step, on which drawing, table and slider agree."""
    row = page.locator("tr[aria-current=step]").get_attribute("id")
    arrow = page.locator(".arrow.now:visible").get_attribute("data-step")
    assert row
    assert arrow
    number = int(row.rpartition("-")[2])
    assert number == int(arrow) == int(page.locator("#position").input_value())
    return number


def test_keys_go_from_step_to_step(opened: Opened) -> None:
    page = opened.show(cold_file())
    assert step(page) == 1
    page.locator("#drawing").focus()
    for key, then in (
        ("ArrowRight", 2),
        ("ArrowDown", 3),
        ("ArrowLeft", 2),
        ("ArrowUp", 1),
        ("ArrowLeft", 1),
        ("End", 11),
        ("ArrowRight", 11),
        ("Home", 1),
    ):
        page.keyboard.press(key)
        assert step(page) == then


TIMER_BY_HAND = """
let tick = null;
window.setInterval = (callback) => { tick = callback; return 1; };
window.clearInterval = () => { tick = null; };
window.passTime = (times) => { while (times-- && tick) tick(); };
"""


@pytest.mark.parametrize("focused", ["body", "#drawing", "#position", "#play"])
def test_space_plays_and_pauses(opened: Opened, focused: str) -> None:
    opened.page.add_init_script(TIMER_BY_HAND)
    page = opened.show(cold_file())
    if focused != "body":
        page.locator(focused).focus()
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Pause"
    page.evaluate("passTime(2)")
    assert step(page) == 3
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Play"
    page.evaluate("passTime(2)")
    assert step(page) == 3


def test_playing_ends_at_the_last_step_and_begins_again(opened: Opened) -> None:
    opened.page.add_init_script(TIMER_BY_HAND)
    page = opened.show(cold_file())
    page.locator("#play").click()
    page.evaluate("passTime(100)")
    assert step(page) == 11
    assert page.locator("#play").inner_text() == "Play"
    page.locator("#play").click()
    assert step(page) == 1


def test_playing_takes_its_time(opened: Opened) -> None:
    page = opened.show(cold_file())
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_contain_text("Step 2 of 11", timeout=20_000)


def test_buttons_and_slider(opened: Opened) -> None:
    page = opened.show(cold_file())
    page.locator("#next").click()
    page.locator("#next").click()
    page.locator("#previous").click()
    assert step(page) == 2
    page.locator("#position").fill("7")
    assert step(page) == 7
    assert "buffer" in (page.locator("#position").get_attribute("aria-valuetext") or "")


def test_scrolling_keys_scroll_outside_the_player(opened: Opened) -> None:
    page = opened.show(cold_file())
    page.keyboard.press("End")
    assert step(page) == 1
    last_heading = page.get_by_role("heading", name="Summary")
    expect(last_heading).to_be_in_viewport(timeout=20_000)


def test_the_current_step_is_said(opened: Opened) -> None:
    page = opened.show(warm_file())
    says = page.get_by_role("status")
    assert says.get_attribute("aria-live") == "polite"
    expect(says).to_contain_text("Step 1 of 11 (client)")
    expect(says).to_contain_text("It took 38.0 µs")
    expect(says).to_contain_text("Evidence: tracefs tracefs.event at 19.0 µs.")
    page.locator("#position").fill("8")
    expect(says).to_contain_text("No time of its own: sendfile(2) makes no copy")


def test_everything_can_be_reached_by_tab_and_shows_it(opened: Opened) -> None:
    page = opened.show(*all_io())
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    assert reached == ["choice", "drawing", "previous", "play", "next", "position"]


def test_a_trace_is_chosen(opened: Opened) -> None:
    page = opened.show(cold_file(), application())
    assert page.locator(".arrow.absent:visible").count() == 0
    page.locator("#choice").select_option("1")
    assert page.locator(".arrow.absent:visible").count() == 7
    assert page.locator("tr[aria-current=step]").get_attribute("id") == "trace-1-step-1"


def test_light_and_dark_differ(opened: Opened) -> None:
    page = opened.show(cold_file())
    assert opened.complaints == []
    shots = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        shots.append(page.screenshot())
    assert shots[0] != shots[1]
    opened.complaints.clear()  # a screenshot hides the caret by a style, which the page refuses


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(opened: Opened, scheme: str) -> None:
    """WCAG: 4.5 for text, 3 for what else must be told from the page."""
    page = opened.show(cold_file())
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    names = {name: colour(page, name) for name in (*TEXTS, *SHAPES, *GROUNDS)}
    for ground in GROUNDS:
        for name in TEXTS:
            assert contrast(names[name], names[ground]) >= 4.5, (name, ground)
        for name in SHAPES:
            assert contrast(names[name], names[ground]) >= 3, (name, ground)


TEXTS = ("text", "quiet")
SHAPES = ("focus", "client", "interface", "kernel", "server", "disk", "other", "all", "line")
GROUNDS = ("page", "panel")


def colour(page: Page, name: str) -> str:
    value = page.evaluate(
        f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')"
    )
    return str(value).strip()


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(hexadecimal: str) -> float:
    channels = [int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_motion_is_left_out_where_it_is_not_wanted(opened: Opened) -> None:
    page = opened.show(cold_file())
    moving = "getComputedStyle(document.querySelector('.arrow.now .line')).animationName"
    assert page.evaluate(moving) == "travel"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == "none"


def test_printed_it_has_no_controls(opened: Opened) -> None:
    page = opened.show(*all_io())
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    assert not page.locator("#choice").is_visible()
    assert page.locator("#drawing svg.wide").is_visible()


TRACES = {
    "single": [cold_file()],
    "all-io": [*all_io(), cold_file(lanes=hand_over())],
    "all-serving": [cold_file(lanes=hand_over()), application()],
}


@pytest.mark.parametrize("traces", TRACES)
def test_nothing_is_cut_off_and_no_labels_meet(opened: Opened, traces: str) -> None:
    page = opened.show(*TRACES[traces])
    for width, scheme in WIDTHS:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        assert unreadable(page) == READABLE, width


@pytest.mark.parametrize("width", [400, 1400])
def test_the_drawing_has_the_times_of_the_request_that_is_chosen(
    opened: Opened, width: int
) -> None:
    opened.page.set_viewport_size({"width": width, "height": 900})
    page = opened.show(cold_file(), application())
    time = page.locator('.arrow[data-step="6"] .time:visible')
    assert page.locator("svg.path:visible").count() == 1
    assert time.text_content() == "1.48 ms"
    assert page.locator(".clock:visible rect").count() == 11
    page.locator("#choice").select_option("1")
    assert page.locator('.arrow[data-step="9"] .time:visible').text_content() == "12.4 ms"
    assert time.count() == 0, "it took none"
    assert page.locator(".clock:visible rect").count() == 4
    page.locator("#position").fill("9")
    assert page.locator(".clock:visible rect.now").get_attribute("data-step") == "9"


def test_the_lanes_are_in_the_page(opened: Opened) -> None:
    page = opened.show(*all_io())
    lanes = page.locator(".lanes .lane")
    assert lanes.count() == 5
    assert "asleep in epoll_wait over 3 descriptors" in lanes.nth(2).inner_text()
    wait = lanes.nth(0).locator("rect.wait-network").bounding_box()
    strip = lanes.nth(0).locator("svg.strip").bounding_box()
    assert wait
    assert strip
    assert wait["width"] / strip["width"] == pytest.approx(1000 / 1830, abs=0.02)
    assert lanes.nth(1).locator("rect.tick").count() == 2


def test_an_injected_target_stays_text(opened: Opened) -> None:
    target = "/</script><script>alert(1)</script><img src=//example.test/x onerror=alert(2)>"
    page = opened.show(cold_file(target=target))
    assert page.locator("h1").inner_text() == f"GET {target}"
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
