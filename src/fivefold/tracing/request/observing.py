"""The server's side of a trace: what the traced connection does, told as it happens.

Runs in the worker, installed from outside by `Server(settings, observer)`; a server
without an observer has none of this in its path.  What is seen goes to the tracer
through a pipe, a line of JSON each, after the exchange: while it runs, nothing but the
clock is asked.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ...content.base import Content
from ...content.static.site import Static
from ...http1.answer import Answer
from ...http1.connection import Http1
from ...http1.exchange import Exchange
from ...iomodels.interface import Connection
from ...iomodels.overlay import Overlay
from ...server.parent import Server
from ...serving.base import Handler
from ..steps.thread_counters import accounting

LINE_BYTES = 4096
"""PIPE_BUF: so much is written whole, whatever others write (pipe(7))."""


class EventRecorder:
    """Keeps what happens in one process, and writes it out when nothing is measured."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._pending: list[tuple[int, int, str, dict[str, Any]]] = []

    def emit(self, event: str, detail: dict[str, Any]) -> None:
        self._pending.append((time.monotonic_ns(), threading.get_native_id(), event, detail))

    def emit_of_connection(self, event: str, detail: dict[str, Any]) -> None:
        """As `emit`; between two exchanges it also counts and writes."""
        if event == "recv.begin":
            self.emit("accounting", accounting())
            self.emit(event, detail)
            self.flush()
        else:
            self.emit(event, detail)
            if event == "recv.end":
                self.emit("accounting", accounting())

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        for at_ns, thread, event, detail in pending:
            line = json.dumps([at_ns, event, {**detail, "tid": thread}]).encode() + b"\n"
            os.write(self._pipe, line[-LINE_BYTES:])


class ServerObserver:
    """What `Server` is given."""

    def __init__(self, pipe: int) -> None:
        self._recorder = EventRecorder(pipe)

    def running(self, server: Server) -> AbstractContextManager[None]:
        return nullcontext()

    def install(self, content: Content, http1: Http1) -> None:
        if isinstance(content, Static):
            content.observe(self._recorder.emit)
        Overlay(content, answer_at_once=self._answering_at_once, respond=self._respond)
        Overlay(http1, serve=self._serve)

    def look(self) -> None: ...

    def _serve(self, inner: Handler) -> Handler:
        recorder = self._recorder

        async def serve(conn: Connection) -> None:
            conn.observe(recorder.emit_of_connection)
            port = conn.peer[1] if conn.peer else 0
            recorder.emit("accepted", {"port": port, "pid": os.getpid()})
            recorder.flush()
            await inner(conn)
            recorder.emit("closed", {"port": port})
            recorder.flush()

        return serve

    def _answering_at_once(self, inner: Callable[..., Answer | None]) -> Callable[..., Any]:
        def answer_at_once(*arguments: Any) -> Answer | None:
            self._recorder.emit("content.enter", {})
            answer = inner(*arguments)
            if answer is not None:
                source = "memory" if answer.from_memory else ""
                self._recorder.emit("content.exit", {"from": source})
            return answer

        return answer_at_once

    def _respond(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def respond(exchange: Exchange) -> None:
            await inner(exchange)
            self._recorder.emit("content.exit", {})

        return respond
