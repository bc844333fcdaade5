"""Sampled requests as spans: lines of OTLP's JSON, as its file exporter writes them.

https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/: each line is a whole
request to export.  A request is a span of the server with one child for each of its parts.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from .line import NO_QUEUE, NO_TCP
from .prometheus import PARTS

SERVER, INTERNAL = 2, 1
"""SpanKind."""

ERROR = 2
"""StatusCode."""

SERVER_ERRORS = 500

PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def line_of(sample: dict[str, Any], version: str) -> str:
    """One sample, as a line without its end. `version`: ours."""
    found = PARENT.fullmatch(sample["parent"])
    trace_id, parent = found.groups() if found else (secrets.token_hex(16), "")
    whole = secrets.token_hex(8)
    at_ns = begun_ns = sample["end"] - sum(sample[part] for part in PARTS)
    request = span(whole, parent, name=sample["method"], times=(begun_ns, sample["end"]))
    request |= {"kind": SERVER, "attributes": attributes(sample)}
    if sample["status"] >= SERVER_ERRORS:
        request["status"] = {"code": ERROR}
    spans = [request]
    for part in PARTS:
        end_ns = at_ns + sample[part]
        spans.append(span(secrets.token_hex(8), whole, name=part, times=(at_ns, end_ns)))
        at_ns = end_ns
    for one in spans:
        one["traceId"] = trace_id
    scope = {"scope": {"name": "fivefold", "version": version}, "spans": spans}
    resource = {"attributes": [attribute("service.name", "fivefold")]}
    exported = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}
    return json.dumps(exported, separators=(",", ":"))


def span(number: str, parent: str, *, name: str, times: tuple[int, int]) -> dict[str, Any]:
    """Times are nanoseconds since 1970, as text: JSON's numbers are too short for them."""
    begun_ns, end_ns = times
    return {
        "spanId": number,
        "parentSpanId": parent,
        "name": name,
        "kind": INTERNAL,
        "startTimeUnixNano": str(begun_ns),
        "endTimeUnixNano": str(end_ns),
    }


def attributes(sample: dict[str, Any]) -> list[dict[str, Any]]:
    path, _, query = sample["target"].partition("?")
    found = [
        attribute("http.request.method", sample["method"]),
        attribute("url.path", path),
        attribute("http.response.status_code", sample["status"]),
        attribute("fivefold.thread_ns", sample["thread"]),
    ]
    if query:
        found.append(attribute("url.query", query))
    if sample["queue"] != NO_QUEUE:
        found.append(attribute("fivefold.queue_ns", sample["queue"]))
    if sample["rtt"] != NO_TCP:
        found.append(attribute("fivefold.tcp_rtt_ns", sample["rtt"]))
        found.append(attribute("fivefold.tcp_retransmitted", sample["retransmitted"]))
    return found


def attribute(key: str, value: str | int) -> dict[str, Any]:
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    return {"key": key, "value": {"stringValue": value}}
