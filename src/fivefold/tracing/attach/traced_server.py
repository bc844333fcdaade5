"""The server's side of attaching: nothing, until a signal says that a tracer is there.

Facts.        SIGURG does nothing to a process that has no handler for it (signal(7)), so it
              may be sent to whatever an application has started; and a signal ends every
              wait of every I/O model, because SIGTERM must.
Choice.       The handler looks at the shared switch.  When it is on, content and the open
              connections get methods that tell; when it is off, they get their own back.
              A process that is forked meanwhile looks when its first connection begins.
Cost.         While no tracer is attached: one entry of a dictionary for each connection, and
              nothing for a request.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from typing import Any
from weakref import WeakKeyDictionary

from ...content.base import Content
from ...http1.answer import Answer, Deferred
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...iomodels.base import Connection
from ...iomodels.overlay import Overlay
from ...server.parent import Server
from ...server.sample_rate import interval
from ...serving.base import Handler
from ..control.pipe import EventPipe
from ..control.supervised import control_process
from ..control.switch import NOTICE, Switch
from ..sampling.sampler import Sampler
from ..sampling.sinks import Samples
from .recording import Recording, written

Asks = Callable[..., Answer | None]
"""`Content.answer_at_once`."""


class LiveObserver:
    """What `fivefold serve` gives its `Server`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a handler may interrupt the holder
        self._connections: WeakKeyDictionary[Connection, Recording | None] = WeakKeyDictionary()

    # runs in: the supervisor

    def running(self, server: Server) -> AbstractContextManager[None]:
        """Raises `SettingsError` if the file for spans cannot be had."""
        self._server = server
        self.switch = Switch()
        samples = Samples(server.settings)
        self.pipe = EventPipe()
        return control_process(server, self.switch, self.pipe, samples)

    # runs in: a worker

    def content(self, content: Content) -> Content:
        self._content = content
        every = interval(self._server.settings.trace_sample)
        if every:
            Sampler(every, self.pipe).install(content)
        self._generation, self._tracing = 0, False  # this content has not been looked at
        return content

    def handler(self, handler: Handler) -> Handler:
        signal.signal(NOTICE, lambda *_: self._look())
        connections, switch = self._connections, self.switch

        def started(conn: Connection) -> Coroutine[Any, Any, None]:
            connections[conn] = None
            if switch.generation != self._generation:
                self._look()
            if self._tracing:
                self._watch(conn)
            return handler(conn)

        return started

    def _look(self) -> None:
        with self._lock:
            while self._generation != self.switch.generation:
                self._generation = self.switch.generation
                if self._tracing:
                    self._stop()
                if self._generation & 1:
                    self._start()
                self.pipe.tell({"g": self._generation, "looked": os.getpid()})

    def _start(self) -> None:
        self._wanted = self.switch.wanted()
        self._left = self._wanted.count
        self._tracing = True
        self._overlay = Overlay(
            self._content, answer_at_once=self._answering_at_once, respond=self._respond
        )
        for reference in self._connections.keyrefs():
            conn = reference()
            if conn is not None:
                self._watch(conn)

    def _stop(self) -> None:
        self._tracing = False
        self._overlay.lift()
        for reference in self._connections.keyrefs():
            conn = reference()
            recording = None if conn is None else self._connections.get(conn)
            if conn is not None and recording is not None:
                recording.lift()
                self._connections[conn] = None

    def _watch(self, conn: Connection) -> None:
        with self._lock:
            if self._connections.get(conn) is None:
                self._connections[conn] = Recording(conn, self._hand_on)

    def _hand_on(self, recording: Recording) -> None:
        if self._tracing and self._left > 0:
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
            recording = self._connections.get(conn)
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
            recording = self._connections.get(conn)
            await (inner if recording is None else answering(inner, recording))(exchange)

        return respond


def answering(later: Callable[..., Any], recording: Recording) -> Callable[..., Any]:
    async def answered(exchange: Exchange) -> None:
        await later(exchange)
        recording.answered({})

    return answered


def matches(target: bytes, pattern: str) -> bool:
    """Whether the path of a request is like the glob; no glob is like every one."""
    return not pattern or fnmatchcase(target.partition(b"?")[0].decode("latin-1"), pattern)
