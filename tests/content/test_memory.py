"""What clients ask for, however odd and long, takes a bounded amount of a worker's memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from fivefold.content.application import fields
from fivefold.content.asgi import messages as asgi_messages
from fivefold.content.routing import router
from fivefold.content.static import file_responses
from fivefold.content.static.files import recent
from fivefold.content.static.files.entry import ENTRY_BYTES
from fivefold.content.static.files.kept import MEMORY_BYTES
from fivefold.content.static.files.open_file import SMALL_BYTES
from fivefold.content.wsgi import call as wsgi_response
from support.client import Client
from support.process_tree import memory_of_tree
from support.servers.started import running

BATCH = 50
"""Requests that are sent before their answers are read."""

SLACK_BYTES = 8_388_608
"""For what HTTP remembers of heads and requests, and what the allocator does not give back."""

LONG = "x" * 25_000
"""Nearly all that a head may hold."""

FILES = 2800


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for number in range(FILES):
        with (folder / f"{number:06}").open("wb") as file:
            file.truncate(SMALL_BYTES)
    (folder / "page.html").write_text("page")
    (folder / "page.html.gz").write_text("compressed")
    return folder


def flood(client: Client, requests: Iterator[bytes]) -> None:
    """Ask all of it, as fast as it goes; answers are dropped."""
    while batch := list(islice(requests, BATCH)):
        client.send(b"".join(batch))
        for _ in batch:
            client.answer()


def asked(count: int, target: str, field: str = "Host: test") -> Iterator[bytes]:
    """`%` in target and field becomes the number of the request."""
    host = "" if field.startswith("Host") else "Host: test\r\n"
    for number in range(count):
        text = f"GET {target} HTTP/1.1\r\n{host}{field}\r\n\r\n"
        yield text.replace("%", f"{number:06}").encode()


def ranges_of_many_files() -> Iterator[bytes]:
    for number in range(60):
        for first in range(40):
            text = f"GET /{number:06} HTTP/1.1\r\nHost: test\r\nRange: bytes={first}-\r\n\r\n"
            yield text.encode() if first else text.replace("Range", "X").encode()


FLOODS = {
    "ranges": (ranges_of_many_files, file_responses.MOST_BYTES + 60 * (SMALL_BYTES + ENTRY_BYTES)),
    "dates": (lambda: asked(1000, "/page.html", f"If-Modified-Since: %{LONG}"), 0),
    "tags": (
        lambda: asked(1000, "/page.html", f'If-None-Match: "%{LONG}"'),
        file_responses.MOST_BYTES,
    ),
    "codings": (lambda: asked(1000, "/page.html", f"Accept-Encoding: %{LONG}"), 0),
    "short codings": (
        lambda: asked(9000, "/page.html", "Accept-Encoding: gzip, %"),
        recent.MOST_BYTES,
    ),
    "hosts": (lambda: asked(1000, "/page.html", f"Host: %{LONG}"), router.REMEMBERED_BYTES),
    "targets": (lambda: asked(9000, f"/000000?%{LONG[:250]}"), recent.MOST_BYTES),
    "files": (lambda: asked(FILES, "/%"), MEMORY_BYTES * 5 // 4),
}
"""Requests, and how many bytes may be remembered of them."""


@pytest.mark.parametrize("name", FLOODS)
def test_memory_is_bounded_whatever_is_asked(name: str, folder: Path, tmp_path: Path) -> None:
    requests, bound = FLOODS[name]
    settings = tmp_path / "fivefold.toml"
    settings.write_text(f'[[host]]\nname = "example.org"\ntarget = "{folder}"\n')
    with (
        running(str(folder), "--config", str(settings)) as server,
        Client(server.address) as client,
    ):
        flood(client, islice(requests(), BATCH))
        before = memory_of_tree(server.process.pid)
        flood(client, requests())
        grown = memory_of_tree(server.process.pid) - before
    assert grown < bound + SLACK_BYTES


def echoed_to_asgi(text: str) -> None:
    start = {"status": 302, "headers": [(b"location", text.encode())]}
    assert asgi_messages.remembered_head(start).status == 302


def echoed_to_wsgi(text: str) -> None:
    assert wsgi_response.remembered_head("302 Found", [("Location", text)]).status == 302


@pytest.mark.parametrize("echo", [echoed_to_asgi, echoed_to_wsgi])
@pytest.mark.parametrize("length", [100, 1500, 15_000])
def test_heads_that_repeat_what_clients_send_are_bounded_in_bytes(
    echo: Callable[[str], None], length: int
) -> None:
    tracemalloc.start()
    try:
        for number in range(1000 if length > 1000 else 8000):
            echo(f"/{number:06}" + "x" * length)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.5 * fields.REMEMBERED_BYTES
