"""`/` and `/events`: a page, and what it shows, once a second, as server-sent events.

Cost.         Nothing while no viewer is there.  Otherwise one look at the server each second for
              all viewers together (`tracing.attach.inspected`: a worker stands still for some
              ms, and 40 us for each connection, when a signal comes; with many connections looks
              are rarer, `MOST_SHARE`), and at most `MOST_VIEWERS` who are sent at most
              `MOST_SHOWN` threads and as many connections.
Assumption.   A look may take as long as the control process waits for a stuck worker; so a thread
              takes it, and the loop that answers monitors never waits for one.
"""

from __future__ import annotations

import json
import os
import threading
import time
from time import monotonic
from typing import Any

from ...errors import FivefoldError, ProtocolError
from ...http1.exchange import Exchange
from ...http1.response import ResponseHead
from ...isolation.reporting import logger, report
from ...linux.proc.accept_queues import waiting
from ...pages import rendered
from ...processes.census import Census
from ...tracing.attach.inspected import inspected
from ..routes import NEVER_STORED, answering
from ..rows import (
    CLOSED,
    DURATION,
    DURATION_SUM,
    DURATIONS_NS,
    IDLE,
    OPENED,
    SERVER_ERRORS,
    STATUSES,
    Rows,
)

log = logger("fivefold.status")

MOST_VIEWERS = 8
MOST_SHOWN = 200

EVERY_S = 1.0
CONNECTION_S = 40e-6
"""For so long a look stops a worker for each of its connections."""
MOST_SHARE = 0.05
"""Of its time."""
POLL_S = 0.1
"""How soon a viewer has a look that was taken."""

HTML = b"text/html; charset=utf-8"
EVENTS = b"text/event-stream"

LANE = ("tid", "name", "state", "call", "on", "waits_in", "asleep_s")
CONNECTION = ("fd", "peer", "age_s", "state", "request", "request_s", "tid")


class LivePage:
    """Of one server, in its status process."""

    def __init__(
        self,
        title: str,
        rows: dict[str, Rows],
        census: Census,
        queues: dict[int, str],
        supervisor: int,
    ) -> None:
        self._title = title
        self._rows = rows
        self._census = census
        self._queues = queues
        self._supervisor = supervisor
        self._lock = threading.Lock()
        self._viewers = 0
        self._is_looking = False
        self._latest: tuple[int, bytes] = (0, b"")
        """The number of the last look, and the event that shows it."""

    async def page(self, exchange: Exchange) -> None:
        page = rendered(__package__, "live", title=self._title)
        await exchange.answer(answering(200, HTML, page.encode()))

    async def events(self, exchange: Exchange) -> None:
        with self._lock:
            if self._viewers >= MOST_VIEWERS:
                raise ProtocolError(503, f"{MOST_VIEWERS} viewers are looking on already.")
            self._viewers += 1
        try:
            self._begin_looking()
            await self._show(exchange)
        finally:
            with self._lock:
                self._viewers -= 1

    def _begin_looking(self) -> None:
        """Raises `RuntimeError` if no thread can be had: the next viewer tries again."""
        with self._lock:
            if not self._is_looking:
                threading.Thread(target=self._look_on, name="fivefold-look", daemon=True).start()
                self._is_looking = True  # the thread waits for the lock to set it back

    async def _show(self, exchange: Exchange) -> None:
        exchange.start(ResponseHead(200, [(b"Content-Type", EVENTS), NEVER_STORED]))
        await exchange.write(b": hello\n\n", more=exchange.request.method != "HEAD")
        shown = self._latest[0]
        while not (exchange.finished or exchange.conn.closing):
            number, event = self._latest
            if number != shown:
                shown = number
                await exchange.write(event, more=True)
            await exchange.conn.io.sleep(POLL_S)
        if not exchange.finished:
            await exchange.write(b"", more=False)

    # runs in: a thread of its own, while somebody looks on

    def _look_on(self) -> None:
        while True:
            due = monotonic() + EVERY_S
            try:
                seen = self._look()
                self._latest = self._latest[0] + 1, b"data: %b\n\n" % json.dumps(seen).encode()
                due += rest_s(seen["open"], seen["workers"][0])
            except Exception as error:  # noqa: BLE001 - the next look tries again
                report(log, "the live page could not look at the server", error=error)
            time.sleep(max(0.0, due - monotonic()))
            with self._lock:
                if not self._viewers:
                    self._is_looking = False
                    return

    def _look(self) -> dict[str, Any]:
        problem = ""
        try:
            processes = inspected(self._supervisor)
        except FivefoldError as error:
            processes, problem = [], str(error)
        every = self._rows.values()
        total = [sum(column) for column in zip(*(rows.total() for rows in every), strict=True)]
        living = [row for rows in every for row in rows.living()]
        opened = sum(row[OPENED] - row[CLOSED] for row in living)
        idle = min(opened, sum(row[IDLE] for row in living))
        connections = [
            {"pid": each["pid"], **{name: connection[name] for name in CONNECTION}}
            for each in processes
            for connection in each.get("connections") or ()
            if not connection["streams"]  # each of these has a row of its own
        ]
        connections.sort(key=lambda connection: -(connection["request_s"] or 0.0))
        return {
            "at": monotonic(),
            "problem": problem,
            "workers": [self._census.ready, self._census.slots],
            "draining": self._census.draining,
            "deaf": [each["pid"] for each in processes if each["raw"]],
            "requests": sum(total[:STATUSES]),
            "errors": sum(total[SERVER_ERRORS:STATUSES]),
            "durations": total[DURATION:DURATION_SUM],
            "bounds": [bound / 1e6 for bound in DURATIONS_NS],
            "open": opened,
            "active": opened - idle,
            "queued": sum(waiting(self._queues).values()),
            "lanes": [
                {"pid": each["pid"], "process": each["name"], **{n: lane[n] for n in LANE}}
                for each in processes
                if each["pid"] != os.getpid()
                for lane in each["threads"]
            ][:MOST_SHOWN],
            "connections": connections[:MOST_SHOWN],
        }


def rest_s(connections: int, workers: int) -> float:
    """How much rarer looks are where connections are many."""
    return max(0.0, connections / max(workers, 1) * CONNECTION_S / MOST_SHARE - EVERY_S)
