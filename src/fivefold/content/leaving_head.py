"""A field put into the head of a response as it leaves, whatever makes the response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..iomodels.overlay import Overlay

HEAD_END = b"\r\n\r\n"

FINAL, SWITCHING = 200, 101
"""Below the first a response is not yet the response, but for the second (RFC 9110, 15.2)."""


def is_head(data: bytes) -> bool:
    """Whether the response begins with these bytes, and no interim one does."""
    status = status_of(data)
    return status >= FINAL or status == SWITCHING


def status_of(data: bytes) -> int:
    """Of a response that begins with these bytes; 0 if none does."""
    return int(data[9:12]) if data[:5] == b"HTTP/" and data[9:12].isdigit() else 0


def with_line(data: bytes, line: bytes) -> bytes:
    """With a field behind the others; as it is if the head does not end in these bytes."""
    end = data.find(HEAD_END) + 2
    return data if end < len(b"\r\n") else b"".join((data[:end], line, data[end:]))


@contextmanager
def seen(conn: Any, opened: Callable[[bytes], bytes]) -> Iterator[None]:
    """Meanwhile what the connection sends passes `opened` first, which may change it.

    Cost: what `Overlay` says, and a small response does not wait for others of its turn.
    """

    def sending(send: Callable[..., Any]) -> Callable[..., Any]:
        return lambda first, *others: send(opened(first), *others)

    def never(_: object) -> Callable[..., Any]:
        return lambda _: False  # it is to be sent by the above

    overlay = Overlay(conn, send=sending, send_file=sending, send_soon=never)
    try:
        yield
    finally:
        overlay.lift()
