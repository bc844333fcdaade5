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
              A client that has its answer may ask again before this thread has come to know that
              its send, or the content, is done (a ring tells of both together): what comes of that
              stream is kept, and becomes the one that is traced.
Cost.         Of streams side by side only some are traced; what is read and sent for the others
              meanwhile is in the trace, and a note says so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any

from ...http1.request import Request
from .frames_sent import FramePart, FramesSent
from .recording import TAKEN, Operation, Recording, Seen

READING = ("recv.", "recvfrom.")

LAST_READS = 8
"""Observations of a receive that are kept: a model that tries again and again makes any number."""

MOST_LATER = 16
"""Streams that are kept while content of the one that is traced goes on behind its last frame."""

OWN, OTHERS, CONNECTION = "own", "others", "connection"
"""Whose frames are sent; the third are about all streams, such as settings and pings."""


class Later:
    """A stream that was asked for when the last frame of the one that is traced was given."""

    def __init__(self, conn: Any, request: Request, about: dict[str, Any]) -> None:
        self.conn, self.request, self.about = conn, request, about
        self.at_ns = time.monotonic_ns()
        self.reading: list[Seen] = []
        """The receive that brought it."""
        self.found: set[int] = set()
        self.sent = nothing_sent()
        self.is_given = self.is_sent = False
        self.seen: list[Seen] = []
        self.answered: tuple[Any, Seen] | None = None
        """What knows its status, and the end of content."""


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
        self._reading: deque[Seen] = deque(maxlen=LAST_READS)
        """The last receive, while a stream is traced."""
        self._later: list[Later] = []
        """In their order: of each the one before has given its last frame."""
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
            later = self._later_of(number)
            if later is not None:
                later.sent[OWN] += size
                later.is_given |= is_last
                continue
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
        elif event.startswith(READING):
            self._read(event, detail)
        elif self._later and self._is_sent:
            later = next((one for one in self._later if not one.is_sent), self._later[-1])
            if self._most is None or len(later.seen) < self._most:
                later.seen.append(seen_now(event, detail))
            later.is_sent |= event in TAKEN and later.is_given
        else:
            self._is_sent |= event in TAKEN and self._is_given
            super().emit(event, detail)
            self._end_if_over()

    def _later_of(self, number: int) -> Later | None:
        return next((one for one in self._later if one.conn.number == number), None)

    def _before_a_request(self, event: str, detail: dict[str, Any]) -> None:
        """Each receive may be the one that brings it."""
        if event == "recv.begin":
            self.seen = []
        elif event.startswith(READING):
            self._keep(event, detail)

    def _read(self, event: str, detail: dict[str, Any]) -> None:
        """Of the calls the stream has those that come while it is served."""
        if event == "recv.begin":
            self._reading.clear()
        else:
            self._reading.append(seen_now(event, detail))
        if not event.startswith("recv.") and not (self._later and self._is_sent):
            super().emit(event, detail)

    def asked(
        self, request: Request, *, conn: Any, head_bytes: int, arrived_s: float, wanted: bool
    ) -> None:
        if self._stream is not None and not self._is_lost:
            behind = self._is_given and all(one.is_given for one in self._later)
            if wanted and behind and len(self._later) < MOST_LATER:
                later = Later(conn, request, {"head_bytes": head_bytes, "arrived_s": arrived_s})
                later.reading = list(self._reading)
                later.found = waiting(conn.carrier) | open_in(conn.carrier)
                later.found -= {self._stream.number, conn.number}
                later.found -= {one.conn.number for one in self._later}
                self._later.append(later)
            else:
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
        elif later := self._later_of(conn.number):
            later.answered = said, seen_now("content.exit", detail)

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
            if self._later:
                self._go_on_with(self._later.pop(0))

    def _go_on_with(self, later: Later) -> None:
        self.seen = later.reading
        self.since_ns = min(self.since_ns, later.at_ns)
        super().asked(later.request, conn=later.conn, wanted=True, **later.about)
        self.seen[-1] = (later.at_ns, *self.seen[-1][1:])  # content was asked then
        self.seen += later.seen
        self._stream, self.sent = later.conn, later.sent
        self._is_given, self._is_sent = later.is_given, later.is_sent
        self._found, self._others = later.found, set()
        if not self.counts:
            self.count()
        if later.answered is not None:
            self._said, ended = later.answered
            self.seen.append(ended)
            self._answered = True
            self._count_at_end()
            self._end_if_over()

    def _forget(self) -> None:
        super()._forget()
        self._forget_stream()


def seen_now(event: str, detail: dict[str, Any]) -> Seen:
    return time.monotonic_ns(), threading.get_native_id(), event, detail


def nothing_sent() -> dict[str, int]:
    return dict.fromkeys((OWN, OTHERS, CONNECTION), 0)


def open_in(carrier: Any) -> set[int]:
    """Streams that are being served, and that the client has not ended."""
    return {number for number, stream in carrier.streams.items() if not stream.gone}


def waiting(carrier: Any) -> set[int]:
    """Streams whose requests are here and have not begun."""
    return {event.stream_id for event in carrier.asked}
