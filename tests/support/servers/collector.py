"""A collector of OpenTelemetry's spans: OTLP over HTTP, by the library's own messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

SERVER, INTERNAL = 2, 1
"""SpanKind."""

ERROR = 2
"""StatusCode."""


@dataclass
class Span:
    """What a collector sees of one."""

    name: str
    kind: int
    trace: str
    number: str
    parent: str
    status: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)


class Collector:
    """Has all spans of a server once that has ended."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        vars(self._server)["collector"] = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.spans: list[Span] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def begin(self) -> None:
        """Until then clients wait. After the forks: threads do not cross them."""
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def of_server(self) -> list[Span]:
        return [span for span in self.spans if span.kind == SERVER]

    def below(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent == parent.number]

    def take(self, data: bytes) -> None:
        for resource_spans in ExportTraceServiceRequest.FromString(data).resource_spans:
            resource = values(resource_spans.resource.attributes)
            for scope in resource_spans.scope_spans:
                self.spans += [decoded(span, resource) for span in scope.spans]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            vars(self.server)["collector"].take(data)
        body = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name
        """Nothing: a test says what it saw."""


def decoded(span: Any, resource: dict[str, Any]) -> Span:
    return Span(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.status.code,
        values(span.attributes),
        resource,
        [{"name": event.name, **values(event.attributes)} for event in span.events],
    )


def values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()
