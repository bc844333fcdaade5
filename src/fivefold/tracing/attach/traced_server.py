"""The server's side of attaching: nothing, until a signal says that a tracer is there.

Facts.        SIGURG does nothing to a process that has no handler for it (signal(7)), so it
              may be sent to whatever an application has started; and a signal ends every
              wait of every I/O model, because SIGTERM must.
Choice.       The handler looks at the shared switch.  When it is on, overlays are put on
              content, on the connection coroutine and on the open connections; when it is
              off, they are lifted.  A process that is forked meanwhile looks before its first
              connection.
Assumption.   A parent has looked, or its child is in the tree when the signal is sent: the
              switch is turned first.
Cost.         While no tracer is attached nothing here is called, for a connection as for a
              request; HTTP keeps its open connections in a set, 0.1 us.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import FrameType

from ...content.base import Content
from ...inspection.asking import Inspection
from ...iomodels.interface import IOModel
from ...server.choice import Choice
from ...server.parent import SupervisedServer
from ...server.texts import interval
from ...server.worker.observing import Spoken
from ...serving.base import ServingModel
from ..control.pipe import EventPipe
from ..control.supervised import control_process
from ..control.switch import NOTICE, Switch
from ..sampling.line import SHOWN_TARGET
from ..sampling.sampler import Sampler
from ..sampling.sinks import Samples
from .recorder import Recorder, pair_of
from .recording import Recording, written
from .working import working

MOST_OBSERVATIONS = 2000
"""Of one exchange; a long download has no end of them."""


class LiveObserver:
    """What `fivefold.Server` is observed by."""

    def __init__(self, version: str) -> None:
        """`version`: ours, for spans."""
        self._version = version
        self._lock = threading.RLock()  # a handler may interrupt the holder
        self._recorder: Recorder | None = None
        """While a tracer is attached."""
        self._left = 0
        """Of so many exchanges the tracer will take the traces."""

    # runs in: the supervisor

    def running(self, server: SupervisedServer) -> AbstractContextManager[None]:
        """Raises `SettingsError` if the file for spans cannot be had."""
        self._server = server
        self.switch = Switch()
        samples = Samples(server.settings, self._version)
        self.pipe = EventPipe()
        self.inspection = Inspection()
        return control_process(server, self.switch, self.pipe, samples, self.inspection)

    # runs in: a worker

    def install(self, content: Content, spoken: Sequence[Spoken], choice: Choice) -> None:
        self._content, self._spoken, self._choice = content, spoken, choice
        every = interval(self._server.settings.trace_sample)
        if every:
            Sampler(every, self.pipe).install(content)
        self._generation = 0  # this content has not been looked at
        self.inspection.install()
        signal.signal(NOTICE, lambda _, here: self._noticed(here))

    def serves(self, model: ServingModel) -> None:
        self.inspection.watch(model)

    def waits(self, io: IOModel) -> None:
        self.inspection.waits(io)
        working.model = io
        self.look()

    def _noticed(self, here: FrameType | None) -> None:
        self.look()
        self.inspection.answer(here)
        # Also where the parent had looked before it forked us: we are waited for all the same.
        self.pipe.send({"g": self._generation, "looked": os.getpid()})

    def look(self) -> None:
        with self._lock:
            while self._generation != self.switch.generation:
                self._generation = self.switch.generation
                if self._recorder is not None:
                    self._recorder.lift()
                    self._recorder = None
                if self._generation & 1:
                    self._start()

    def ticks(self, tick_s: float) -> tuple[()]:
        return ()

    def _start(self) -> None:
        wanted = self.switch.wanted()
        self._left = wanted.count
        self._recorder = Recorder(
            self._content,
            self._spoken,
            self._hand_on,
            pattern=wanted.pattern,
            most=MOST_OBSERVATIONS,
        )
        self._recorder.begin()

    def _hand_on(self, recording: Recording) -> None:
        request = recording.request
        if request is not None and self._left > 0:
            self._left -= 1
            about = {
                "method": request.method,
                "target": request.target[:SHOWN_TARGET].decode("latin-1"),
                "pair": pair_of(self._choice),
            }
            written(recording, self._generation, self.pipe, about)
