"""What the server of a traced request is given: each connection is recorded from its beginning."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from ...content.base import Content
from ...content.static.site import Static
from ...iomodels.interface import Connection, IOModel
from ...server.choice import Choice
from ...server.parent import SupervisedServer
from ...server.worker.observing import Spoken
from ...serving.base import ServingModel
from ..attach.recorder import Recorder
from ..attach.recording import Recording, written
from ..attach.working import working
from ..control.pipe import EventPipe


class OwnObserver:
    """What the server is given: records every connection from its beginning, and all of it."""

    def __init__(self, pipe: Callable[[], EventPipe], forgets: Callable[[], bool]) -> None:
        """`forgets`: whether the files that are known shall be forgotten."""
        self._pipe = pipe
        self._forgets = forgets
        self._content: Content | None = None

    def running(self, server: SupervisedServer) -> AbstractContextManager[None]:
        self._pipe().close_reading_end()  # else no code here would learn that its reader has gone
        return nullcontext()

    def install(self, content: Content, spoken: Sequence[Spoken], choice: Choice) -> None:
        self._content = content
        Recorder(content, spoken, self._ended, begun=self._accepted).begin()

    def serves(self, model: ServingModel) -> None: ...

    def waits(self, io: IOModel) -> None:
        working.model = io

    def ticks(self, tick_s: float) -> tuple[()]:
        return ()

    def _accepted(self, conn: Connection) -> None:
        self._forget()
        port = conn.peer[1] if conn.peer else 0
        self._pipe().send({"accepted": port, "at_ns": time.monotonic_ns()})

    def _forget(self) -> None:
        if isinstance(self._content, Static) and self._forgets():
            self._content.forget()

    def _ended(self, recording: Recording) -> None:
        self._forget()
        written(recording, 0, self._pipe(), {})
