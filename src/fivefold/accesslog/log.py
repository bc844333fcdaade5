"""The access log as the connections of one process know it.

`Http1` asks for `ConnectionLines` per connection and tells these of each exchange.  What is on
the hot path costs less than a microsecond there: a head that is known, an answer that was ready,
the second that it was already; all that is left is a look-up and, where the format has
times, to fill these in.  `docs/access-log.md` has the figures.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from time import monotonic

from ..content.application.forwarded import TrustedProxies
from ..content.request_ids import renamed
from ..http1.logged import LoggedRequest
from ..http1.request import Request, fields_of
from ..http1.stream import HttpConnection
from ..serving.base import WorkerHooks
from .formats import Format, Line, Times
from .heads import KEPT_BYTES, Head, Heads, Memo
from .second import Second, present
from .writer import Writer

FULL_BYTES = 65536
"""Written when there is so much; on a terminal, each line at once."""

REMEMBERED_US = 5000
"""The longest duration that is remembered as text: half a MiB of them."""

COMPLETE, ABORTED = "complete", "aborted"

UNIX, GONE = "unix", "-"
"""A client without an address: that of a UNIX socket, and one that has left already."""

HEAD_END = b"\r\n\r\n"


class Milliseconds(dict[int, str]):
    """Durations as text, by microseconds: 1234 is 1.234. Most are among the shortest few
    thousand, and to look one up takes a third of the time of making it."""

    def __missing__(self, us: int) -> str:
        text = f"{us / 1000:.3f}"
        if us < REMEMBERED_US:
            self[us] = text
        return text


MS = Milliseconds()


class AccessLog(WorkerHooks):
    """One per process; what is forked from it goes on with a log of its own, still empty."""

    def __init__(self, form: Format, proxies: TrustedProxies, writer: Writer, full: int) -> None:
        self.format = form
        self.timed = form.has_times
        self.has_all_times = form.has_all_times
        self.second = Second("", "", 0.0)
        self.until = 0.0
        """Monotonic: when `second` ends, and lines are due to be written."""
        self.size = 0
        """Bytes collected; threads may count over each other, and it need not be exact."""
        self.lines = writer.lines
        self.full = full
        self._proxies = proxies
        self._writer = writer
        self._heads = Heads(form)
        self._forwarded = Heads(form)
        """Of trusted peers: their heads name the client."""

    def log_of(self, conn: HttpConnection) -> ConnectionLines:
        """What records the exchanges of a connection."""
        peer = conn.peer
        address = peer[0] if peer else UNIX if conn.local[1] is None else GONE
        if self._proxies.none or not self._proxies.trusts(peer[0] if peer else None):
            return ConnectionLines(self, self._heads, address, None, conn)

        def forwarded(head: bytes) -> str | None:
            client = self._proxies.forwarded(conn, fields_of(head)).client
            return None if client is None or client is peer else client[0]

        return ConnectionLines(self, self._forwarded, address, forwarded, conn)

    def begin_second(self, now: float) -> None:
        """Another second has begun: the lines of the last one are due."""
        second = present()
        self.second = second
        self.until = now + second.ends_in
        self.flush()

    def flush(self) -> None:
        if self.lines or self._writer.turned:
            self.size = 0
            self._writer.flush()

    def tick(self) -> None:
        """Called about once a second, or more often, by each I/O model."""
        if monotonic() >= self.until:
            self.flush()

    def started(self) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: self._writer.flush())

    def idle(self) -> None:
        self.flush()

    def ended(self) -> None:
        self.close()

    def close(self) -> None:
        """Write the last lines; call it when no connection is left."""
        self._writer.close()


class ConnectionLines:
    """One connection: `http1.logged.ConnectionLog`."""

    def __init__(
        self,
        log: AccessLog,
        heads: Heads,
        address: str,
        forwarded: Callable[[bytes], str | None] | None,
        conn: HttpConnection,
    ) -> None:
        self._log = log
        self._queued = conn if log.format.has_queue else None
        """It knows the queue time of the first request."""
        self._heads = heads
        self._named = conn if log.format.has_ids else None
        """It knows the name of each: then no head is like another."""
        self._known_as = heads.known_as if self._named is None else unknown
        self._address = sys.intern(address)
        self._forwarded = forwarded
        self._since = monotonic()

    def log_whole(
        self, request: Request, head: bytes, answer: bytes, now: float, begun: float
    ) -> float:
        """Record an answer that was ready and has been sent; the present moment."""
        log = self._log
        end = monotonic()
        if end >= log.until:
            log.begin_second(end)
        known = self._known_as(head) or self._learnt(head, request)
        second, address = log.second, self._address
        memo = known.memo
        if memo[0] is not answer or memo[1] is not second or memo[2] is not address:
            memo = self._memo(known, answer, second)
        parts = memo[5]
        if not log.timed:
            line = parts[0]
        else:
            times = self._times(now, begun, end)
            if log.has_all_times:  # `Format.timed`, written out
                wait, handle, send, queue = times
                line = (
                    f"{parts[0]}{wait}{parts[1]}{handle}{parts[2]}{send}{parts[3]}{queue}{parts[4]}"
                )
            else:
                line = log.format.timed(parts, times)
        return self._append(line, end)

    def record(
        self, asked: LoggedRequest, status: int, size: int, *, complete: bool = False
    ) -> float:
        """Record any other exchange, when it is over; the present moment."""
        log = self._log
        end = monotonic()
        if end >= log.until:
            log.begin_second(end)
        known = self._known_as(asked.head) or self._learnt(asked.head, asked.request, asked.name)
        if asked.since is not None:
            self._since = asked.since
        if complete:  # as most exchanges of HTTP/2 are, a stream each
            parts = self._whole_line(known, log.second, status, size)
        else:
            parts = self._line(known, log.second, str(status), str(size), ABORTED)
        if not log.timed:
            return self._append(parts[0], end)
        times = self._times(asked.now, asked.begun, end)
        return self._append(log.format.timed(parts, times), end)

    def _append(self, line: str, end: float) -> float:
        log = self._log
        self._since = end
        log.lines.append(line)
        log.size += len(line)
        if log.size >= log.full:
            log.flush()
        return end

    def _learnt(self, head: bytes, request: Request | None, name: str | None = None) -> Head:
        if request is None:
            return self._heads.once(head, None, None)
        learn = self._heads.learnt
        if self._named is not None:
            name = self._named.request_id if name is None else name
            head, learn = renamed(head, name), self._heads.once
        return learn(head, request, self._forwarded(head) if self._forwarded else None)

    def _memo(self, known: Head, answer: bytes, second: Second) -> Memo:
        """The line for an answer that is not the last one of this head."""
        status, size = int(answer[9:12]), len(answer) - answer.find(HEAD_END) - len(HEAD_END)
        line = self._whole_line(known, second, status, size)
        kept = answer if len(answer) <= KEPT_BYTES else None
        memo = known.memo = kept, second, self._address, status, size, line
        return memo

    def _whole_line(self, known: Head, second: Second, status: int, size: int) -> Line:
        """That of an exchange of which nothing is missing: the last one of this head, if it is
        the same to the same client."""
        _, last_second, last_address, last_status, last_size, line = known.memo
        same_client = last_second is second and last_address is self._address
        if same_client and last_size == size and last_status == status:
            return line
        line = self._line(known, second, str(status), str(size), COMPLETE)
        known.memo = None, second, self._address, status, size, line
        return line

    def _line(self, known: Head, second: Second, status: str, size: str, outcome: str) -> Line:
        return self._log.format.filled(
            known.template,
            known.client or self._address,
            self._address,
            second.common,
            second.iso,
            status,
            size,
            outcome,
        )

    def _times(self, now: float, begun: float, end: float) -> Times:
        """Waited, handled, sent, lay in the queue, in milliseconds."""
        wait, handle, send = now - self._since, begun - now, end - begun
        queue = self._log.format.no_time if self._queued is None else self._queue(self._queued)
        return MS[int(wait * 1e6)], MS[int(handle * 1e6)], MS[int(send * 1e6)], queue

    def _queue(self, conn: HttpConnection) -> str:
        self._queued = None  # the requests that follow did not lie there
        queued_s = conn.queued_s
        return self._log.format.no_time if queued_s is None else MS[int(queued_s * 1e6)]


def unknown(_: bytes) -> None:
    """Instead of what is known by a head, where each request has a name."""
