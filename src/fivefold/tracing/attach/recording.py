"""What one connection does while a tracer is attached, exchange by exchange.

An exchange begins with its first bytes and is over when content has answered and the
connection waits for the next request, has one already, or closes.  Only then is anything
written: while it runs, nothing but the clock is asked.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from ...content.leaving_head import status_of
from ...http1.request import Request
from ...iomodels.interface import Connection
from ...iomodels.overlay import Overlay
from ..control.pipe import LINE_BYTES, EventPipe, batches
from ..steps.thread_counters import accounting
from .working import working

GIVEN = ("send.begin", "send_file.begin")
TAKEN = ("send.end", "send_file.end")
COUNTS = 2
"""How often the counters of an exchange are read: when it has been received, and when all of the
response was given to the kernel. What comes later is no part of it."""
SAME_ABOVE = ("recv.", "send.", "send_file.")
"""Events of operations that a connection of TLS has itself."""

LINE_FRAME = 64
NUMBERS = count()

Operation = Callable[..., Coroutine[Any, Any, None]]
Seen = tuple[int, int, str, dict[str, Any]]


class Recording:
    """Takes the observations of one connection; `lift` gives it its methods back."""

    def __init__(
        self, conn: Connection, hand_on: Callable[[Recording], None], most: int | None = None
    ) -> None:
        """`most`: so many observations of an exchange are kept; None: all."""
        self.conn = conn
        self.below: Any = getattr(conn, "below", None)
        """The connection under TLS, which makes the system calls; None without TLS."""
        self._said: Any = None
        """What knows the status of the response, where its first bytes do not (HTTP/2)."""
        self.request: Request | None = None
        """The request that is traced; None between requests, and for those not asked for."""
        self.head = b""
        """The first bytes of the response."""
        self.since_ns = 0 if conn.new else time.monotonic_ns()
        """Before this, everything belonged to another exchange."""
        self.seen: list[Seen] = []
        self.dropped = 0
        self._answered = False
        self._hand_on = hand_on
        self._most = most
        self.counts = 0
        """How often the kernel's counters were read."""
        self._overlays: tuple[Overlay, ...] = (
            conn.observe(self.emit),
            Overlay(conn, send=self._sending, send_file=self._sending, close=self._closing),
        )
        if self.below is not None:
            self._overlays += (self.below.observe(self._emit_below),)

    def _sending(self, send: Operation) -> Operation:
        def sending(first: bytes, *others: Any) -> Coroutine[Any, Any, None]:
            self.head = self.head or first[:16]
            return send(first, *others)

        return sending

    def _closing(self, close: Operation) -> Operation:
        def closing() -> Coroutine[Any, Any, None]:
            self.over()
            return close()

        return closing

    def lift(self) -> None:
        for overlay in self._overlays:
            overlay.lift()

    def _emit_below(self, event: str, detail: dict[str, Any]) -> None:
        """Of TLS: its operations are seen above; here the calls, and the reads of files."""
        if event.startswith(SAME_ABOVE):
            return
        if event.startswith("read_file."):
            detail = {name: value for name, value in detail.items() if name != "bytes"}
        self.emit(event, detail)

    def emit(self, event: str, detail: dict[str, Any]) -> None:
        if event == "recv.begin" and self._answered:
            self.over()
        if event == "recv.begin" and not self.seen:
            return  # waiting for a request is no part of it
        self._keep(event, detail)
        if event == "recv.end" and not self.counts:
            self.count()
        if event in TAKEN:
            self._count_at_end()

    def _keep(self, event: str, detail: dict[str, Any]) -> None:
        if self._most is None or len(self.seen) < self._most:
            self._add(time.monotonic_ns(), event, detail)
        else:
            self.dropped += 1

    def _add(self, at_ns: int, event: str, detail: dict[str, Any]) -> None:
        self.seen.append((at_ns, threading.get_native_id(), event, detail))

    def count(self) -> None:
        """What the kernel counts for this thread."""
        self.counts += 1
        begun_ns = time.monotonic_ns()
        counters = accounting()
        # Until when: what the kernel sees of this thread in that time is our own doing.
        self._add(begun_ns, "accounting", {**counters, "until_ns": time.monotonic_ns()})

    def asked(
        self, request: Request, *, conn: Any, head_bytes: int, arrived_s: float, wanted: bool
    ) -> None:
        """Content is asked. `arrived_s`: when the last bytes came, for what we did not see;
        `conn`: the connection as content has it, which of HTTP/2 is the stream."""
        pipelined = {"pipelined": True} if self._answered else {}
        if self._answered:
            self.over()  # the next request was here already
        if not any(event == "recv.end" for _, _, event, _ in self.seen):
            at_ns = max(self.since_ns, round(arrived_s * 1e9))
            self._add(at_ns, "recv.end", {"bytes": head_bytes, **pipelined})
            self.count()
        self.request = request if wanted else None
        self._add(time.monotonic_ns(), "content.enter", {})

    def answered(self, conn: Any, said: Any, detail: dict[str, Any]) -> None:
        """Content has done its part, or has failed and the server answers for it. `said`: the
        answer's head or the exchange, whose `status` is known once the response has begun."""
        self._said = said
        self._add(time.monotonic_ns(), "content.exit", detail)
        self._answered = True
        self._count_at_end()

    @property
    def status(self) -> int:
        return getattr(self._said, "status", 0) or status_of(self.head)

    def shared(self) -> dict[str, Any] | None:
        """What is known of other exchanges at the same time; None where there are none."""
        return None

    @property
    def _is_with_kernel(self) -> bool:
        """Whether all of the response is, as far as can be seen."""
        return self._answered and any(event in TAKEN for _, _, event, _ in self.seen)

    def _count_at_end(self) -> None:
        if self._is_with_kernel and self.counts < COUNTS:
            self.count()

    @property
    def _has_answer(self) -> bool:
        """Whether any of the response was sent."""
        return bool(self.head)

    def over(self) -> None:
        """The exchange has ended: hand it on if it was answered, and forget it."""
        if self._has_answer:
            self._hand_on(self)
        # Once it has the answer a client may ask again, before we come to know that it has.
        given = [at_ns for at_ns, _, event, _ in self.seen if event in GIVEN]
        self.since_ns = given[-1] if given else time.monotonic_ns()
        self._forget()

    def _forget(self) -> None:
        self.request = self._said = None
        self.head = b""
        self.seen = []
        self.dropped = 0
        self._answered = False
        self.counts = 0


def written(recording: Recording, generation: int, pipe: EventPipe, about: dict[str, Any]) -> None:
    """An exchange as lines: its observations, then what it was; `about` is a part of that."""
    if recording.counts < COUNTS:
        recording.count()
    name = f"{os.getpid()}.{next(NUMBERS)}"
    frame = json.dumps({"g": generation, "x": name})[:-1].encode()
    texts = [
        json.dumps([at_ns, event, {**detail, "tid": tid}], separators=(",", ":"))
        for at_ns, tid, event, detail in recording.seen
    ]
    for group in batches(texts, LINE_BYTES - len(frame) - LINE_FRAME):
        pipe.write(b'%b,"seen":[%b]}\n' % (frame, ",".join(group).encode()))
    conn = recording.conn
    local, peer = conn.socket_ends or (conn.local, conn.peer)
    done = about | {
        "status": recording.status,
        "local": local[1],
        "peer": peer[1] if peer else None,
        "fd": conn.fd,
        "http": "1.1" if (shared := recording.shared()) is None else "2",
        "tls": tls.version() if (tls := conn.tls) is not None else None,
        "shared": shared,
        "descriptors": 0 if working.model is None else working.model.watching,
        "since_ns": recording.since_ns,
        "dropped": recording.dropped,
        "lost": pipe.lost,
    }
    pipe.lost = 0
    pipe.send({"g": generation, "x": name, "done": done})
