"""The control process: a child of the supervisor that tracers talk to.

It is a process of its own because the supervisor waits for signals and nothing else, and
because whoever traces may be slow, or die: neither is the server's trouble.  It has the
control socket, reads what the workers tell, and turns the switch.

    tracer ── control socket ── control process ── switch and signal ──> workers
                                       └────────── pipe ──────────────────┘

Promises.  Only the server's user and root are heard (the socket's mode, and SO_PEERCRED).
One tracer at a time; when its connection ends, however it ends, the switch is off.  A tracer
that takes nothing for a second is let go.  When the supervisor ends, however it ends, the
socket is removed.  If this process dies, the server serves on, and cannot be traced.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from ..linux.peer_credentials import peer_of
from ..linux.process_control import be_called
from ..linux.processes import catches, processes_of_tree
from ..server import Server
from ..serving.forking import forked
from .outlet import Outlet
from .rendezvous import ROOT, bound
from .switch import NOTICE, Switch, Wanted

log = logging.getLogger("fivefold.trace")

NAME = "fivefold-trace"
"""As which it is seen in the list of processes."""

LOOK_S = 1.0
"""How long workers may take to look at the switch, before the tracer is told regardless."""

PATIENCE_S = 1.0
"""How long a tracer may take nothing."""

REQUEST_BYTES = 8192
READ_BYTES = 65536


@contextmanager
def beside(server: Server, switch: Switch, outlet: Outlet) -> Iterator[None]:
    """A control process for the calling supervisor; without one if no socket can be had."""
    supervisor = os.getpid()
    try:
        sock, path = bound(supervisor)
    except OSError as error:
        log.warning("nobody can attach: no control socket: %s", error)
        yield
        return

    def life() -> None:
        server.close_sockets()
        outlet.close()
        be_called(NAME)
        Control(supervisor, sock, outlet.inlet, switch).run()
        path.unlink(missing_ok=True)

    pid = forked(life)
    sock.close()
    outlet.close_inlet()
    try:
        yield
    finally:
        outlet.close()
        end(pid, path)


def end(pid: int, path: Path) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # it died, and as PID 1 the supervisor has buried it
    path.unlink(missing_ok=True)


class Control:
    """Runs in its own process until SIGTERM."""

    def __init__(
        self, supervisor: int, listener: socket.socket, inlet: int, switch: Switch
    ) -> None:
        self._supervisor = supervisor
        self._listener = listener
        self._inlet = inlet
        self._switch = switch
        self._stopping = False
        self._tracer: socket.socket | None = None
        self._unseen: set[int] = set()
        """Processes that have not yet looked at the switch since it was turned on."""
        self._told = 0
        self._announce_at: float | None = None
        self._rest = b""

    def run(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is for the supervisor
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        while not self._stopping:
            self._turn(wake)
        self._detach()

    def _stop(self) -> None:
        self._stopping = True

    def _turn(self, wake: int) -> None:
        sources: list[Any] = [wake, self._listener, self._inlet]
        if self._tracer is not None:
            sources.append(self._tracer)
        due = self._announce_at
        ready = select.select(sources, [], [], None if due is None else max(0.0, due - monotonic()))
        if self._inlet in ready[0]:
            self._read()
        if self._tracer in ready[0]:
            self._hear()
        if self._listener in ready[0]:
            self._accept()
        if self._announce_at is not None and (not self._unseen or monotonic() >= due_at(due)):
            self._announce()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(PATIENCE_S)
        try:
            if peer_of(sock).uid not in (os.geteuid(), ROOT):
                raise PermissionError
            asked = json.loads(sock.recv(REQUEST_BYTES))
            ASKED[asked["do"]](self, sock, asked)
        except (OSError, ValueError, KeyError, TypeError):
            sock.close()  # nobody who knows how to ask

    def attach(self, sock: socket.socket, asked: dict[str, Any]) -> None:
        if self._tracer is not None:
            answer(sock, {"error": f"process {peer_of(self._tracer).pid} is tracing it already"})
            sock.close()
            return
        self._switch.turn_on(Wanted(str(asked["match"]), int(asked["count"])))
        self._tracer = sock
        self._unseen = self._notify()
        self._told = len(self._unseen)
        self._announce_at = monotonic() + LOOK_S

    def _notify(self) -> set[int]:
        """Let every process that serves look at the switch; which they are."""
        tree = processes_of_tree(self._supervisor) - {os.getpid()}
        serving = {pid for pid in tree if catches(pid, NOTICE)}
        for pid in serving:
            try:
                os.kill(pid, NOTICE)
            except ProcessLookupError:
                pass
        return serving

    def _announce(self) -> None:
        self._announce_at = None
        self._forward(json.dumps({"attached": self._told, "supervisor": self._supervisor}).encode())

    def _detach(self) -> None:
        if self._tracer is not None:
            self._tracer.close()
            self._tracer = None
            self._announce_at = None
            self._switch.turn_off()
            self._notify()

    def _hear(self) -> None:
        """A tracer says nothing more: what comes is its end."""
        assert self._tracer is not None
        try:
            if self._tracer.recv(REQUEST_BYTES):
                return
        except OSError:
            pass
        self._detach()

    def _read(self) -> None:
        *lines, self._rest = (self._rest + os.read(self._inlet, READ_BYTES)).split(b"\n")
        for line in lines:
            self._take(line, json.loads(line))

    def _take(self, line: bytes, message: dict[str, Any]) -> None:
        if message.get("g") != self._switch.generation:
            return  # for a tracer that has left
        if "looked" in message:
            self._unseen.discard(message["looked"])
        elif self._tracer is not None:
            self._forward(line)

    def _forward(self, line: bytes) -> None:
        assert self._tracer is not None
        try:
            self._tracer.sendall(line + b"\n")
        except OSError:  # it is gone, or takes nothing
            self._detach()


ASKED = {"attach": Control.attach}
"""What one may ask for, by its word."""


def due_at(due: float | None) -> float:
    return 0.0 if due is None else due


def answer(sock: socket.socket, message: dict[str, Any]) -> None:
    sock.sendall(json.dumps(message).encode() + b"\n")
