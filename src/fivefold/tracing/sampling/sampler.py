"""`--trace-sample`: every Nth request is timed, without rights and at little cost.

The others pay for a countdown, and only where sampling is on: content gets a method that
counts before the first connection, and otherwise keeps its own.  What was measured goes to
the control process, which writes the log, the metrics and the spans.

Three parts, one after the other: read (from the first bytes to a whole head), application
(until the head of the response leaves), send (until the kernel has all of it).  The first
two are in the sampled response as `Server-Timing`, unless its head has left before.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic_ns, thread_time_ns, time_ns
from typing import Any

from ...content.base import Content
from ...content.leaving_head import is_head, status_of
from ...content.server_timing import with_times
from ...http1.answer import Answer, Deferred
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...iomodels.overlay import Overlay
from ...linux.tcp_info import tcp_info
from ..control.pipe import EventPipe
from .line import LINE, NO_QUEUE, NO_TCP, SHOWN_TARGET

TRACEPARENT = b"\r\ntraceparent:"
LONGEST_PARENT = 64


class Sampler:
    """Counts the requests of one process."""

    def __init__(self, every: int, pipe: EventPipe) -> None:
        self._every = every
        self._pipe = pipe

    def install(self, content: Content) -> None:
        """Let `content` count, in this process and in those that are forked from it."""
        self._respond = content.respond
        every = left = self._every

        def begin_anywhere() -> None:
            nonlocal left
            left = random.randint(1, every)  # noqa: S311 - no secret

        def counting(inner: Callable[..., Answer | None]) -> Callable[..., Answer | None]:
            def answer_at_once(
                request: Request, head: bytes, conn: Any, now: float
            ) -> Answer | None:
                nonlocal left
                left -= 1
                if left > 0:  # threads may count over each other, and past zero
                    answer = inner(request, head, conn, now)
                else:
                    left = every
                    sample = SampledRequest(request, head, conn, now)
                    answer = self._sampled(sample, inner(request, head, conn, now))
                if not conn.has_asked:
                    conn.note_request()
                return answer

            return answer_at_once

        # A process that serves few requests in its life shall be sampled as often as one of many.
        os.register_at_fork(after_in_child=begin_anywhere)
        Overlay(content, answer_at_once=counting)

    def _sampled(self, sample: SampledRequest, answer: Answer | None) -> Deferred:
        """The response of a sampled request: however it comes, it is timed to its end."""

        async def respond(exchange: Exchange) -> None:
            try:
                with seen(sample.conn, sample.opened):
                    await (self._respond if answer is None else answer.through)(exchange)
            finally:
                self._pipe.write(sample.measured(self._pipe))

        return Deferred(respond)


class SampledRequest:
    """One request that is timed."""

    def __init__(self, request: Request, head: bytes, conn: Any, now: float) -> None:
        self.conn = conn
        self._request = request
        self._head = head
        self._arrived_ns = round(now * 1e9)
        self._asked_ns = monotonic_ns()
        self._opened_ns = 0
        self._answer = b""
        self._queued_s = None if conn.has_asked else conn.queued_s
        self._thread_ns = thread_time_ns()

    def opened(self, data: bytes) -> bytes:
        """The first bytes of the response leave; with our field if a whole head is in them."""
        if self._answer or not is_head(data):
            return data
        self._answer = data[:16]
        self._opened_ns = monotonic_ns()
        read_ns, app_ns = self._asked_ns - self._arrived_ns, self._opened_ns - self._asked_ns
        return with_times(data, read_ns / 1e9, app_ns / 1e9, self._queued_s)

    def measured(self, pipe: EventPipe) -> bytes:
        """What the control process is told; see `line`."""
        end_ns = monotonic_ns()
        thread_ns = thread_time_ns() - self._thread_ns
        info = tcp_info(self.conn.sock)
        opened_ns = self._opened_ns or end_ns
        lost, pipe.lost = pipe.lost, 0
        return LINE % (
            self._request.method.encode(),
            self._request.target[:SHOWN_TARGET],
            parent_in(self._head),
            status_of(self._answer),
            time_ns(),
            max(0, self._asked_ns - self._arrived_ns),
            opened_ns - self._asked_ns,
            end_ns - opened_ns,
            max(0, thread_ns),  # it may end in a thread whose time has another beginning
            info.rtt_us * 1000 if info else NO_TCP,
            info.retransmitted if info else 0,
            lost,
            NO_QUEUE if self._queued_s is None else self._queued_s * 1e9,
        )


@contextmanager
def seen(conn: Any, opened: Callable[[bytes], bytes]) -> Iterator[None]:
    """Meanwhile what the connection sends passes `opened` first, which may change it.

    Cost: what `Overlay` says, and a small response does not wait for others of its turn.
    """
    if conn.multiplexed:  # whose head is lines only where something is put into them
        conn.begin_request((*conn.adding, opened))
        yield
        return

    def sending(send: Callable[..., Any]) -> Callable[..., Any]:
        return lambda first, *others: send(opened(first), *others)

    def never(_: object) -> Callable[..., Any]:
        return lambda _: False  # it is to be sent by the above

    overlay = Overlay(conn, send=sending, send_file=sending, send_soon=never)
    try:
        yield
    finally:
        overlay.lift()


def parent_in(head: bytes) -> bytes:
    """The client's span (W3C Trace Context), unchecked; nothing if it names none."""
    at = head.lower().find(TRACEPARENT)
    if at < 0:
        return b""
    line = head[at + len(TRACEPARENT) :].partition(b"\r\n")[0]
    return line.strip()[:LONGEST_PARENT].replace(b"\t", b" ")
