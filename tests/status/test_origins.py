"""Who may ask `--status`: nobody that another site's page in a browser could stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from fivefold.status.routes import is_loopback, may_be_anybodys
from support.client import Client
from support.servers.deployed import deployed
from support.status_client import Status, tcp_address


def test_a_page_of_another_site_gets_nothing(tmp_path: Path) -> None:
    with deployed(tmp_path, ".", "--status", "127.0.0.1:0") as server:
        address = tcp_address(server)

        def ask(host: str, *fields: str, path: str = "/metrics") -> int:
            with Client(address) as client:
                head = [f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]
                client.send("\r\n".join(head).encode())
                return client.answer().status

        own = f"localhost:{address[1]}"
        assert ask(own) == ask(f"127.0.0.1:{address[1]}") == ask("") == 200
        for path in ("/", "/events", "/metrics", "/health/live"):
            assert ask(f"rebound.example:{address[1]}", path=path) == 421
        assert ask(own, path="http://rebound.example/metrics") == 421
        for site in ("cross-site", "same-site"):
            assert (
                ask(own, f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: cors", path="/events") == 403
            )
            assert ask(own, f"sec-fetch-site:{site}", "sec-fetch-mode: navigate", path="/") == 200
        assert ask(own, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors") == 200
        assert server.stop() == 0


def test_a_unix_socket_answers_to_any_name(tmp_path: Path) -> None:
    status = Status(tmp_path)
    with deployed(tmp_path, ".", *status.arguments) as server:
        server.said("status on")
        assert status.ask("/health/live", host="any.example")[0] == 200
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"", False),
        (b"localhost", False),
        (b"LOCALHOST.:9100", False),
        (b"a.localhost:9100", False),
        (b"machine:9100", False),
        (b"127.0.0.1:9100", False),
        (b"10.0.0.7", False),
        (b"[::1]:9100", False),
        (b"[::ffff:127.0.0.1]:9100", False),
        (b"evil.example", True),
        (b"evil.example.:9100", True),
        (b"localhost.evil.example", True),
        (b"127.0.0.1.evil.example:80", True),
        (b"127.1", True),
        (b"notlocalhost.com", True),
    ],
)
def test_names_that_may_be_anybodys(host: bytes, *, expected: bool) -> None:
    assert may_be_anybodys(host) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *(("127.0.0.1", True), ("127.0.1.1", True), ("::1", True), ("::ffff:127.0.0.1", True)),
        *(("10.0.0.7", False), ("fe80::1%eth0", False), ("/run/status", False), ("@name", False)),
    ],
)
def test_addresses_of_the_loopback(address: str, *, expected: bool) -> None:
    assert is_loopback(address) == expected
