"""Tracing a server that runs already: the tracer's side of the control socket."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any, Self

from ...errors import TraceFailed
from ...linux.timestamping import realtime_offset_ns
from ...linux.tracepoints import tracefs
from ..control.pipe import READ_BYTES
from ..control.rendezvous import connected
from ..control.switch import looking
from ..kernel.belonging import of_exchange
from ..kernel.capture import KernelTrace
from ..model import Trace
from ..steps.io_lane import io_lane
from ..steps.server_end import ServedTimeline, served
from ..steps.summary import summed
from .exchanges import Exchanges, Recorded, shared_notes
from .inspected import asked

KEPT_NS = 60 * 10**9
"""The kernel's events of exchanges that began longer ago are not kept."""


class Attached:
    """`with Attached(pid) as attached`; then `traces`.

    Raises `TraceFailed`: no such process, not Fivefold, not ours, traced already.
    """

    def __init__(
        self, pid: int, *, pattern: str = "", count: int = 1, privileged: bool = True
    ) -> None:
        """`privileged`: use the kernel's trace events where that is allowed."""
        self._pid = pid
        self._pattern = pattern
        self._count = count
        self.unprivileged = tracefs.available() if privileged else "--unprivileged asks for none"
        self.processes = 0
        """How many of the server's processes tell us what they do."""
        self._resources = contextlib.ExitStack()
        self._kernel: KernelTrace | None = None
        self._recording_since_ns = 0
        self._exchanges = Exchanges()
        self._ready: list[Recorded] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as resources:
            if self.unprivileged is None:
                # Setting up takes its time, and the server shall not wait for our words.
                sock, server = connected(self._pid)
                sock.close()
                kernel = KernelTrace(server_port=0, processes=looking(server))
                self._kernel = resources.enter_context(kernel)
                self._recording_since_ns = time.monotonic_ns()
            self._sock, _ = connected(self._pid)
            resources.enter_context(self._sock)
            self._attach()
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _attach(self) -> None:
        asked = {"do": "attach", "match": self._pattern, "count": self._count}
        try:
            self._sock.sendall(json.dumps(asked).encode() + b"\n")
            message = next(iter(self._read()), {})
        except OSError as error:
            raise TraceFailed(f"process {self._pid} does not answer: {error}") from None
        if "attached" not in message:
            why = message.get("error", "it closed the connection")
            raise TraceFailed(f"process {self._pid} cannot be traced: {why}")
        self.processes = message["attached"]

    def traces(self, timeout_s: float | None = None) -> Iterator[Trace]:
        """The next requests that match, until `count` of them; or `timeout_s` is over.

        Raises `TraceFailed` if the server ends meanwhile.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        for _ in range(self._count):
            while not self._ready:
                if not self._listen(until):
                    return
            yield self._trace(self._ready.pop(0))

    def _listen(self, until: float | None) -> bool:
        """Wait for the next exchanges; whether there was still time."""
        try:
            left = None if until is None else max(0.001, until - time.monotonic())
            self._sock.settimeout(left)
            self._read()
        except TimeoutError:
            return False
        if self._ready and self._kernel is not None:
            self._kernel.collect(time.monotonic_ns() - KEPT_NS)
        return True

    def _read(self) -> list[dict[str, Any]]:
        """Take what is here, or wait for it; messages that are no exchange's."""
        data = self._sock.recv(READ_BYTES)
        if not data:
            raise TraceFailed(f"process {self._pid} has ended, or can no longer be traced")
        try:
            over, others = self._exchanges.take(data)
        except ValueError as error:
            raise TraceFailed(f"process {self._pid} answers what cannot be read: {error}") from None
        self._ready += over
        return others

    def _trace(self, exchange: Recorded) -> Trace:
        done, seen = exchange.done, exchange.seen
        port = done["local"] or 0
        begun_ns = min(o.at_ns for o in seen)
        recorded = self._kernel is not None and begun_ns >= self._recording_since_ns
        if recorded and self._kernel is not None:
            kernel = self._kernel.of(port, done["peer"])
            seen = [*seen, *of_exchange(kernel, seen, done["fd"])]
        timeline = ServedTimeline(seen, done["since_ns"], port)
        steps = served(timeline)
        notes = list(self._notes(done, begun_ns, recorded=recorded))
        return Trace(
            request={
                "method": done["method"],
                "target": done["target"],
                "status": done["status"],
                "bytes": timeline.bytes_of("send.end", "send_file.end"),
                "started": (timeline.start_ns + realtime_offset_ns()) / 1e9,
                "http": done["http"],
                "tls": done["tls"],
            },
            pair=done["pair"],
            privileged=recorded,
            steps=steps,
            summary=summed(timeline, steps),
            lanes=(io_lane(timeline, done["pair"]["engine"], done["descriptors"]),),
            notes=tuple(notes),
        )

    def _notes(self, done: dict[str, Any], begun_ns: int, *, recorded: bool) -> Iterator[str]:
        yield "seen from the server's end: the client's own time is not in it"
        if self.unprivileged is not None:
            yield f"without the kernel's trace events: {self.unprivileged}"
        elif not recorded:
            yield "it began before the kernel's trace events were recorded: they are not in it"
        elif self._kernel is not None:
            yield from self._kernel.notes(since_ns=begun_ns)
        if done["dropped"]:
            yield f"{done['dropped']} observations at its end were not kept: it had too many"
        yield from shared_notes(done)
        if done["lost"]:
            yield f"{done['lost']} messages of the server were lost: they came too fast"


def metrics_of(pid: int) -> str:
    """The metrics of a running server, in Prometheus' text format. Raises `TraceFailed`."""
    return asked(pid, {"do": "metrics"}).decode()
