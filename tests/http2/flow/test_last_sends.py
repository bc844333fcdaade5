"""What a connection that is being closed still sends."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fivefold.http1.limits import Limits
from fivefold.http2.flow.outgoing import Outgoing
from fivefold.iomodels.interface import Waiter
from support.scripted_connection import FakeConnection


class TakesLate(FakeConnection):
    """The kernel takes each part when it is asked again."""

    async def send(self, *buffers: bytes) -> None:
        await super().send(*buffers)
        await Waiter()


class Endless:
    """Of frames."""

    are_over = False

    def to_send(self) -> bytes:
        return b"part"


class OfOneConnection:
    """All of them are told."""

    def __init__(self) -> None:
        self.are_over = False

    def end_all(self) -> None:
        self.are_over = True

    def end_reading(self) -> None:
        raise AssertionError("nobody has agreed on an end")


def test_a_send_under_way_is_the_last() -> None:
    """The client has reset while it waited: what followed would meet a TLS that is over."""
    conn = TakesLate([])
    outgoing = Outgoing(conn, cast("Any", Endless()), Limits(), lambda: None, OfOneConnection())
    sending = outgoing.now()
    sending.send(None)
    sending.send(None)
    assert conn.sent == b"part" * 2
    outgoing.end()
    with pytest.raises(StopIteration):
        sending.send(None)
    assert conn.sent == b"part" * 2
    assert not outgoing.busy
