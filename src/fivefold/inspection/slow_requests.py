"""`--slow-request-s`: a request that takes longer is logged, once, with what it waits for.

Choice.       A thread of its own in each process that serves looks at the connections now and then.
              Where the only thread of a process is inside an application that blocks, no tick of
              the I/O model comes, and a signal would interrupt what the application calls.
Assumption.   The application gives the GIL back now and then: what it holds on to it for ever is
              for `--stuck-s` to find.  The forker of `process` serves no client and has no thread.
              A websocket that listens waits for its client, and is no request any more.
Cost.         Nothing without the setting.  With it a thread for each process that serves, which
              wakes up four times within the limit, once a second at most, and takes 20 to 40 us for
              each connection that is older than the limit and not idle; nothing per request.
"""

from __future__ import annotations

import logging
import os
import time
import weakref
from time import monotonic

from ..content.request_ids import about
from ..iomodels.interface import Connection, IOModel
from ..isolation.reporting import logger, report
from ..isolation.starting_threads import start_thread
from ..linux.proc.descriptors import SocketTables
from ..serving.base import ServingModel
from .coroutines import RunningThreads
from .merging import seen_from_outside, state_of
from .overdue_requests import OverdueRequests
from .phrases import doing, peer, stack_of
from .served_connections import ServedConnection, served_now
from .snapshot import Document
from .working_tasks import loops_of, tasks_of

log = logger("fivefold.slow")

SHORTEST_S, LONGEST_S = 0.02, 1.0
"""Between two looks."""


class SlowRequests:
    """Of one worker and the processes that it forks."""

    def __init__(self, slow_s: float, overdue: OverdueRequests | None = None) -> None:
        """`slow_s`: when a request is logged; `overdue`: how it is ended, if it is."""
        self._slow_s = slow_s
        self._overdue = overdue
        self._least_s = slow_s if overdue is None else min(slow_s, overdue.limit_s)
        self._process = 0
        """In which the thread looks."""
        self._model: ServingModel | None = None
        self._ios: weakref.WeakSet[IOModel] = weakref.WeakSet()
        self._said: dict[Connection, float] = {}
        """Of which request of a connection the log has been told, by the time when it came."""

    def watch(self, model: ServingModel) -> None:
        """Whose connections are looked at."""
        self._model = model

    def begin(self, io: IOModel) -> None:
        """Called in each thread that serves, with its I/O model."""
        self._ios.add(io)
        if self._process != os.getpid():
            self._process = os.getpid()
            start_thread("fivefold-slow", self._life)

    def _life(self) -> None:
        pause_s = min(max(self._least_s / 4, SHORTEST_S), LONGEST_S)
        while self._process == os.getpid():
            time.sleep(pause_s)
            try:
                self._look()
            except BaseException as error:  # noqa: BLE001 - an edge: the next look tries again
                report(log, "slow requests could not be looked for", error=error)

    def _look(self) -> None:
        assert self._model is not None
        before = monotonic() - self._least_s
        old = [(c, e) for c, e in self._model.open.now() if e.since <= before and not c.idle]
        threads = RunningThreads(None) if old else None
        served = served_now(old, threads) if threads else []
        self._look_for_slow(served, threads)
        if self._overdue is not None:
            self._look_for_overdue(self._overdue, served, threads, self._model)

    def _look_for_slow(
        self, served: list[ServedConnection], threads: RunningThreads | None
    ) -> None:
        before = monotonic() - self._slow_s
        asked = {one: at for one in served if (at := one.asked_at) is not None and at <= before}
        late = [one for one, at in asked.items() if self._said.get(one.conn) != at]
        self._said = {one.conn: at for one, at in asked.items()}
        self._follow(late, threads)
        self._say(logging.WARNING, late, "takes {} s (--slow-request-s)")

    def _look_for_overdue(
        self,
        overdue: OverdueRequests,
        served: list[ServedConnection],
        threads: RunningThreads | None,
        model: ServingModel,
    ) -> None:
        late = overdue.among(served)
        new = overdue.new(late)
        self._follow(late, threads)
        self._say(logging.ERROR, new, "has taken {} s and is ended (--request-timeout-s)")
        for one in new:
            overdue.end(one, model)
        deaf = overdue.deaf(late)
        self._say(logging.ERROR, deaf, "cannot be ended after {} s: its process is replaced")
        for one in deaf:
            one.conn.abort()
        if deaf or overdue.hangs():
            model.cannot_go_on()

    def _follow(self, late: list[ServedConnection], threads: RunningThreads | None) -> None:
        if late and threads is not None:
            tasks = tasks_of(loops_of(list(self._ios)), threads)
            for one in late:
                one.follow_call(threads, tasks)

    def _say(self, level: int, late: list[ServedConnection], what: str) -> None:
        """`what`: that is said of each, with {} for its age."""
        documents = [one.document() for one in late]
        asked = {one["tid"] for one in documents} - {None}
        threads = seen_from_outside(os.getpid(), SocketTables(), asked)["threads"] if asked else []
        kernel = {one["tid"]: one for one in threads}
        for one, connection in zip(late, documents, strict=True):
            with about(one.request_id):
                log.log(level, "%s", described(connection, kernel.get(connection["tid"]), what))


def described(connection: Document, thread: Document | None, what: str) -> str:
    """`thread`: the one that runs it; None while a coroutine or a task waits."""
    runs = "its coroutine waits" if thread is None else f"thread {thread['tid']} {doing(thread)}"
    first = (
        f"{connection['request']!r} from {peer(connection)}"
        f" {what.format(format(connection['request_s'], '.1f'))}:"
        f" {state_of(connection, thread)}, {runs}; this is where it is:"
    )
    return "\n".join([first, *stack_of(connection)])
