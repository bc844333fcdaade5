"""Whose bytes a connection of HTTP/2 sends, frame by frame, and where a stream's last one is.

Facts.        A frame begins with a head of nine bytes that names its stream (RFC 9113, section
              4.1); the last one of a response says so (END_STREAM, sections 6.1 and 6.2), as does a
              reset.  A send ends after so many bytes, also in the middle of a frame.
Choice.       What is left of a frame is remembered from one send to the next, also while no stream
              is traced.
Assumption.   The first send that is looked at begins with a frame.  One that a tracer finds cut,
              because it attached between two sends of a response, is counted for a stream that
              there is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

HEAD_BYTES = 9
"""Three of length, one of kind, one of flags, four of the stream."""
STREAM_BITS = 0x7FFFFFFF

DATA, HEADERS, RESET = 0, 1, 3
"""Kinds of frames (RFC 9113, section 6)."""
END_STREAM = 0x1
"""A flag of the first two."""


class FramePart(NamedTuple):
    """Bytes of one frame, with its head, in one send."""

    stream: int
    size: int
    is_last: bool
    """Whether its stream ends with them."""


class FramesSent:
    """Of one connection, from its first send or from a later one."""

    def __init__(self) -> None:
        self._head = b""
        """What has come of the head of a frame, if that was cut; whole while its frame is left."""
        self._left = 0
        """How much of the frame is still to come."""

    def parts(self, data: bytes) -> Iterator[FramePart]:
        """What the next send has of frames; of a head that is cut, once the rest has come."""
        at = 0
        while at < len(data):
            begun = at
            if not self._left:
                begun -= len(self._head)
                at += self._begin(data[at : at + HEAD_BYTES])
                if len(self._head) < HEAD_BYTES:
                    return
            taken = min(self._left, len(data) - at)
            self._left -= taken
            at += taken
            yield FramePart(self._stream, at - begun, self._is_last and not self._left)
            if not self._left:
                self._head = b""

    def _begin(self, data: bytes) -> int:
        """The next bytes of a head; how many of these are."""
        missing = data[: HEAD_BYTES - len(self._head)]
        self._head += missing
        if len(self._head) == HEAD_BYTES:
            self._left = int.from_bytes(self._head[:3])
        return len(missing)

    @property
    def _stream(self) -> int:
        return int.from_bytes(self._head[5:]) & STREAM_BITS

    @property
    def _is_last(self) -> bool:
        kind, flags = self._head[3], self._head[4]
        return kind == RESET or (kind in {DATA, HEADERS} and bool(flags & END_STREAM))
