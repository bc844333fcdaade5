"""What Flask and Django do with a thread, a context and a port, by the real libraries."""

from __future__ import annotations

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from applications.asgi import sample as asgi_sample
from applications.wsgi import sample as wsgi_sample
from fivefold import Server, Settings
from fivefold.iomodels import ENGINES
from support.servers.embedded import MODELS, WSGI_WAYS, hosting

WAYS: dict[str, dict[str, Any]] = MODELS | {
    f"async-{engine.engine}": {"serving": "async", "io": engine.engine}
    for engine in ENGINES
    if engine.engine in ("uring", "sigio", "posix") and engine.available() is None
}

CLIENTS = 4


@pytest.mark.parametrize("way", WAYS)
def test_flask_streams_with_the_context_of_the_request(way: str) -> None:
    with (
        hosting("applications.frameworks.flask_stream:app", **WAYS[way]) as site,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):

        def ask(client: int) -> bool:
            name = f"client-{client}"
            expected = "".join(f"{n} {name} {n + 1}\n" for n in range(20)).encode()
            rows = "".join(f"{n}\n" for n in range(20)).encode()
            with site.wire() as wire:
                for _ in range(5):
                    assert wire.ask("/rows").body == rows
                    # Once this is answered, the call before has been closed.
                    assert wire.ask(f"/context?name={name}").body == expected
            return True

        assert [*clients.map(ask, range(CLIENTS))] == [True] * CLIENTS
        assert site.log == ""
        assert (site.recorded("same"), site.recorded("another")) == (5 * CLIENTS, 0)


# Not --inline, where one thread has several calls at once: Django has a connection per thread.
@pytest.mark.parametrize("way", WAYS)
def test_django_iterates_over_its_database(way: str) -> None:
    target = "applications.frameworks.django_shop:wsgi()"
    with hosting(target, **WAYS[way]) as site, ThreadPoolExecutor(CLIENTS) as clients:

        def ask(_: int) -> list[bytes]:
            with site.wire() as wire:
                return [wire.ask("/export").body for _ in range(5)]

        found = {body for bodies in clients.map(ask, range(CLIENTS)) for body in bodies}
        assert found == {"".join(f"{n}\n" for n in range(1, 501)).encode()}
        assert site.log == ""


def exchanged(path: str, request: str) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(path)
        sock.sendall(request.encode())
        return b"".join(iter(lambda: sock.recv(65536), b"")).decode("latin-1")


FROM_PROXY = (
    "HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: https\r\n"
    "X-Forwarded-For: 192.0.2.7\r\nConnection: close\r\n"
)


@pytest.mark.parametrize("way", WSGI_WAYS)
def test_django_believes_a_form_that_comes_through_a_unix_socket(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its check of Referer needs a port, which a UNIX socket has not."""
    monkeypatch.setenv("TEST_FOLDER", str(tmp_path))
    path = str(tmp_path / "socket")
    values = {
        "target": "applications.frameworks.django_shop:wsgi()",
        "bind": f"unix:{path}",
        "trusted_proxies": "unix",
    }
    with Server(Settings.of({**values, **WSGI_WAYS[way]})):
        page = exchanged(path, f"GET /token {FROM_PROXY}\r\n")
        token = re.search(r"\b\w{64}\b", page.partition("\r\n\r\n")[2])
        cookie = re.search(r"csrftoken=\w+", page)
        assert token is not None
        assert cookie is not None
        answer = exchanged(
            path,
            f"POST /buy {FROM_PROXY}Cookie: {cookie[0]}\r\nX-CSRFToken: {token[0]}\r\n"
            "Referer: https://www.shop.example/form\r\nContent-Length: 0\r\n\r\n",
        )
        assert answer.startswith("HTTP/1.1 200 "), answer
        assert "bought 443" in answer


@pytest.mark.parametrize(
    ("host", "server"),
    [
        ("shop.example:8443", ("shop.example", "8443")),
        ("shop.example", ("shop.example", "80")),
        ("[2001:db8::1]:81", ("[2001:db8::1]", "81")),
        ("[2001:db8::1]", ("[2001:db8::1]", "80")),
        ("shop.example:", ("shop.example", "80")),
        ("", ("localhost", "80")),
    ],
)
def test_a_unix_socket_has_the_name_and_port_that_were_asked_for(
    host: str, server: tuple[str, str], tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")
    values = {"target": wsgi_sample.app, "bind": f"unix:{path}"}
    with Server(Settings.of(values)):
        answer = exchanged(path, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    environ = json.loads(answer.partition("\r\n\r\n")[2])
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == server


def test_asgi_gets_the_path_of_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    values = {"target": asgi_sample.app, "bind": f"unix:{path}"}
    with Server(Settings.of(values)):
        answer = exchanged(path, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition("\r\n\r\n")[2])["server"] == [path, None]
