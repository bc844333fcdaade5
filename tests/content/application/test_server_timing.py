"""`--server-timing`: each response has its times, once, in every serving model."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from time import monotonic

import pytest

from fivefold import Server, Settings
from fivefold.content.server_timing import with_times
from fivefold.serving import MODELS
from support.client import Client
from support.servers.embedded import address_of

TIMES = re.compile(r"read;dur=(\d+\.\d{3}), app;dur=(\d+\.\d{3})(?:, queue;dur=\d+\.\d{3})?")

HELD_S = 0.05


def app(environ: dict[str, object], start_response: object) -> list[bytes]:
    if environ["PATH_INFO"] == "/held":
        until = monotonic() + HELD_S
        while (left := until - monotonic()) > 0:
            threading.Event().wait(left)
    start_response("200 OK", [("Content-Length", "2")])  # type: ignore[operator]
    return [b"ok"]


@pytest.mark.parametrize("sampled", [None, "1/1"])
@pytest.mark.parametrize("serving", MODELS)
def test_each_response_has_its_times(tmp_path: Path, serving: str, sampled: str | None) -> None:
    (tmp_path / "a").write_text("file")
    settings = Settings(
        target=app,
        bind=("127.0.0.1:0",),
        serving=serving,
        mount=(f"/files={tmp_path}",),
        server_timing=True,
        trace_sample=sampled,
    )
    with Server(settings) as server, Client(address_of(server)) as client:
        for path in ("/", "/", "/files/a", "/files/a", "/files/none"):
            # The client fails by itself if a field comes twice.
            assert TIMES.fullmatch(client.get(path).fields["server-timing"]), path
        begun = monotonic()
        held = TIMES.fullmatch(client.get("/held").fields["server-timing"])
        assert held
        assert HELD_S * 1000 <= float(held[2]) <= (monotonic() - begun) * 1000


def test_an_application_keeps_times_of_its_own() -> None:
    head = b"HTTP/1.1 200 OK\r\nServer-Timing: db;dur=1\r\n\r\nServer-Timing: read;dur="
    once = with_times(head, -1.0, 0.002)
    assert once.startswith(b"HTTP/1.1 200 OK\r\nServer-Timing: db;dur=1\r\n")
    assert b"\r\nServer-Timing: read;dur=0.000, app;dur=2.000\r\n\r\nServer-Timing" in once
    assert with_times(once, 1.0, 1.0) == once
