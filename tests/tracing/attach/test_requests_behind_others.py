"""Requests that were here before the server came to them: what a trace says of their arrival."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.model import Trace
from fivefold.tracing.steps.server_end import BEFORE, HERE_BEFORE, READ_BEFORE
from support.client import Client
from support.servers.embedded import running
from support.witness import WITH_RIGHTS

PATIENCE_S = 20.0
ONE, TWO = (f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for name in ("one", "two"))


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def traced(fifo: Path, send: Callable[[Client], Any], *, privileged: bool) -> Trace:
    """The second of two requests; the application answers the first once `fifo` is closed."""

    def held(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/one":
            fifo.read_bytes()
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with (
        running(target=held, serving="thread", io="epoll") as (server, address),
        Attached(server.pid, pattern="/two", privileged=privileged) as attached,
        Client(address) as client,
    ):
        send(client)
        client._until(b"ok")
        (trace,) = attached.traces(PATIENCE_S)
    return trace


@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
def test_a_pipelined_request_was_read_before(fifo: Path, *, privileged: bool) -> None:
    def send(client: Client) -> None:
        client.send(ONE + TWO)
        fifo.write_bytes(b"")

    trace = traced(fifo, send, privileged=privileged)
    assert trace.steps[0].why_not == READ_BEFORE


@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
def test_a_request_that_lay_here_has_no_arrival_after_the_response_before_it(
    fifo: Path, *, privileged: bool
) -> None:
    def send(client: Client) -> None:
        client.send(ONE)
        with fifo.open("wb"):  # once the application reads, so the first was received alone
            client.send(TWO)

    trace = traced(fifo, send, privileged=privileged)
    assert trace.steps[0].why_not == (HERE_BEFORE if privileged else BEFORE)
    waits = {one.label for one in trace.lanes[0].segments if one.phase == "wait"}
    assert not privileged or not [label for label in waits if "asleep" in label]
