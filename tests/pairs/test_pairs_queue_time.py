"""How long a request lay in the kernel until a worker read it, in every pair."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.linux.timestamping import SO_TIMESTAMPNS_NEW
from fivefold.serving import MODELS
from support.client import TIMEOUT_S, Client
from support.every_pair import pairs
from support.held_back import SLEW, held_back, hold_since, stamping_kernel
from support.openssl import self_signed

TIMES = re.compile(r"read;dur=[\d.]+, app;dur=[\d.]+(?:, queue;dur=([\d.]+))?")

GET = b"GET /1.bin HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module", autouse=True)
def stamping() -> Iterator[None]:
    with stamping_kernel():
        yield


def serving(site: Path, **settings: Any) -> Server:
    return Server(Settings.of({"target": str(site), "bind": "127.0.0.1:0", **settings}))


def address_of(server: Server) -> tuple[str, int]:
    host, _, port = server.addresses[0].rpartition("/")[2].rpartition(":")
    return host, int(port)


def queue_ms(fields: dict[str, str]) -> float | None:
    match = TIMES.fullmatch(fields["server-timing"])
    assert match, fields
    return None if match[1] is None else float(match[1])


def asked_while_held(server: Server) -> tuple[Client, float]:
    """A client whose request lay in the kernel, and for how long at least."""
    with held_back(server.pid):
        client = Client(address_of(server))
        client.send(GET)
        held_s = hold_since(monotonic())
    return client, held_s


@pairs()
def test_it_is_the_time_for_which_the_worker_was_held(
    pair: dict[str, str], site: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    settings = {"access_log": str(log), "access_log_format": "json", "server_timing": True}
    with serving(site, **settings, **pair) as server:
        begun = monotonic()
        client, held_s = asked_while_held(server)
        with client:
            queued = queue_ms(client.answer().fields)
            assert queued is not None
            assert held_s * SLEW <= queued / 1000 <= (monotonic() - begun) / SLEW
            assert queue_ms(client.get("/1.bin").fields) is None
    first, second = (json.loads(line)["queue_ms"] for line in log.read_text().splitlines())
    assert first == pytest.approx(queued, abs=0.002)
    assert second is None


@pytest.mark.parametrize("model", MODELS)
def test_a_sampled_request_has_it_if_it_is_the_first(
    model: str, site: Path, tmp_path: Path
) -> None:
    spans, log = tmp_path / "spans", tmp_path / "log"
    settings = {"trace_sample": "1/1", "trace_spans": str(spans), "serving": model}
    settings |= {"access_log": str(log), "access_log_format": "{queue_ms}"}
    with serving(site, **settings) as server:
        client, held_s = asked_while_held(server)
        with client:
            queued = queue_ms(client.answer().fields)
            assert queued is not None
            assert queued / 1000 >= held_s * SLEW
            assert queue_ms(client.get("/1.bin").fields) is None
    first, second = (json.loads(line) for line in spans.read_text().splitlines())
    assert "fivefold.queue_ns" in str(first)
    assert "fivefold.queue_ns" not in str(second)
    assert [line != "-" for line in log.read_text().splitlines()] == [True, False]


def test_below_tls_it_is_that_of_the_first_bytes_of_all(site: Path, tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    context = ssl.create_default_context(cafile=made.cert)
    with serving(site, server_timing=True, tls_cert=made.cert, tls_key=made.key) as server:
        with held_back(server.pid):
            client = Client(address_of(server))
            client.sock = secure = context.wrap_socket(
                client.sock, server_hostname="localhost", do_handshake_on_connect=False
            )
            secure.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                secure.do_handshake()  # the client's part has left
            held_s = hold_since(monotonic())
        with client:
            secure.settimeout(TIMEOUT_S)
            secure.do_handshake()
            queued = queue_ms(client.get("/1.bin").fields)
            assert queued is not None
            assert queued / 1000 >= held_s * SLEW


def test_a_unix_socket_has_none(site: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with (
        serving(site, bind=f"unix:{path}", server_timing=True),
        socket.socket(socket.AF_UNIX) as it,
    ):
        it.settimeout(TIMEOUT_S)
        it.connect(path)
        it.sendall(GET)
        answer = it.recv(4096)
    assert b"app;dur=" in answer
    assert b"queue" not in answer


@pytest.mark.parametrize(
    ("settings", "stamps"),
    [
        ({}, 0),
        ({"server_timing": True}, 1),
        ({"status": "127.0.0.1:0"}, 1),
        ({"trace_sample": "1/1000"}, 1),
        ({"access_log": "-", "access_log_format": "{queue_ms}"}, 1),
        ({"access_log": "off", "access_log_format": "json"}, 0),
        ({"access_log": "-", "access_log_format": "combined"}, 0),
    ],
    ids=str,
)
def test_sockets_stamp_only_where_it_is_asked_for(
    site: Path, settings: dict[str, Any], stamps: int
) -> None:
    server = serving(site, **settings)
    server.listen()
    try:
        [service] = server.services
        added = service.listening.more(service.listening.slots[0])  # as for a new worker
        for sock in (*service.listening.slots[0], *added):
            assert sock.getsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS_NEW) == stamps
    finally:
        server.close()
