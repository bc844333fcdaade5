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
from collections.abc import Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ...content.base import Around, Content
from ...content.static.site import Static
from ...http1.answer import Answer
from ...http1.exchange import Exchange, HttpConnection
from ...http1.request import Request
from ...iomodels.base import Connection as IOConnection
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

    def tell(self, event: str, detail: dict[str, Any]) -> None:
        self._pending.append((time.monotonic_ns(), threading.get_native_id(), event, detail))

    def tell_connection(self, event: str, detail: dict[str, Any]) -> None:
        """As `tell`; between two exchanges it also counts and writes."""
        if event == "recv.begin":
            self.tell("accounting", accounting())
            self.tell(event, detail)
            self.flush()
        else:
            self.tell(event, detail)
            if event == "recv.end":
                self.tell("accounting", accounting())

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

    def content(self, content: Content) -> Content:
        return ObservedContent(content, self._recorder)

    def handler(self, handler: Handler) -> Handler:
        recorder = self._recorder

        async def observed(conn: IOConnection) -> None:
            conn.observe(recorder.tell_connection)
            port = conn.peer[1] if conn.peer else 0
            recorder.tell("accepted", {"port": port, "pid": os.getpid()})
            recorder.flush()
            await handler(conn)
            recorder.tell("closed", {"port": port})
            recorder.flush()

        def started(conn: IOConnection) -> Coroutine[Any, Any, None]:
            return observed(conn)

        return started


class ObservedContent(Around):
    """Content that tells when it is asked and when it has answered."""

    def __init__(self, content: Content, recorder: EventRecorder) -> None:
        super().__init__(content)
        self._tell = recorder.tell
        if isinstance(content, Static):
            content.observe(recorder.tell)

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        self._tell("content.enter", {})
        answer = self._content.answer_at_once(request, head, conn, now)
        if answer is not None:
            self._tell("content.exit", {"from": "memory" if answer.from_memory else ""})
        return answer

    async def respond(self, exchange: Exchange) -> None:
        await self._content.respond(exchange)
        self._tell("content.exit", {})
