"""The server's side of attaching: nothing, until a signal says that a tracer is there.

Facts.        SIGURG does nothing to a process that has no handler for it (signal(7)), so it
              may be sent to whatever an application has started; and a signal ends every
              wait of every I/O model, because SIGTERM must.
Choice.       The handler looks at the shared switch.  When it is on, overlays are put on
              content, on the connection coroutine and on the open connections; when it is
              off, they are lifted.  A process that is forked meanwhile looks before its first
              connection.
Assumption.   Whoever forks has looked, or its child is in the tree when the signal is sent: the
              switch is turned first.
Cost.         While no tracer is attached nothing here is called, for a connection as for a
              request; HTTP keeps its open connections in a set, 0.1 us.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from typing import Any

from ...content.base import Content
from ...content.static.site import Static
from ...http1.answer import Answer, Deferred
from ...http1.connection import Http1
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...iomodels.interface import Connection
from ...iomodels.overlay import Overlay
from ...server.parent import Server
from ...server.sample_rate import interval
from ...serving.base import Handler
from ..control.pipe import EventPipe
from ..control.supervised import control_process
from ..control.switch import NOTICE, Switch
from ..sampling.sampler import Sampler
from ..sampling.sinks import Samples
from .attribution import attributed, emit_for_working
from .recording import Recording, written

Asks = Callable[..., Answer | None]
"""`Content.answer_at_once`."""


class LiveObserver:
    """What `fivefold serve` gives its `Server`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a handler may interrupt the holder
        self._recordings: dict[Connection, Recording] = {}
        """Of the connections that are watched now."""
        self._overlays: tuple[Overlay, ...] = ()
        """While a tracer is attached: on content, and on the connection coroutine."""

    # runs in: the supervisor

    def running(self, server: Server) -> AbstractContextManager[None]:
        """Raises `SettingsError` if the file for spans cannot be had."""
        self._server = server
        self.switch = Switch()
        samples = Samples(server.settings)
        self.pipe = EventPipe()
        return control_process(server, self.switch, self.pipe, samples)

    # runs in: a worker

    def install(self, content: Content, http1: Http1) -> None:
        self._content, self._http1 = content, http1
        every = interval(self._server.settings.trace_sample)
        if every:
            Sampler(every, self.pipe).install(content)
        self._generation = 0  # this content has not been looked at
        signal.signal(NOTICE, lambda *_: self._noticed())

    def _noticed(self) -> None:
        self.look()
        # Also where the parent had looked before it forked us: we are waited for all the same.
        self.pipe.tell({"g": self._generation, "looked": os.getpid()})

    def look(self) -> None:
        with self._lock:
            while self._generation != self.switch.generation:
                self._generation = self.switch.generation
                self._stop()
                if self._generation & 1:
                    self._start()

    def _start(self) -> None:
        self._wanted = self.switch.wanted()
        self._left = self._wanted.count
        self._overlays = (
            Overlay(self._content, answer_at_once=self._answering_at_once, respond=self._respond),
            Overlay(self._http1, serve=self._serve),
        )
        if isinstance(self._content, Static):
            self._overlays += (self._content.observe(emit_for_working),)
        connections: Any = self._http1.connections
        for conn in connections.copy():
            self._watch(conn)

    def _stop(self) -> None:
        overlays, self._overlays = self._overlays, ()
        recordings, self._recordings = self._recordings, {}
        for overlay in overlays:
            overlay.lift()
        for recording in recordings.values():
            recording.lift()

    def _watch(self, conn: Connection) -> None:
        with self._lock:
            if self._overlays and conn not in self._recordings:
                self._recordings[conn] = Recording(conn, self._hand_on)

    def _serve(self, inner: Handler) -> Handler:
        async def serve(conn: Connection) -> None:
            self._watch(conn)
            try:
                await inner(conn)
            finally:
                self._recordings.pop(conn, None)

        return serve

    def _hand_on(self, recording: Recording) -> None:
        if self._overlays and self._left > 0:
            self._left -= 1
            written(recording, self._generation, self._pair(), self.pipe)

    def _pair(self) -> dict[str, str]:
        engine = self._server.engine
        return {
            "serving": self._server.model.name,
            "io": engine.name,
            "engine": engine.engine,
        }

    def _answering_at_once(self, inner: Asks) -> Asks:
        def answer_at_once(
            request: Request, head: bytes, conn: Connection, now: float
        ) -> Answer | None:
            recording = self._recordings.get(conn)
            if recording is None:
                return inner(request, head, conn, now)
            wanted = matches(request.target, self._wanted.pattern)
            recording.asked(request, head_bytes=len(head), arrived_s=now, wanted=wanted)
            answer = inner(request, head, conn, now)
            if answer is not None and not answer.complete:
                return Deferred(answering(answer.through, recording))
            if answer is not None:
                recording.answered({"from": "memory"} if answer.from_memory else {})
            return answer

        return answer_at_once

    def _respond(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def respond(exchange: Exchange) -> None:
            conn: Any = exchange.conn
            recording = self._recordings.get(conn)
            await (inner if recording is None else answering(inner, recording))(exchange)

        return respond


def answering(later: Callable[..., Any], recording: Recording) -> Callable[..., Any]:
    async def answered(exchange: Exchange) -> None:
        await attributed(later(exchange), recording)
        recording.answered({})

    return answered


def matches(target: bytes, pattern: str) -> bool:
    """Whether the path of a request is like the glob; no glob is like every one."""
    return not pattern or fnmatchcase(target.partition(b"?")[0].decode("latin-1"), pattern)
