"""A server that could be traced, and is not: nothing of `tracing` is called."""

from __future__ import annotations

import json
import sys
from time import monotonic
from types import FrameType
from typing import Any

import pytest

import fivefold.inspection
import fivefold.tracing
from fivefold import Server, Settings
from fivefold.tracing.attach.tracer import Attached
from support.client import Client
from support.servers.embedded import address_of

TRACING = (fivefold.tracing.__path__[0], fivefold.inspection.__path__[0])
PATIENCE_S = 20.0

CALLED: set[str] = set()
"""In the worker: the files of all functions that its thread has called."""


def note(frame: FrameType, event: str, argument: object) -> None:
    CALLED.add(frame.f_code.co_filename)


async def says_what_was_called(scope: Any, receive: Any, send: Any) -> None:
    """The first call begins to note; each answers with what was noted until then."""
    if scope["type"] != "http":
        return
    body = json.dumps(sorted(CALLED)).encode()
    CALLED.clear()
    sys.setprofile(note)
    length = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})


def called(address: tuple[str, int]) -> list[str]:
    """By the worker, since the last connection was asked for the same."""
    with Client(address) as client:
        files: list[str] = json.loads(client.get("/").body)
    return files


def is_traced(files: list[str]) -> bool:
    return any(file.startswith(TRACING) for file in files)


@pytest.mark.parametrize("io", ["epoll", "uring"])
def test_a_new_connection_does_not_pass_through_tracing(io: str) -> None:
    values = {"target": says_what_was_called, "bind": "127.0.0.1:0", "serving": "async", "io": io}
    with Server(Settings.of(values)) as server:
        address = address_of(server)
        called(address)
        before = called(address)
        with Attached(server.pid, privileged=False) as attached:
            called(address)
            meanwhile = called(address)
            next(attached.traces(PATIENCE_S))
        until = monotonic() + PATIENCE_S
        while is_traced(after := called(address)):
            assert monotonic() < until, "the overlays were not lifted"
    for files in (before, meanwhile, after):
        assert any(file.endswith("http1/connection.py") for file in files)
    assert not is_traced(before)
    assert is_traced(meanwhile)
