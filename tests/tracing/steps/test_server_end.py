"""Where the trace of a real request ends, from events that are written out here."""

from __future__ import annotations

from typing import Any

import pytest

from fivefold.tracing.model import Observation
from fivefold.tracing.steps.server_end import ServedTimeline, served

SERVER, CLIENT = 8000, 40000


def clock(at_us: int, event: str) -> Observation:
    return Observation(at_us * 1000, "clock", event, {"tid": 7, "bytes": 9})


def packet(at_us: int, event: str, skb: str, **fields: Any) -> Observation:
    detail = {"tid": 7, "context": "softirq", "fields": {"skbaddr": skb, **fields}}
    return Observation(at_us * 1000, "tracefs", event, detail)


def exchange(acknowledged_us: int, taken_us: int) -> ServedTimeline:
    """Its response leaves at 60 µs."""
    seen = [
        packet(10, "tcp:tcp_probe", "a", sport=SERVER, dport=CLIENT, data_len=80),
        clock(20, "recv.end"),
        clock(30, "content.enter"),
        clock(50, "send.begin"),
        packet(55, "tcp:tcp_probe", "b", sport=SERVER, dport=CLIENT, data_len=0),
        packet(60, "net:net_dev_queue", "c"),
        packet(61, "net:net_dev_xmit", "c"),
        packet(acknowledged_us, "tcp:tcp_probe", "d", sport=SERVER, dport=CLIENT, data_len=0),
        clock(taken_us, "send.end"),
    ]
    return ServedTimeline(seen, 0, SERVER)


@pytest.mark.parametrize(("acknowledged_us", "taken_us"), [(70, 5000), (5000, 70)])
def test_it_ends_with_the_acknowledgement_of_what_was_sent_last(
    acknowledged_us: int, taken_us: int
) -> None:
    """Also where the server's thread had lost its processor before it came to know."""
    timeline = exchange(acknowledged_us, taken_us)
    assert timeline.us(timeline.end_ns) == acknowledged_us - 10
    delivery = served(timeline)[10]
    assert (delivery.start_us, delivery.duration_us) == (51, acknowledged_us - 61)
