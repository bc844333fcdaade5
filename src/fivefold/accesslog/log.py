"""The access log as the connections of one process know it.

`Http1` asks for a `Visit` per connection and tells it of each exchange.  What is on the hot
path costs less than a microsecond there: a head that is known, an answer that was ready,
the second that it was already; all that is left is a look-up and, where the format has
times, to fill these in.  `docs/access-log.md` has the figures.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from time import monotonic

from ..content.origin import Proxies
from ..http1.exchange import Connection
from ..http1.recorded import Asked
from ..http1.request import Request, fields_of
from ..serving.base import Housekeeping
from .formats import Format
from .heads import Head, Heads
from .second import Second, present
from .writer import Writer

FULL_BYTES = 65536
"""Written when there is so much."""

MEMO_BYTES = 4096
"""The longest answer that is remembered beside its line, with up to 1024 heads."""

COMPLETE, ABORTED = "complete", "aborted"

NO_PEER = "unix"
"""The client of a UNIX socket has no address."""

HEAD_END = b"\r\n\r\n"


class AccessLog(Housekeeping):
    """One per process; what is forked from it goes on with a log of its own, still empty."""

    def __init__(self, form: Format, proxies: Proxies, writer: Writer) -> None:
        self.format = form
        self.second = Second("", "", 0.0)
        self.until = 0.0
        """Monotonic: when `second` ends, and lines are due to be written."""
        self.size = 0
        """Bytes collected; threads may count over each other, and it need not be exact."""
        self.lines = writer.lines
        self._proxies = proxies
        self._writer = writer
        self._heads = Heads(form)
        self._forwarded = Heads(form)
        """Of trusted peers: their heads say who the client is."""

    def visit(self, conn: Connection) -> Visit:
        """What records the exchanges of a connection."""
        peer = conn.peer
        address = peer[0] if peer else NO_PEER
        if self._proxies.none or not self._proxies.trusts(peer[0] if peer else None):
            return Visit(self, self._heads, address, None)

        def forwarded(head: bytes) -> str | None:
            client = self._proxies.origin(conn, fields_of(head)).client
            return None if client is None or client is peer else client[0]

        return Visit(self, self._forwarded, address, forwarded)

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

    def begin(self) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: self._writer.flush())

    def rest(self) -> None:
        self.flush()

    def close(self) -> None:
        """Write the last lines; call it when no connection is left."""
        self._writer.close()


class Visit:
    """One connection: `http1.recorded.Visit`."""

    def __init__(
        self,
        log: AccessLog,
        heads: Heads,
        address: str,
        forwarded: Callable[[bytes], str | None] | None,
    ) -> None:
        self._log = log
        self._heads = heads
        self._short = heads.short
        self._address = sys.intern(log.format.quoted(address))
        self._forwarded = forwarded
        self._pick_times = log.format.pick_times
        self._since = monotonic()

    def whole(
        self, request: Request, head: bytes, answer: bytes, now: float, begun: float
    ) -> float:
        """Record an answer that was ready and has been sent; the present moment."""
        log = self._log
        end = monotonic()
        if end >= log.until:
            log.begin_second(end)
        known = self._short.get(head) or self._learnt(head, request)
        second = log.second
        address = self._address
        memo = known.memo
        if memo[0] is answer and memo[1] is second and memo[2] is address:
            line = memo[3]
        else:
            size = len(answer) - answer.find(HEAD_END) - len(HEAD_END)
            line = self._filled(known, second, answer[9:12].decode(), size, COMPLETE)
            if len(answer) <= MEMO_BYTES:
                known.memo = answer, second, address, line
        if self._pick_times is not None:
            line %= self._pick_times(in_ms(self._since, now, begun, end))
        self._since = end
        log.lines.append(line)
        log.size += len(line)
        if log.size >= FULL_BYTES:
            log.flush()
        return end

    def record(self, asked: Asked, status: int, size: int, *, complete: bool = False) -> float:
        """Record any other exchange, when it is over; the present moment."""
        log = self._log
        end = monotonic()
        if end >= log.until:
            log.begin_second(end)
        known = self._short.get(asked.head) or self._learnt(asked.head, asked.request)
        outcome = COMPLETE if complete else ABORTED
        line = self._filled(known, log.second, str(status), size, outcome)
        if self._pick_times is not None:
            line %= self._pick_times(in_ms(self._since, asked.now, asked.begun, end))
        self._since = end
        log.lines.append(line)
        log.size += len(line)
        if log.size >= FULL_BYTES:
            log.flush()
        return end

    def _learnt(self, head: bytes, request: Request | None) -> Head:
        client = self._forwarded(head) if self._forwarded and request is not None else None
        return self._heads.learnt(head, request, client)

    def _filled(self, known: Head, second: Second, status: str, size: int, outcome: str) -> str:
        return self._log.format.filled(
            known.template,
            known.client or self._address,
            self._address,
            second.common,
            second.iso,
            status,
            str(size),
            outcome,
        )


def in_ms(since: float, now: float, begun: float, end: float) -> tuple[float, ...]:
    """Waited, handled, sent, and the last two together."""
    return (now - since) * 1e3, (begun - now) * 1e3, (end - begun) * 1e3, (end - now) * 1e3
