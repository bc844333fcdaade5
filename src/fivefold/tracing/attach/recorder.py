"""What puts recordings on the connections of a worker, and takes them away again.

Overlays on content, on the connection coroutine and on the open connections; a server without
them has none of this in its path.  Both ways of tracing record with it: a tracer that attaches
to a server that runs (`traced_server`), and one request to a server of our own (`request`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from ...content.base import Content
from ...content.static.site import Static
from ...http1.answer import Answer, Deferred, Whole
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...iomodels.interface import Connection
from ...iomodels.overlay import Overlay
from ...server.choice import Choice
from ...server.worker.observing import Spoken
from ...serving.open_connections import Handler
from .attribution import attributed, emit_for_working
from .recording import Recording
from .stream_recording import StreamRecording

Asks = Callable[..., Answer | None]
"""`Content.answer_at_once`."""


class Recorder:
    """Of one worker; it records from `begin` until `lift`."""

    def __init__(
        self,
        content: Content,
        spoken: Sequence[Spoken],
        ended: Callable[[Recording], None],
        *,
        begun: Callable[[Connection], None] = lambda _: None,
        pattern: str = "",
        most: int | None = None,
    ) -> None:
        """`ended` is called with each exchange that is over; its `request` is None if it was
        refused, or if its path is not like the glob `pattern`. `begun` is called with each new
        connection. `most`: as for `Recording`."""
        self._content = content
        self._spoken = spoken
        self._ended, self._begun = ended, begun
        self._pattern = pattern
        self._most = most
        self._lock = threading.RLock()  # a handler of a signal may interrupt the holder
        self._recordings: dict[Connection, Recording] = {}
        """Of the connections that are watched now."""
        self._overlays: tuple[Overlay, ...] = ()

    def begin(self) -> None:
        with self._lock:
            self._overlays = (
                Overlay(self._content, answer_at_once=self._at_once, respond=self._respond),
                *(
                    Overlay(version, serve=partial(self._serve, version))
                    for version in self._spoken
                ),
            )
            if isinstance(self._content, Static):
                self._overlays += (self._content.observe(emit_for_working),)
            for version in self._spoken:
                connections: Any = version.connections
                for conn in connections.copy():
                    self._watch(conn, version)

    def lift(self) -> None:
        with self._lock:
            overlays, self._overlays = self._overlays, ()
            recordings, self._recordings = self._recordings, {}
            for overlay in overlays:
                overlay.lift()
            for recording in recordings.values():
                recording.lift()

    def _watch(self, conn: Connection, version: Spoken) -> None:
        kind = StreamRecording if version.multiplexes else Recording
        with self._lock:
            if self._overlays and conn not in self._recordings:
                self._recordings[conn] = kind(conn, self._hand_on, self._most)

    def _hand_on(self, recording: Recording) -> None:
        if self._overlays:
            self._ended(recording)

    def _serve(self, version: Spoken, inner: Handler) -> Handler:
        async def serve(conn: Connection) -> None:
            self._watch(conn, version)
            self._begun(conn)
            try:
                await inner(conn)
            finally:
                self._recordings.pop(conn, None)

        return serve

    def _at_once(self, inner: Asks) -> Asks:
        def answer_at_once(
            request: Request, head: bytes, conn: Connection, now: float
        ) -> Answer | None:
            recording = self._recording_of(conn)
            if recording is None:
                return inner(request, head, conn, now)
            wanted = matches(request.target, self._pattern)
            recording.asked(request, conn=conn, head_bytes=len(head), arrived_s=now, wanted=wanted)
            answer = inner(request, head, conn, now)
            if answer is None:
                return None
            # A whole answer of an application is made now: its bytes are not there yet.
            ready = answer.complete and answer.from_memory and answer.as_http1
            detail = {"from": "memory"} if ready else {}
            if not answer.complete or is_sent_in_parts(conn, answer):
                return Deferred(answering(answer.through, recording, detail))
            recording.answered(conn, answer.head if isinstance(answer, Whole) else None, detail)
            return answer

        return answer_at_once

    def _recording_of(self, conn: Any) -> Recording | None:
        return self._recordings.get(conn.below if conn.multiplexed else conn)

    def _respond(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def respond(exchange: Exchange) -> None:
            recording = self._recording_of(exchange.conn)
            await (inner if recording is None else answering(inner, recording, {}))(exchange)

        return respond


def answering(
    later: Callable[..., Any], recording: Recording, detail: dict[str, str]
) -> Callable[..., Any]:
    async def answered(exchange: Exchange) -> None:
        try:
            await attributed(later(exchange), recording)
        finally:  # also where it raises, and the server answers in its place
            recording.answered(exchange.conn, exchange, detail)

    return answered


def is_sent_in_parts(conn: Any, answer: Answer) -> bool:
    """Whether a stream waits between the parts of its answer; only its end is the end then."""
    return conn.multiplexed and not (isinstance(answer, Whole) and conn.has_room(answer.size))


def matches(target: bytes, pattern: str) -> bool:
    """Whether the path of a request is like the glob; no glob is like every one."""
    return not pattern or fnmatchcase(target.partition(b"?")[0].decode("latin-1"), pattern)


def pair_of(choice: Choice) -> dict[str, str]:
    """The serving model, the I/O model and its engine, as a trace names them."""
    engine = choice.engine
    return {"serving": choice.model.name, "io": engine.name, "engine": engine.engine}
