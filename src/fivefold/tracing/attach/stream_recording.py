"""What a connection of HTTP/2 does while one of its streams is served.

Facts.        One coroutine reads for all streams, whatever comes and whenever; another one sends
              for all.  A response is known to be given to the kernel when its stream has been
              answered and a send has ended after that, or had ended before.
Choice.       One stream at a time is traced: from the receive that brought its request until it is
              answered and sent.  Those that are begun meanwhile are counted, and not traced.
              Waiting in `recv` is then no part of the stream: its request is here.  The calls stay,
              because they are what the thread does.
              What is sent meanwhile is counted by the stream that each frame names, so a trace says
              which part of the copies and of the waits for room was its own.
Assumption.   A send begins with a frame's head and ends with a frame's end, as the library of the
              frames makes them; what is cut would count for the stream whose frame it began.
Cost.         Of streams side by side only some are traced; what is read and sent for the others
              meanwhile is in the trace, and a note says so.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

from ...http1.request import Request
from .recording import GIVEN, TAKEN, Operation, Recording

READING = ("recv.", "recvfrom.")

OWN, OTHERS, CONNECTION = "own", "others", "connection"
"""Whose frames are sent; the third are about all streams, such as settings and pings."""

FRAME_HEAD = 9
"""Bytes (RFC 9113, section 4.1): three of length, two of kind and flags, four of the stream."""
STREAM_BITS = 0x7FFFFFFF


class StreamRecording(Recording):
    """As `Recording`, stream by stream."""

    def __init__(self, *arguments: Any) -> None:
        self._stream: Any = None
        """The one that is traced; None between two."""
        self._sends = False
        super().__init__(*arguments)
        self.others = 0
        self.sent = dict.fromkeys((OWN, OTHERS, CONNECTION), 0)

    def _sending(self, send: Operation) -> Operation:
        def sending(first: bytes, *others: Any) -> Coroutine[Any, Any, None]:
            self._share(first)
            return send(first, *others)

        return super()._sending(sending)

    def _share(self, data: bytes) -> None:
        if self._stream is None or self.sent is None:
            return
        for number, size in frames_in(data):
            whose = OWN if number == self._stream.number else OTHERS if number else CONNECTION
            self.sent[whose] += size

    def emit(self, event: str, detail: dict[str, Any]) -> None:
        if self._stream is None:
            self._before_a_request(event, detail)
            return
        if event in {"recv.begin", "recv.end"}:
            return
        self._sends = event in GIVEN or (self._sends and event not in TAKEN)
        super().emit(event, detail)
        if event in TAKEN and self._answered:
            self.over()

    def _before_a_request(self, event: str, detail: dict[str, Any]) -> None:
        """Each receive may be the one that brings it."""
        if event == "recv.begin":
            self.seen = []
        elif event.startswith(READING):
            self._keep(event, detail)

    def asked(
        self, request: Request, *, conn: Any, head_bytes: int, arrived_s: float, wanted: bool
    ) -> None:
        if self._stream is not None:
            self.others = (self.others or 0) + 1
            return
        self._stream = conn
        super().asked(request, conn=conn, head_bytes=head_bytes, arrived_s=arrived_s, wanted=wanted)
        if not self.counts:
            self.count()

    def answered(self, conn: Any, status: int, detail: dict[str, Any]) -> None:
        if conn is not self._stream:
            return
        super().answered(conn, status, detail)
        if not self._sends and any(event in TAKEN for _, _, event, _ in self.seen):
            self.over()

    def over(self) -> None:
        if self._stream is not None:
            super().over()
            self._stream = None
            self.others = 0
            self.sent = dict.fromkeys((OWN, OTHERS, CONNECTION), 0)


def frames_in(data: bytes) -> Iterator[tuple[int, int]]:
    """The stream of each frame, and its bytes with its head."""
    at = 0
    while at < len(data):
        size = FRAME_HEAD + int.from_bytes(data[at : at + 3])
        number = int.from_bytes(data[at + 5 : at + FRAME_HEAD]) & STREAM_BITS
        yield number, min(size, len(data) - at)
        at += size
