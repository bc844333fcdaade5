"""A browser over HTTP/2: a page of 60 resources, a film that is sought in, and a websocket on the
connection that it has (RFC 8441).  What was spoken is its own word, and the application's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from support.chromium import chromium, complaints_of, needs_chromium
from support.every_pair import chosen_pairs
from support.film import GAP_BYTES, add_film
from support.openssl import Made, fingerprint
from support.servers.folder import serving

pytestmark = needs_chromium

A_FEW = chosen_pairs(
    # Streams side by side; and in turn, which a websocket would hold for ever: no browser there.
    "async-epoll",
    "thread-sigio",
)

IMAGES, STYLES, SCRIPTS = 40, 10, 10


@pytest.fixture(scope="module", params=A_FEW)
def pair(request: pytest.FixtureRequest) -> dict[str, str]:
    given: dict[str, str] = request.param
    return given


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Says which version of HTTP its websocket came by, and on which connection."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    said = f"HTTP/{scope['http_version']} from {scope['client'][1]}"
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"{message['text']}: {said}"})


@pytest.fixture(scope="module")
def browser(made: Made) -> Iterator[Browser]:
    with chromium(f"--ignore-certificate-errors-spki-list={fingerprint(made)}") as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    links = []
    for number in range(IMAGES):
        box = f'<rect width="{number + 1}" height="9"/>' + " " * 997 * number
        name = f"{number}.svg"
        (folder / name).write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{box}</svg>')
        links.append(f"<img src={name}>")
    for number in range(STYLES):
        (folder / f"{number}.css").write_text(f"#id-{number} {{ color: red }}\n" * 3000)
        links.append(f"<link rel=stylesheet href={number}.css>")
    for number in range(SCRIPTS):
        (folder / f"{number}.js").write_text(f"ran.push({number}); // " + "x" * 90_000)
        links.append(f"<script src={number}.js></script>")
    head = "<!doctype html><title>page</title><link rel=icon href=data:,>"
    begin = "<script>const ran = []</script>"
    (folder / "page.html").write_text(head + begin + "".join(links))
    add_film(folder)
    return folder


@pytest.fixture(scope="module")
def url(pair: dict[str, str], made: Made, folder: Path) -> Iterator[str]:
    tls = {"tls_cert": made.cert, "tls_key": made.key}
    with serving(folder, target=app, mount=f"/f={folder}", **tls, **pair) as (host, port):
        yield f"{host}:{port}"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


SPOKEN = """performance.getEntriesByType("resource").map(
    (each) => [each.name.split("/").pop(), each.nextHopProtocol])"""


def test_a_page_of_60_resources(url: str, page: Page) -> None:
    complaints = complaints_of(page)
    page.goto(f"https://{url}/f/page.html", wait_until="load")
    spoken = dict(page.evaluate(SPOKEN))
    kinds = {".svg": IMAGES, ".css": STYLES, ".js": SCRIPTS}
    assert set(spoken) == {f"{n}{kind}" for kind, count in kinds.items() for n in range(count)}
    assert set(spoken.values()) == {"h2"}
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate("ran") == list(range(SCRIPTS))
    assert complaints == []


SOUGHT = """() => new Promise((done, failed) => {
    const film = document.querySelector("video");
    const seek = () => {
        film.onseeked = () => done(film.currentTime);
        film.currentTime = 15;
    };
    film.onerror = () => failed(film.error.message);
    if (film.readyState >= 1) seek(); else film.onloadedmetadata = seek;
})"""


def test_a_film_is_sought_in(url: str, page: Page) -> None:
    ranges: list[str] = []

    def note(response: Any) -> None:
        if response.status == 206:
            ranges.append(response.headers["content-range"])

    page.on("response", note)
    page.goto(f"https://{url}/f/film.html")
    assert page.evaluate(SOUGHT) == 15
    first_bytes = [int(each.removeprefix("bytes ").partition("-")[0]) for each in ranges]
    assert max(first_bytes) > GAP_BYTES  # the index, without what lies before it
    spoken = page.evaluate(SPOKEN)
    assert {each for _, each in spoken} == {"h2"}


TALKED = """(url) => new Promise((done, failed) => {
    const socket = new WebSocket(url), heard = [];
    socket.onerror = () => failed("no websocket");
    socket.onopen = () => { socket.send("a"); socket.send("b"); };
    socket.onmessage = (message) => {
        heard.push(message.data);
        if (heard.length === 2) socket.close(4000, "enough");
    };
    socket.onclose = (end) => done([...heard, `${end.code} ${end.reason}`]);
})"""


def test_a_websocket_is_a_stream_of_the_connection(url: str, page: Page) -> None:
    page.goto(f"https://{url}/f/film.html")
    talks = [page.evaluate(TALKED, f"wss://{url}/socket") for _ in range(2)]
    origin = talks[0][0].partition(": ")[2]
    assert origin.startswith("HTTP/2 from ")
    assert talks == [[f"a: {origin}", f"b: {origin}", "4000 enough"]] * 2
