"""`--otel`: a span for each request, and what an application does is below it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from applications.traced import asgi, wsgi
from fivefold import Server, Settings
from fivefold.content.static.site import Static
from fivefold.http1.exchange import Exchange
from fivefold.serving import MODELS
from support.client import Client
from support.every_pair import pairs
from support.servers.collector import ERROR, Collector, Span, collecting
from support.servers.embedded import address_of
from support.websocket.raw import TEXT, RawWebSocket, closing, frame

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FROM_CLIENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "order=7"}

STALLED_S = 0.05

LARGE = 8 << 20
"""More than the buffers of both ends take."""


@contextmanager
def traced(target: Any, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Any]:
    """A server, its client's address and its collector; which has all spans at the end."""
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
        values = {"target": target, "bind": "127.0.0.1:0", "grace_s": 10.0, "otel": True}
        with Server(Settings.of(values | settings)) as server:
            collector.begin()
            yield address_of(server), collector


def by_path(collector: Collector) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for span in collector.of_server():
        found.setdefault(span.attributes["url.path"], []).append(span)
    return found


def numbers(body: bytes) -> list[str]:
    return [line.split()[0] for line in body.decode().splitlines()]


@pytest.mark.parametrize("application", [wsgi, asgi], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("serving", MODELS)
def test_each_request_is_one_span_and_the_application_is_below_it(
    serving: str, application: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("file")
    settings = {"serving": serving, "mount": (f"/files={tmp_path}",)}
    with (
        traced(application, monkeypatch, **settings) as (address, collector),
        Client(address) as client,
    ):
        given = client.get("/?a=1", **FROM_CLIENT)
        # Neither is one of the same client's any more, in the same thread or task.
        own = [client.get("/"), client.get("/")]
        parts = client.get("/parts", **FROM_CLIENT)
        client.send(b"POST /201 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
        client.answer()
        for path in ("/404", "/503", "/files/a", "/files/none"):
            client.get(path)
        client.get("/fail")
    assert [answer.body.split()[1] for answer in (given, parts, *own)] == [b"7"] * 2 + [b"None"] * 2
    spans = by_path(collector)
    assert {path: len(found) for path, found in spans.items()} == {
        "/": 3,
        **dict.fromkeys(("/parts", "/201", "/404", "/503", "/fail", "/files/a", "/files/none"), 1),
    }
    first, *others = spans["/"]
    assert (first.trace, first.parent) == (TRACE, PARENT)
    assert len({TRACE, *(span.trace for span in others)}) == 3
    assert [span.parent for span in others] == ["", ""]
    for span, answer in zip(spans["/"] + spans["/parts"], [given, *own, parts], strict=True):
        assert sorted(below.number for below in collector.below(span)) == sorted(
            numbers(answer.body)
        )
        assert {below.trace for below in collector.below(span)} == {span.trace}
    statuses = {
        path: found[0].attributes["http.response.status_code"] for path, found in spans.items()
    }
    expected = {"/": 200, "/parts": 200, "/201": 201, "/404": 404, "/503": 503, "/fail": 500}
    assert statuses == expected | {"/files/a": 200, "/files/none": 404}
    failed = {path: found[0].status == ERROR for path, found in spans.items()}
    assert [path for path in failed if failed[path]] == ["/503", "/fail"]
    assert spans["/503"][0].attributes["error.type"] == "503"
    (event,) = spans["/fail"][0].events
    assert (event["name"], event["exception.message"]) == ("exception", "of the application")
    assert spans["/fail"][0].attributes["error.type"] == "ValueError"
    assert first.resource["service.name"] == "shop"
    assert (
        first.attributes.items()
        >= {
            "http.request.method": "GET",
            "url.query": "a=1",
            "url.scheme": "http",
            "network.protocol.version": "1.1",
            "server.address": "test",
            "client.address": "127.0.0.1",
            "fivefold.serving": serving,
        }.items()
    )
    assert first.attributes["fivefold.queue_ms"] >= 0
    assert "fivefold.queue_ms" not in others[0].attributes


@pytest.mark.parametrize("names", [{}, {"request_id": True}], ids=["", "named"])
@pytest.mark.parametrize("serving", MODELS)
def test_a_file_in_memory_is_looked_up_once(
    serving: str, names: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("file")
    os.utime(tmp_path / "a", (1e9, 1e9))  # young files are trusted for a moment only
    looked_up = tmp_path / "looked up"
    respond = Static.respond

    def noted(site: Static, exchange: Exchange) -> Any:
        with looked_up.open("a") as notes:
            notes.write("x")
        return respond(site, exchange)

    monkeypatch.setattr(Static, "respond", noted)
    settings = {"serving": serving, "mount": (f"/files={tmp_path}",), **names}
    with (
        traced(wsgi, monkeypatch, **settings) as (address, collector),
        Client(address) as client,
    ):
        answers = [client.get("/files/a") for _ in range(4)]
        client.send(b"GET /files/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        answers.append(client.answer())
        assert client.at_end()
    assert looked_up.read_text() == "x"
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"file")] * 5
    assert len({answer.fields.get("x-request-id") for answer in answers}) == (5 if names else 1)
    spans = [span.attributes for span in by_path(collector)["/files/a"]]
    assert [span["http.response.status_code"] for span in spans] == [200] * 5
    assert all(span["fivefold.network.copy_ms"] > 0 for span in spans)


@pairs()
def test_the_two_ios_are_measured(
    pair: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small").write_text("file")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGE)
    mounted = {"mount": (f"/files={tmp_path}",)}
    with (
        traced(wsgi, monkeypatch, **pair, **mounted) as (address, collector),
        Client(address, receive_buffer=4096) as client,
    ):
        below = numbers(client.get("/", **FROM_CLIENT).body)
        client.get("/files/small")
        client.send(b"GET /files/large HTTP/1.1\r\nHost: h\r\n\r\n")
        client.sock.recv(1)
        threading.Event().wait(STALLED_S)  # so long the client takes nothing
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        left = LARGE
        while left > 0:
            left -= len(client.sock.recv(1 << 20))
    spans = by_path(collector)
    (called,) = spans["/"]
    assert (called.trace, called.parent) == (TRACE, PARENT)
    assert [span.number for span in collector.below(called)] == below
    small, large = (spans[f"/files/{name}"][0].attributes for name in ("small", "large"))
    assert large["fivefold.network.wait_ms"] >= STALLED_S * 1000 / 2
    assert large["fivefold.network.copy_ms"] > 0
    assert large["fivefold.first_byte_ms"] >= 0
    assert small["fivefold.network.wait_ms"] >= 0
    assert {span["fivefold.io"] for span in (small, large)} == {pair["io"]}


@pytest.mark.parametrize("serving", MODELS)
def test_a_websocket_is_one_span_for_its_life(
    serving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        traced(asgi, monkeypatch, serving=serving) as (address, collector),
        RawWebSocket(address) as client,
    ):
        client.open("/")
        client.send(frame(TEXT, b"go on"))
        assert client.frame().code == 1000
        client.send(closing(1000))
    (span,) = collector.of_server()
    assert span.attributes["http.response.status_code"] == 101
    assert len(collector.below(span)) == 2
    assert "error.type" not in span.attributes


def test_a_sampler_that_takes_nothing_leaves_the_trace_of_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    with (
        traced(wsgi, monkeypatch, serving="async") as (address, collector),
        Client(address) as client,
    ):
        client.get("/")
        kept = client.get("/", **FROM_CLIENT)
    (span,) = collector.of_server()
    assert span.parent == PARENT
    assert [below.number for below in collector.below(span)] == numbers(kept.body)
