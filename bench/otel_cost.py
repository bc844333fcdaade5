"""What `--otel` costs a request: `python bench/otel_cost.py [ROUNDS]`, by hand.

One client asks on one kept connection for a file in memory, one request after the other.  The
servers take turns, each with one part more than the one before.  The figure is the processor time
of all processes of a server for each request: medians of the rounds.  The collector takes what it
is sent.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

from fivefold import Server, Settings
from fivefold.content.opentelemetry import server_span
from fivefold.content.opentelemetry.traced import Traced
from fivefold.content.opentelemetry.two_ios import TwoIos
from fivefold.http1.exchange import Exchange
from fivefold.linux.accounting import used

REQUESTS = 4000

ALL = {
    "OTEL_TRACES_SAMPLER": "always_on",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
}
KEPT = ALL | {"OTEL_TRACES_EXPORTER": "none"}


async def answer(self: Any, exchange: Exchange) -> None:
    """Instead of `Traced.respond`: no span."""
    await self._content.respond(exchange)


async def describe(self: Any, exchange: Exchange) -> None:
    """The same, with what a span would be given."""
    self._attributes.of(exchange, None)
    await self._content.respond(exchange)


class Untimed:
    """Instead of `TwoIos`: no operation is timed."""

    status, opened = 200, 0.0

    def __init__(self, conn: object) -> None:
        """Nothing."""

    def lift(self) -> None:
        """Nothing."""

    def times(self) -> tuple[()]:
        return ()


AS_IT_IS = (Traced.respond, TwoIos)
WAYS: dict[str, tuple[dict[str, str] | None, tuple[Any, Any]]] = {
    "without --otel": (None, AS_IT_IS),
    "no span, a file is looked up for each": (KEPT, (answer, Untimed)),
    "and attributes, the client's trace": (KEPT, (describe, Untimed)),
    "--otel, sampled out": (KEPT | {"OTEL_TRACES_SAMPLER": "always_off"}, AS_IT_IS),
    "a span whose I/Os are not timed": (KEPT, (Traced.respond, Untimed)),
    "a span, not exported": (KEPT, AS_IT_IS),
    "--otel, every request exported": (ALL, AS_IT_IS),
}


class Taking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def processor_us(folder: str, environment: dict[str, str] | None, parts: tuple[Any, Any]) -> float:
    os.environ.update(environment or {})
    respond, ios = parts
    with (
        mock.patch.object(Traced, "respond", respond),
        mock.patch.object(server_span, "TwoIos", ios),
    ):
        return served_us(folder, has_spans=environment is not None)


def served_us(folder: str, *, has_spans: bool) -> float:
    settings = {"target": folder, "bind": "127.0.0.1:0", "serving": "async"}
    with Server(Settings.of(settings | {"otel": has_spans})) as server:
        host, _, port = server.addresses[0].removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port))) as client:
            ask(client, REQUESTS // 10)
            before = used(server.pid).cpu_s
            ask(client, REQUESTS)
            return (used(server.pid).cpu_s - before) / REQUESTS * 1e6


def ask(client: socket.socket, times: int) -> None:
    for _ in range(times):
        client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    collector = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    collector.daemon_threads = True
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    ALL["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{collector.server_address[1]}"
    os.environ.update(ALL)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a").write_text("hello, world\n")
        found = [[processor_us(folder, *way) for way in WAYS.values()] for _ in range(rounds)]
    for name, times in zip(WAYS, zip(*found, strict=True), strict=True):
        print(f"{name:35} {statistics.median(times):6.1f} us, least {min(times):.1f}")


if __name__ == "__main__":
    main()
