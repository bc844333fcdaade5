"""What a connection of HTTP/2 does while one of its streams is served.

Facts.        One coroutine reads for all streams, whatever comes and whenever; another one sends
              for all.  A response is with the kernel when the send has ended that had its last
              frame; content may have answered long before, or only then.
Choice.       One stream at a time is traced, of those that are asked for: from the receive that
              brought its request until it is answered and sent.  The others that are open
              meanwhile are counted, and not traced: those that it found, those that are begun or
              wait for their turn, and those whose frames are sent.
              Waiting in `recv` is then no part of the stream: its request is here.  The calls stay,
              because they are what the thread does.
              What is sent meanwhile is counted by the stream that each frame names, so a trace says
              which part of the copies and of the waits for room was its own; a send that was under
              way when the stream began counts, too, with all of its bytes.
              A stream that its client gives up has no trace: the next one has.
Cost.         Of streams side by side only some are traced; what is read and sent for the others
              meanwhile is in the trace, and a note says so.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ...http1.request import Request
from .frames_sent import FramePart, FramesSent
from .recording import TAKEN, Operation, Recording

READING = ("recv.", "recvfrom.")

OWN, OTHERS, CONNECTION = "own", "others", "connection"
"""Whose frames are sent; the third are about all streams, such as settings and pings."""


class StreamRecording(Recording):
    """As `Recording`, stream by stream."""

    def __init__(self, *arguments: Any) -> None:
        self._frames = FramesSent()
        self._under_way: list[FramePart] = []
        """What the present send has; none between two."""
        self._stream: Any = None
        """The one that is traced; None between two."""
        self._is_given = self._is_sent = False
        """Whether its last frame was given to a send, and whether that has ended."""
        self._found: set[int] = set()
        """Other streams that were open when it began."""
        self._others: set[int] = set()
        """Those that were open later."""
        self.sent = nothing_sent()
        super().__init__(*arguments)

    def _forget_stream(self) -> None:
        self._stream = None
        self._is_given = self._is_sent = False
        self._found, self._others = set(), set()
        self.sent = nothing_sent()

    def shared(self) -> dict[str, Any]:
        both = self._found | self._others
        return {"others": len(both), "found": len(self._found), "sent": self.sent}

    def _sending(self, send: Operation) -> Operation:
        def sending(first: bytes, *others: Any) -> Coroutine[Any, Any, None]:
            self._under_way = list(self._frames.parts(first))
            if self._stream is not None:
                self._share()
            return send(first, *others)

        return super()._sending(sending)

    def _share(self) -> None:
        own = self._stream.number
        for number, size, is_last in self._under_way:
            whose = OWN if number == own else OTHERS if number else CONNECTION
            self.sent[whose] += size
            if whose == OTHERS:
                self._others.add(number)
            self._is_given |= whose == OWN and is_last

    def emit(self, event: str, detail: dict[str, Any]) -> None:
        if event in TAKEN:
            self._under_way = []
        if self._stream is None:
            self._before_a_request(event, detail)
        elif event not in {"recv.begin", "recv.end"}:
            self._is_sent |= event in TAKEN and self._is_given
            super().emit(event, detail)
            self._end_if_over()

    def _before_a_request(self, event: str, detail: dict[str, Any]) -> None:
        """Each receive may be the one that brings it."""
        if event == "recv.begin":
            self.seen = []
        elif event.startswith(READING):
            self._keep(event, detail)

    def asked(
        self, request: Request, *, conn: Any, head_bytes: int, arrived_s: float, wanted: bool
    ) -> None:
        if self._stream is not None and not self._is_lost:
            self._others.add(conn.number)
            return
        if not wanted:
            return
        if self._stream is not None:
            self._forget()
            self.since_ns = round(arrived_s * 1e9)
        super().asked(request, conn=conn, head_bytes=head_bytes, arrived_s=arrived_s, wanted=wanted)
        self._stream = conn
        self._share()
        self._found = self._others | waiting(conn.carrier) | open_in(conn.carrier)
        if not self.counts:
            self.count()

    @property
    def _is_lost(self) -> bool:
        """Whether the last frame of the one that is traced will never be sent: its client has
        given it up."""
        stream = self._stream
        given_up = self._answered and not self._is_given
        return bool(stream.cut or (given_up and not stream.carrier.frames.may_leave(stream.number)))

    def answered(self, conn: Any, said: Any, detail: dict[str, Any]) -> None:
        if conn is self._stream:
            super().answered(conn, said, detail)
            self._end_if_over()

    @property
    def _is_with_kernel(self) -> bool:
        return self._answered and self._is_sent

    def _end_if_over(self) -> None:
        if self._is_with_kernel:
            self.over()

    @property
    def _has_answer(self) -> bool:
        return bool(self.sent[OWN])

    def over(self) -> None:
        if self._stream is not None:
            self._others |= waiting(self._stream.carrier)
            super().over()

    def _forget(self) -> None:
        super()._forget()
        self._forget_stream()


def nothing_sent() -> dict[str, int]:
    return dict.fromkeys((OWN, OTHERS, CONNECTION), 0)


def open_in(carrier: Any) -> set[int]:
    """Streams that are being served, and that the client has not ended."""
    return {number for number, stream in carrier.streams.items() if not stream.gone}


def waiting(carrier: Any) -> set[int]:
    """Streams whose requests are here and have not begun."""
    return {event.stream_id for event in carrier.asked}
