"""A request whose body comes late: content waits for it, and a trace says that it did."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.model import COPY, PROCESSOR, REQUEST, WAIT
from fivefold.tracing.report.terminal import timeline
from fivefold.tracing.steps.serving_thread import FOR_NEITHER
from support.client import Client
from support.servers.embedded import running
from support.witness import WITH_RIGHTS

PATIENCE_S = 20.0
LATE_S = 0.03
BODY = 3000
HEAD = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY}\r\n\r\n".encode()


def reading(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
@pytest.mark.parametrize(("serving", "io"), [("thread", "blocking"), ("async", "uring")])
def test_the_rest_of_a_request_is_waited_for(serving: str, io: str, *, privileged: bool) -> None:
    with (
        running(target=reading, serving=serving, io=io) as (server, address),
        Attached(server.pid, privileged=privileged) as attached,
        Client(address) as client,
    ):
        client.send(HEAD)
        for part in (bytes(1000), bytes(BODY - 1000)):
            time.sleep(LATE_S)  # the client is slow
            client.send(part)
        (trace,) = attached.traces(PATIENCE_S)
    (lane,) = trace.lanes
    segments = [one for one in lane.segments if one.part == REQUEST]
    waited = sum(one.duration_us for one in segments if one.phase == WAIT)
    # On a busy machine the thread wants a processor for one part while the next one comes.
    wanted = sum(one.duration_us for one in lane.segments if one.io == PROCESSOR)
    assert waited + wanted > LATE_S * 1e6
    copied = sum(one.bytes for one in segments if one.phase == COPY)
    # Without the kernel's events nothing was seen of a ring before it had brought the head.
    assert copied == len(HEAD) + BODY or (not privileged and io == "uring" and copied == BODY)
    assert all(one.duration_us < LATE_S * 1e6 for one in lane.segments if one.label == FOR_NEITHER)
    # What the network wait says that it is adds up to it.
    summary = trace.summary
    steps = sum(step.duration_us for step in trace.steps if step.step in {1, 2, 11})
    assert summary.network_wait_us == pytest.approx(
        steps + summary.rest_wait_us + summary.room_wait_us
    )
    assert summary.rest_wait_us + wanted > LATE_S * 1e6
    assert "+ waits for the rest of the request" in timeline(trace, colour=False, width=200)
