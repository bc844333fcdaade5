"""A browser loads the sample site, over HTTP and HTTPS: page, style, font, images, a film in
parts, a reload that changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from fivefold import Server, Settings
from support.chromium import chromium, complaints_of, needs_chromium
from support.film import GAP_BYTES, SITE, add_film
from support.openssl import Made, fingerprint

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser(made: Made) -> Iterator[Browser]:
    # It trusts this key: of a server with a certificate that is in error it keeps nothing.
    with chromium(f"--ignore-certificate-errors-spki-list={fingerprint(made)}") as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample site, and its film with the index far behind the pictures."""
    folder = tmp_path_factory.mktemp("site") / "site"
    shutil.copytree(SITE, folder)
    add_film(folder)
    return folder


@pytest.fixture(scope="module", params=["http", "https"])
def url(request: pytest.FixtureRequest, folder: Path, made: Made) -> Iterator[str]:
    values: dict[str, Any] = {"target": str(folder), "bind": "127.0.0.1:0", "listing": True}
    if request.param == "https":
        values |= {"tls_cert": made.cert, "tls_key": made.key}
    with Server(Settings.of(values)) as server:
        yield server.addresses[0]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def answers(page: Page) -> list[Response]:
    """All that the page gets, from now on."""
    got: list[Response] = []
    page.on("response", lambda response: got.append(response))  # noqa: PLW0108 - it is given attributes
    return got


def test_the_sample_site(url: str, page: Page) -> None:
    got = answers(page)
    complaints = complaints_of(page)
    page.goto(f"{url}/", wait_until="networkidle")
    expect(page.get_by_role("heading", level=1)).to_have_text("It works.")
    assert page.evaluate("document.fonts.check('16px \"DejaVu Sans Mono\"')")
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate("document.querySelector('video').readyState >= 1")
    kinds = {r.url.rpartition(".")[2]: r.header_value("content-type") for r in got}
    assert kinds["css"] == "text/css; charset=utf-8"
    assert kinds["svg"] == "image/svg+xml"
    assert kinds["woff2"] == "font/woff2"
    assert kinds["mp4"] == "video/mp4"
    assert {r.status for r in got} <= {200, 206}
    assert complaints == []
    page.get_by_role("link", name="The fifteen pairs", exact=True).click()
    expect(page).to_have_url(f"{url}/pairs/")


def test_a_film_is_sought_in(url: str, page: Page) -> None:
    got = answers(page)
    page.goto(f"{url}/film.html")
    place = page.evaluate(
        """() => new Promise((done, failed) => {
            const film = document.querySelector("video");
            const seek = () => {
                film.onseeked = () => done(film.currentTime);
                film.currentTime = 15;
            };
            film.onerror = () => failed(film.error.message);
            if (film.readyState >= 1) seek(); else film.onloadedmetadata = seek;
        })"""
    )
    assert place == 15
    parts = [r.headers["content-range"] for r in got if r.status == 206]
    first_bytes = [int(part.removeprefix("bytes ").partition("-")[0]) for part in parts]
    assert max(first_bytes) > GAP_BYTES  # the index, without what lies before it


def test_a_reload_brings_nothing_new(url: str, page: Page) -> None:
    page.goto(f"{url}/pairs/", wait_until="networkidle")
    # Playwright tells the status of what the browser had kept; its debugger, what has come.
    debugger = page.context.new_cdp_session(page)
    statuses: list[int] = []
    debugger.on("Network.responseReceivedExtraInfo", lambda r: statuses.append(r["statusCode"]))
    debugger.send("Network.enable")
    page.reload(wait_until="networkidle")
    assert statuses
    assert set(statuses) == {304}
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_listing(url: str, page: Page) -> None:
    page.goto(f"{url}/media/")
    page.get_by_role("link", name="LICENSES.txt").click()
    expect(page.locator("body")).to_contain_text("life.mp4")
