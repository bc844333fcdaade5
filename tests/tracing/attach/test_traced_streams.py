"""A stream of HTTP/2 that is traced next to others: what is said of these, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fivefold.tracing.attach.frames_sent import FramesSent
from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.model import RESPONSE, Trace
from support.http2_client import Http2Client
from support.servers.embedded import running

HUGE, LARGE, SMALL = 4_000_000, 80_000, 5000
PATIENCE_S = 5.0
ENGINES = ["epoll", "sigio", "uring"]

SHARED = re.compile(r"streams;.*; (.*)$")
PARTS = re.compile(r"of ([\d,]+) bytes sent meanwhile ([\d,]+) were this stream's")
ALONE = "no other one was seen meanwhile"
WITH_ONE = "1 other one was open meanwhile (1 when it began)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "small").write_bytes(bytes(SMALL))
    (folder / "large").write_bytes(bytes(LARGE))
    (folder / "huge").write_bytes(bytes(HUGE))
    return folder


def said(trace: Trace) -> str:
    (note,) = [found[1] for note in trace.notes if (found := SHARED.search(note))]
    return note


def stalled(client: Http2Client) -> int:
    """A stream whose client has taken some of it and opens its window no more."""
    number: int = client.session.get_next_available_stream_id()
    client.paused.add(number)
    assert client.begin("/huge") == number
    client.head(number)
    client.caught_up()
    return number


def whole(client: Http2Client, path: str) -> None:
    """Until the server knows, too: a ring says of a send that it is over when its client has the
    answer already."""
    assert client.whole(client.begin(path)).status == 200
    client.caught_up()


@pytest.mark.parametrize("io", ENGINES)
@pytest.mark.parametrize("is_first", [True, False], ids=["attached later", "attached before"])
def test_a_stream_that_was_open_before_is_counted(io: str, *, is_first: bool, folder: Path) -> None:
    with (
        running(target=str(folder), h2c=True, serving="async", io=io) as (server, address),
        Http2Client(address) as client,
    ):
        if is_first:
            stalled(client)
        with Attached(server.pid, pattern="/small", count=3, privileged=False) as attached:
            if not is_first:
                stalled(client)
            whole(client, "/small")
            whole(client, "/small")
            with Http2Client(address) as other:
                whole(other, "/small")
                traces = list(attached.traces(PATIENCE_S))
    assert [said(trace) for trace in traces] == [WITH_ONE, WITH_ONE, ALONE]


STREAMS = 12


@pytest.mark.parametrize("io", ENGINES)
def test_one_that_its_client_asks_as_soon_as_it_has_the_answer_before_is_traced(
    io: str, folder: Path
) -> None:
    """The server may hear of the next request before it hears that its send is over."""
    with (
        running(target=str(folder), h2c=True, serving="async", io=io) as (server, address),
        Http2Client(address) as client,
        Attached(server.pid, count=STREAMS, privileged=False) as attached,
    ):
        for _ in range(STREAMS // 2):
            assert client.whole(client.begin("/large")).status == 200
            assert client.whole(client.begin("/small")).status == 200
        traces = list(attached.traces(PATIENCE_S))
    assert len(traces) == STREAMS
    for trace in traces:
        assert trace.request["status"] == 200
        size = {"/small": SMALL, "/large": LARGE}[trace.request["target"]]
        assert size < trace.request["bytes"] < size + 1000
        (lane,) = trace.lanes
        assert sum(one.bytes for one in lane.segments if one.part == RESPONSE) > size


@pytest.mark.parametrize("io", ENGINES)
def test_a_stream_ends_with_its_own_last_frame_behind_a_send_that_was_under_way(
    io: str, folder: Path
) -> None:
    """The kernel has no room for the send, so the answer of the stream waits."""
    with (
        running(target=str(folder), h2c=True, serving="async", io=io) as (server, address),
        Http2Client(address, receive_buffer=4096) as client,
        Attached(server.pid, pattern="/small", privileged=False) as attached,
    ):
        client.session.increment_flow_control_window(HUGE)
        huge = client.begin("/huge")
        client.session.increment_flow_control_window(HUGE, huge)
        client.flush()
        client.head(huge)
        small = client.begin("/small")
        assert client.whole(small).status == 200
        assert len(client.whole(huge).body) == HUGE
        (trace,) = attached.traces(PATIENCE_S)
    (shares,) = [found for note in trace.notes if (found := PARTS.search(note))]
    both, own = (int(each.replace(",", "")) for each in shares.groups())
    assert SMALL < own < SMALL + 1000
    assert own < both
    assert said(trace) == WITH_ONE


@pytest.mark.parametrize("io", ENGINES)
def test_after_a_stream_that_its_client_gave_up_the_next_one_is_traced(
    io: str, folder: Path
) -> None:
    with (
        running(target=str(folder), h2c=True, serving="async", io=io) as (server, address),
        Http2Client(address) as client,
        Attached(server.pid, count=1, privileged=False) as attached,
    ):
        client.leave_stream(stalled(client))
        client.caught_up()
        whole(client, "/small")
        (trace,) = attached.traces(PATIENCE_S)
    assert trace.request["target"] == "/small"
    assert said(trace) == ALONE


def test_requests_that_wait_for_their_turn_are_open(folder: Path) -> None:
    """A blocking connection answers one after the other; all of them came at once."""
    with (
        running(target=str(folder), h2c=True, serving="thread", io="blocking") as (server, address),
        Attached(server.pid, privileged=False) as attached,
        Http2Client(address) as client,
    ):
        flush, client.flush = client.flush, lambda: None  # type: ignore[method-assign]
        numbers = [client.begin("/huge"), client.begin("/small")]
        client.flush = flush  # type: ignore[method-assign]
        client.flush()
        assert {client.whole(number).status for number in numbers} == {200}
        (trace,) = attached.traces(PATIENCE_S)
    assert said(trace).startswith("1 other one was open meanwhile")


def raising(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    raise RuntimeError("for the test")


@pytest.mark.parametrize("serving", ["async", "thread"])
def test_an_application_that_raises_is_traced_to_the_end_of_the_answer_in_its_place(
    serving: str,
) -> None:
    with (
        running(target=raising, h2c=True, serving=serving) as (server, address),
        Attached(server.pid, count=2, privileged=False) as attached,
        Http2Client(address) as client,
    ):
        for _ in range(2):
            assert client.whole(client.begin("/")).status == 500
            client.caught_up()
        traces = list(attached.traces(PATIENCE_S))
    assert [trace.request["status"] for trace in traces] == [500, 500]
    assert [said(trace) for trace in traces] == [ALONE, ALONE]


def frame(stream: int, kind: int, flags: int, size: int) -> bytes:
    head = size.to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4)
    return head + b"\x01" * size


@pytest.mark.parametrize("cut", [1, 2, 8, 9, 10, 4096])
def test_a_frame_that_is_cut_counts_for_its_own_stream(cut: int) -> None:
    sent = frame(1, 1, 4, 30) + frame(1, 0, 0, 500) + frame(3, 0, 1, 40) + frame(0, 4, 0, 0)
    sent += frame(1, 0, 1, 0) + frame(5, 3, 0, 4)
    frames, sizes, ends = FramesSent(), dict.fromkeys((0, 1, 3, 5), 0), []
    for at in range(0, len(sent), cut):
        for part in frames.parts(sent[at : at + cut]):
            sizes[part.stream] += part.size
            ends += [part.stream] * part.is_last
    assert ends == [3, 1, 5]
    assert sum(sizes.values()) == len(sent)
    assert sizes == {0: 9, 1: 39 + 509 + 9, 3: 49, 5: 13}
