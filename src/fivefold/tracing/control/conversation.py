"""The control process: a child of the supervisor that tracers talk to.

It is a process of its own because the supervisor waits for signals and nothing else, and
because a tracer may be slow, or die: neither is the server's trouble.  It has the
control socket, reads what the workers tell, and turns the switch.

    tracer ── control socket ── control process ── switch and signal ──> workers
                                       └────────── pipe ──────────────────┘

Promises.  Only the server's user and root are heard (the socket's mode, and SO_PEERCRED).
One tracer at a time; when its connection ends, however it ends, the switch is off.  A tracer
that takes nothing for a second is let go.  When the supervisor ends, however it ends, the
socket is removed.  If this process dies, its tracer is told nothing more, and the supervisor starts
it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from time import monotonic, sleep
from typing import Any

from ...inspection.asking import Inspection, Question
from ...isolation.foreign_documents import number_of, object_of
from ...isolation.reporting import logger
from ...linux.peer_credentials import peer_of
from ...linux.processes import holds, processes_of_tree
from ..sampling.line import START, sample_of
from ..sampling.sinks import Samples
from .pipe import READ_BYTES, EventPipe, LineReader
from .rendezvous import ROOT
from .switch import NOTICE, Switch, Wanted, looking

log = logger("fivefold.trace")

AGAIN_S = 0.5
"""How often, while a tracer is attached, all are told again to look: a process that was just
forked may have been overlooked, and to look twice is harmless."""

SWITCH_S = 5.0
"""How long workers may take to look at the switch, before the tracer is told regardless."""

REST_S = 0.1
"""While no tracer is attached samples are read so often at most, many at once: waking up for
each of them would cost more than they do."""

LOOK_S = 0.01
"""How often it is looked for answers while a question is open."""

PATIENCE_S = 1.0
"""How long a tracer may take nothing."""

REQUEST_BYTES = 8192


class Control:
    """Runs in its own process until SIGTERM."""

    def __init__(
        self,
        supervisor: int,
        listener: socket.socket | None,
        pipe: EventPipe,
        switch: Switch,
        samples: Samples,
        *,
        inspection: Inspection,
    ) -> None:
        self._supervisor = supervisor
        self._listener = listener
        self._reading_end = pipe.reading_end
        self._written_at = pipe.writing_end
        """Its number in all who serve; it is closed here."""
        self._switch = switch
        self._samples = samples
        self._inspection = inspection
        self._question: Question | None = None
        self._curious: list[socket.socket] = []
        """Those that wait for the answer to it."""
        self._stopping = False
        self._tracer: socket.socket | None = None
        self._unseen: set[int] = set()
        """Processes that have not yet looked at the switch since it was turned on."""
        self._seen: set[int] = set()
        """Those that have."""
        self._announce_at: float | None = None
        self._lines = LineReader()
        self._rested = True
        """Whether it is time to read again."""

    def run(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is for the supervisor
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        if self._switch.turn_off():  # the last control process died while it traced
            self._notify(self._serving())
        while not self._stopping:
            self._turn(wake)
        self._detach()
        self._drain()
        self._samples.close()

    def _stop(self) -> None:
        self._stopping = True

    def _turn(self, wake: int) -> None:
        others = [one for one in (self._listener, self._tracer) if one is not None]
        sources: list[Any] = [wake, *others]
        due = None if self._tracer is None else monotonic() + AGAIN_S
        if self._tracer is not None or self._rested:
            sources.append(self._reading_end)
        else:
            due = monotonic() + REST_S
        if self._question is not None:
            due = monotonic() + LOOK_S
        ready = select.select(sources, [], [], None if due is None else max(0.0, due - monotonic()))
        self._rested = self._reading_end not in ready[0]
        if self._reading_end in ready[0]:
            self._drain()
        if self._tracer in ready[0]:
            self._hear()
        if self._listener is not None and self._listener in ready[0]:
            self._accept(self._listener)
        if self._tracer is not None and not any(ready):
            self._unseen |= self._notify(self._serving()) - self._seen
        if self._question is not None:
            self._look(self._question)
        if self._announce_at is not None and (
            (self._seen and not self._unseen) or monotonic() >= self._announce_at
        ):
            self._announce()

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            sleep(REST_S)  # out of descriptors or memory: it stays readable
            return
        sock.settimeout(PATIENCE_S)
        try:
            if peer_of(sock).uid not in (os.geteuid(), ROOT):
                raise PermissionError
            asked = object_of(sock.recv(REQUEST_BYTES))
            ASKED[asked["do"]](self, sock, asked)
        except (OSError, ValueError, KeyError, TypeError):
            sock.close()  # not a tracer: it does not know how to ask

    def attach(self, sock: socket.socket, asked: dict[str, Any]) -> None:
        if self._tracer is not None:
            why = f"process {peer_of(self._tracer).pid} is tracing it already"
            sock.sendall(json.dumps({"error": why}).encode() + b"\n")
            sock.close()
            return
        self._switch.turn_on(Wanted(str(asked["match"]), number_of(asked["count"])))
        self._tracer = sock
        self._seen.clear()
        self._unseen = self._notify(self._serving())
        self._announce_at = monotonic() + SWITCH_S

    def metrics(self, sock: socket.socket, asked: dict[str, Any]) -> None:
        self._drain()
        sock.sendall(self._samples.metrics.text().encode())
        sock.close()

    def inspect(self, sock: socket.socket, asked: dict[str, Any]) -> None:
        """All that ask while this is found out get the same answer: a line of JSON, the list of
        processes (`inspection.merging`)."""
        self._curious.append(sock)
        if self._question is None:
            serving = self._serving()
            everyone = processes_of_tree(self._supervisor)
            self._question = Question(self._inspection, everyone, serving)
            self._notify(self._question.asked)

    def _look(self, question: Question) -> None:
        processes = question.look()
        if processes is None:
            return
        line = json.dumps(processes).encode() + b"\n"
        for sock in self._curious:
            with sock, contextlib.suppress(OSError):
                sock.sendall(line)
        self._curious.clear()
        self._question = None

    def _serving(self) -> set[int]:
        """The processes that serve."""
        # What else a program has started may have a handler of its own, but not the pipe.
        inode = os.fstat(self._reading_end).st_ino
        return {pid for pid in looking(self._supervisor) if holds(pid, self._written_at, inode)}

    def _notify(self, serving: set[int]) -> set[int]:
        """Let them look at the switch, and at the question; which they are."""
        for pid in serving:
            try:
                os.kill(pid, NOTICE)
            except (ProcessLookupError, PermissionError):
                pass  # it has ended, or is another user's: the application's doing
        return serving

    def _announce(self) -> None:
        self._announce_at = None
        self._forward(
            json.dumps({"attached": len(self._seen), "supervisor": self._supervisor}).encode()
        )

    def _detach(self) -> None:
        if self._tracer is not None:
            self._tracer.close()
            self._tracer = None
            self._announce_at = None
            self._switch.turn_off()
            self._notify(self._serving())

    def _hear(self) -> None:
        """A tracer says nothing more: what comes is its end."""
        assert self._tracer is not None
        try:
            if self._tracer.recv(REQUEST_BYTES):
                return
        except OSError:
            pass
        self._detach()

    def _drain(self) -> None:
        """Take all that the workers have told so far."""
        try:
            while data := os.read(self._reading_end, READ_BYTES):
                for line in self._lines.lines(data):
                    self._take(line)
        except BlockingIOError:
            pass  # another process may send more: a worker, or what an application has left behind

    def _take(self, line: bytes) -> None:
        """The pipe is open in processes whose code is the application's: what is no line of ours
        is passed over."""
        try:
            if line.startswith(START):
                self._samples.take(sample_of(line))
            else:
                self._take_message(line, object_of(line))
        except ValueError as error:
            log.warning("a line in the pipe of the workers is passed over: %s", error)

    def _take_message(self, line: bytes, message: dict[str, Any]) -> None:
        """Raises ValueError."""
        if message.get("g") != self._switch.generation:
            return  # for a tracer that has left
        if "looked" in message:
            pid = number_of(message["looked"])
            self._unseen.discard(pid)
            self._seen.add(pid)
        elif self._tracer is not None:
            self._forward(line)

    def _forward(self, line: bytes) -> None:
        assert self._tracer is not None
        try:
            self._tracer.sendall(line + b"\n")
        except OSError:  # it is gone, or takes nothing
            self._detach()


ASKED = {"attach": Control.attach, "inspect": Control.inspect, "metrics": Control.metrics}
"""What one may ask for, by its word."""
