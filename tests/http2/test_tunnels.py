"""Websockets on streams of HTTP/2 (RFC 8441), in every pair."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from applications.asgi import websocket_sample
from applications.wsgi import sample as wsgi_sample
from support import TESTS
from support.every_pair import chosen_pairs, pairs
from support.http2_client import Http2Client
from support.servers.deployed import deployed, until
from support.servers.embedded import Site, hosting, open_gate
from support.websocket.over_http2 import StreamSocket, connect_fields

Pair = dict[str, Any]


MANY_BYTES = 20_000
"""More than a thousand small messages, each in a frame of its own."""


@contextmanager
def talking(pair: Pair) -> Iterator[tuple[Site, Http2Client]]:
    with hosting(websocket_sample.app, h2c=True, **pair) as site, Http2Client(site.address) as made:
        yield site, made


@pairs()
def test_messages_both_ways(pair: Pair) -> None:
    with talking(pair) as (site, client):
        echo = StreamSocket(client, "/echo")
        assert (echo.status, echo.field["x-accepted"]) == (200, "yes")
        assert "sec-websocket-accept" not in echo.field
        for message in ("text", b"\x00\xff", "ü" * 100_000, os.urandom(500_000)):
            echo.send(message)
            assert echo.recv() == message
        echo.close(4001, "bye")
        assert echo.closed_by() == (4001, "bye")
        client.whole(echo.number)  # its end is said: RFC 8441, section 5
        assert json.loads(site.notes.next()) == ["websocket.disconnect", 4001, "bye"]
        both = StreamSocket(client, "/both-ways")
        assert len([both.recv() for _ in range(150)]) == 150
        both.send("heard")
        assert both.recv() == "heard"
        both.closed_by()
        client.whole(both.number)
        described = StreamSocket(client, "/describe", [("sec-websocket-protocol", "a, b")])
        assert described.field["sec-websocket-protocol"] == "b"
        said = json.loads(described.recv())
        assert (said["type"], said["scheme"], said["path"]) == ("websocket", "ws", "/describe")


def unread(sock: socket.socket) -> int:
    """Bytes that have come and were not read (FIONREAD, tcp(7))."""
    (size,) = struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))
    assert isinstance(size, int)
    return size


@pairs()
def test_ends_of_all_kinds(pair: Pair) -> None:
    with hosting(websocket_sample.app, h2c=True, **pair) as site:
        with Http2Client(site.address) as client:
            closing = StreamSocket(client, "/close")
            assert closing.closed_by() == (4321, "enough, märchen")
            client.whole(closing.number)
            assert [site.notes.next(), site.notes.next()] == ["OSError", "websocket.disconnect"]
            pushing = StreamSocket(client, "/push")
            for number in range(100):
                assert pushing.recv() == str(number)
            until(lambda: unread(client.sock) > MANY_BYTES, "more than it reads")
            client.leave_stream(pushing.number)
            client.caught_up()
            assert site.notes.next() == "OSError"
            echo = StreamSocket(client, "/echo")
            client.leave_stream(echo.number)
            assert json.loads(site.notes.next())[:2] == ["websocket.disconnect", 1006]
            echo = StreamSocket(client, "/echo")
            client.put_part(echo.number, b"", end=True)  # a FIN, without a close
            client.whole(echo.number)
            assert json.loads(site.notes.next())[:2] == ["websocket.disconnect", 1006]
            StreamSocket(client, "/echo")
        assert json.loads(site.notes.next())[:2] == ["websocket.disconnect", 1006]


@pairs()
def test_handshakes_that_are_refused(pair: Pair) -> None:
    with talking(pair) as (_, client):
        denied = client.begin_with(connect_fields(client, "/deny"), end=False)
        answer = client.whole(denied)
        assert (answer.status, answer.body) == (418, b"not coffee")
        assert answer.fields["x-why"] == "taste"
        rejected = client.begin_with(connect_fields(client, "/reject"), end=False)
        assert client.whole(rejected).status == 403
        old = [*connect_fields(client, "/echo")[:-1], ("sec-websocket-version", "7")]
        answer = client.whole(client.begin_with(old, end=False))
        assert (answer.status, answer.fields["sec-websocket-version"]) == (400, "13")
        other = [(":method", "CONNECT"), (":protocol", "connect-udp")]
        fields = [*other, *connect_fields(client, "/echo")[2:]]
        assert client.whole(client.begin_with(fields, end=False)).status == 501
        echo = StreamSocket(client, "/echo")
        echo.send("still")
        assert echo.recv() == "still"


@pytest.mark.parametrize(
    "pair", chosen_pairs("process-blocking", "thread-epoll", "async-epoll", "async-uring")
)
def test_where_there_is_no_websocket_none_opens(pair: Pair) -> None:
    """A success would mean an open one. Content answers, which knows no pair: one of each serving
    model, and of each kind of engine."""
    for target, path in ((wsgi_sample.app, "/generator"), (TESTS, "/conftest.py")):
        with hosting(target, h2c=True, **pair) as site, Http2Client(site.address) as client:
            answer = client.whole(client.begin_with(connect_fields(client, path), end=False))
            assert answer.status == 501
            assert b"no websocket" in answer.body
            assert "Traceback" not in site.log
            assert client.ask(path).status == 200


@pairs()
def test_a_server_that_stops(pair: Pair) -> None:
    with hosting(websocket_sample.app, h2c=True, **pair) as site:
        with Http2Client(site.address) as client:
            echo = StreamSocket(client, "/echo")
            echo.send("open")
            assert echo.recv() == "open"
            site.terminate()
            assert echo.closed_by() == (1012, "the server stops")
            assert client.at_end()
            assert client.goaway is not None
        assert json.loads(site.notes.next())[:2] == ["websocket.disconnect", 1012]


@pairs()
def test_a_client_that_takes_nothing_holds_the_sender(pair: Pair) -> None:
    with talking(pair) as (site, client):
        client.paused.add(1)  # before the stream is there: some of it may come with its head
        flood = StreamSocket(client, "/flood")
        assert flood.number == 1
        stream = client.streams[flood.number]
        client.until(lambda: len(stream.body) == 65535)  # the window, and no byte more
        client.paused.clear()
        client.session.acknowledge_received_data(65535, flood.number)
        client.flush()
        assert [len(flood.recv()) for _ in range(256)] == [65536] * 256
        assert site.notes.next() == "done"


@pairs(overlapping=True)
def test_an_application_that_takes_nothing_holds_the_client(pair: Pair) -> None:
    with hosting(websocket_sample.app, h2c=True, **pair) as site:
        gate = site.gate("slow")
        with Http2Client(site.address) as client:
            slow = StreamSocket(client, "/slow-reader")
            assert site.notes.next() == "waiting"
            data = b"".join(slow.frame(bytes(65536)) for _ in range(64))
            window = client.session.local_flow_control_window
            sent = 0
            while (size := min(16384, window(slow.number))) > 0:
                client.session.send_data(slow.number, data[sent : sent + size])
                client.flush()
                sent += size
                if sent > 3_000_000:
                    break
            assert sent < 3_000_000  # the client is held
            open_gate(gate)
            client.put_part(slow.number, data[sent:])
            slow.send(b"")
            assert slow.recv() == str(64 * 65536)


@pairs(overlapping=True)
def test_many_on_one_connection(pair: Pair) -> None:
    if pair["io"] == "blocking":
        return  # its streams are answered in turn
    with talking(pair) as (_, client):
        sockets = [StreamSocket(client, "/silent-echo") for _ in range(20)]
        for number, each in enumerate(sockets):
            each.send(str(number))
        for number, each in reversed(list(enumerate(sockets))):
            assert each.recv() == str(number)


@pytest.mark.parametrize(
    "pair", chosen_pairs("async-epoll", "async-uring", "thread-blocking", "process-epoll")
)
def test_they_are_requests_to_whatever_counts_and_times(pair: Pair, tmp_path: Path) -> None:
    arguments = ("--h2c", "--serving", pair["serving"], "--io", pair["io"], "--chdir", str(TESTS))
    more = ("--trace-sample", "1/1", "--max-requests", "2")
    target = "applications.asgi.websocket_sample:app"
    with deployed(tmp_path, target, *arguments, *more) as server:
        with Http2Client(server.address) as client:
            for _ in range(2):
                echo = StreamSocket(client, "/echo")
                assert "app;dur=" in echo.field["server-timing"]
                echo.close(1000)
                client.whole(echo.number)
        server.said("GET /echo 101 in ", times=2)
        server.said("has had 2 requests (--max-requests)")
        server.stop()
