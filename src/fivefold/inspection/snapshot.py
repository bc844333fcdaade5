"""What one process of a server does at this moment, as its own Python knows it: one document.

It is taken in a signal handler, in the middle of whatever the main thread does there: it takes no
lock and waits for nothing.

Form.         {"pid",
               "threads": [{"tid" (None where Python knows none), "name", "stack"}],
               "tasks": [{"name", "fd" (of the connection that it works for, or None), "stack"}],
               "connections": [{"fd", "peer" ("ADDRESS:PORT", None for a UNIX socket), "age_s",
                   "operation" (recv, send, send_file, read_file; None in the application),
                   "disk" (whether that waits for a file), "idle", "new",
                   "tid" (of the thread that runs it now; None while its coroutine waits),
                   "request" (the request line that is being answered, or None), "request_s",
                   "streams" (of HTTP/2: how many are served; else None), "waiting" (how many
                   requests beside them wait for their turn), "stream" (the number of one, which is
                   a row of its own behind that of its connection; else None),
                   "stack"}]}
              A stack is a list of "FILE:LINE in FUNCTION", the outermost first; of a connection
              it goes on into its application, wherever that runs: task, loop or thread.
Cost.         Nothing until it is asked for; then 20 to 40 us a connection.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from time import monotonic
from types import FrameType
from typing import Any

from ..content.asgi.lent_task import LentTask
from ..content.asgi.loop_thread.far_end import FarEnd
from ..content.asgi.tasks import _edged as edged
from ..content.request_ids import SERVES
from ..content.wsgi.call import Call
from ..content.wsgi.places import InPlace, InPool, leased
from ..http1.exchange import Exchange
from ..http1.slow_path import SlowPath
from ..iomodels.interface import Connection
from ..iomodels.probes import OPERATIONS
from ..serving.open_connections import OpenConnection, OpenConnections
from .coroutines import RunningThreads, shown, waiting_in

Document = dict[str, Any]

CARRIER = ".http2.connection"
"""How the module ends whose coroutine carries streams (`serving`), each of which has its own; it is
loaded only where HTTP/2 is spoken."""

STREAM_OPERATIONS = {
    "receive": "recv",
    "recv": "recv",
    "send": "send",
    "send_body": "send",
    "settled": "send",
    "read_file": "read_file",
}
"""Those in which a stream waits, in the words of `OPERATIONS`."""

CALLS = ("cycle", "socket")
"""The local variables of `Asgi` that stand for a call of an application."""

ANSWER = SlowPath._answer.__code__  # noqa: SLF001 - as above, for the exchange
IN_POOL, IN_PLACE = InPool.run.__code__, {Call.first.__code__, InPlace.run.__code__}
"""What runs while a connection waits for a WSGI application, or is in it."""

READS_FILES = "files.py"
"""How the modules end in which a connection waits for the disk."""

SHOWN_LINE = 200


def snapshot(
    connections: OpenConnections,
    loops: set[asyncio.AbstractEventLoop],
    here: FrameType | None,
) -> Document:
    """Of this process; `loops`: those whose tasks are looked at; `here`: `RunningThreads`."""
    threads = RunningThreads(here)
    tasks = tasks_of(loops, threads)
    served = served_now(connections.now(), threads)
    for one in served:
        one.follow_call(threads, tasks)
    working = {id(call): one.conn.fd for one in served for call in one.calls}
    return {
        "pid": os.getpid(),
        "threads": [
            {
                "tid": threads.native_id(ident),
                "name": getattr(threads.threads[ident], "name", ""),
                "stack": shown(stack),
            }
            for ident, stack in threads.stacks.items()
        ],
        "tasks": [
            {"name": task.get_name(), "fd": working.get(id(serves)), "stack": shown(frames)}
            for task, serves, frames in tasks
            if frames
        ],
        "connections": [one.document() for one in served],
    }


WorkingTask = tuple[asyncio.Task[Any], Any, list[FrameType]]
"""A task, which call of an application it carries, and where that is."""


def tasks_of(loops: set[asyncio.AbstractEventLoop], threads: RunningThreads) -> list[WorkingTask]:
    return [(task, *examined(task, threads)) for loop in loops for task in asyncio.all_tasks(loop)]


def examined(task: asyncio.Task[Any], threads: RunningThreads) -> tuple[Any, list[FrameType]]:
    """Which call of an application a task carries, and where that is."""
    coroutine: Any = task.get_coro()
    serves: Any = None
    if isinstance(coroutine, LentTask):
        serves, coroutine = coroutine.serves, coroutine.shown
    frames = located(coroutine, threads)[0]
    if frames and frames[0].f_code is edged.__code__:
        serves = getattr(frames[0].f_locals["ended"], "__self__", None)
    while hasattr(serves, "serves"):  # from the application's loop to that of its connection
        serves = serves.serves
    return serves, frames


def located(coroutine: Any, threads: RunningThreads) -> tuple[list[FrameType], int | None]:
    """Its frames, and the thread that runs it now."""
    frames = waiting_in(coroutine)
    ident = threads.runs(frames[0]) if frames else None
    return (frames, None) if ident is None else (threads.inwards(frames[0], ident), ident)


def served_now(
    connections: Iterable[tuple[Connection, OpenConnection]], threads: RunningThreads
) -> list[ServedConnection]:
    """Each connection, and behind one of HTTP/2 each of its streams."""
    served: list[ServedConnection] = []
    for conn, entry in connections:
        one = ServedConnection(conn, entry, threads)
        served.append(one)
        for stream, serving in one.streams or ():
            served.append(ServedStream(stream, OpenConnection(serving, entry.since), threads))
    return served


class ServedConnection:
    """One connection, and what works for it."""

    streams: list[tuple[Any, Any]] | None = None
    """Of a connection that carries streams: those that are served, each with its coroutine."""
    waiting = 0
    """How many requests beside them wait for their turn."""
    number: int | None = None
    """Of a stream."""

    def __init__(self, conn: Any, entry: OpenConnection, threads: RunningThreads) -> None:
        self.conn = conn
        self._since = entry.since
        self._frames, ident = located(entry.serving, threads)
        self._tid = None if ident is None else threads.native_id(ident)
        self._asked: dict[str, Any] = {}
        """The local variables of the coroutine that answers requests."""
        self.calls: list[Any] = []
        """Those of an ASGI application."""
        self.exchange: Exchange | None = None
        """None where content has not got one (yet)."""
        self.call: Any = None
        """Of an application, that the coroutine of the connection waits for: has `time_out`."""
        self.runs_in_place = False
        """Whether an application runs in the coroutine of the connection itself."""
        for at, frame in enumerate(self._frames):
            if is_carrier(frame):
                carrier = frame.f_locals["serving"]
                self.streams, self.waiting = carrier.served(), carrier.waiting
            elif frame.f_code in SERVES and self.streams is not None:
                del self._frames[at:]  # a stream that is answered in turn: it has its own row
                break
            elif frame.f_code in SERVES:
                self._asked = asked_in(frame)
                self.exchange = frame.f_locals.get("exchange")
            elif frame.f_code is ANSWER:
                self.exchange = frame.f_locals["exchange"]
            elif frame.f_code is IN_POOL:
                self.call = frame.f_locals.get("lease")
            elif frame.f_code in IN_PLACE:
                self.runs_in_place = True
            elif frame.f_globals.get("__name__", "").endswith(".asgi.protocol_server"):
                found = frame.f_locals
                self.calls += [found[name] for name in CALLS if found.get(name) is not None]
                self.call = found.get("cycle")
        self.mark = None if self.call is None else self.call.mark

    @property
    def asked_at(self) -> float | None:
        """`time.monotonic` when the request came that is being answered; None if none is."""
        return self._asked["now"] if self._asked.get("request") and not self.conn.idle else None

    @property
    def request_id(self) -> str:
        """The name of that request, where requests have names."""
        return str((self._asked.get("conn") or self.conn).request_id)

    @property
    def application_since(self) -> float | None:
        """Since when the client waits for the application, and for nothing else; None if it does
        not, or is used to wait."""
        at, exchange = self.asked_at, self.exchange
        in_application = self.runs_in_place or self.call is not None
        if at is None or not in_application or self._operation() is not None:
            return None
        if self.call is not None and self.call.waits_for_client:
            return None
        if exchange is None:
            return at
        return None if exchange.is_event_stream else max(at, exchange.moved_at)

    def follow_call(self, threads: RunningThreads, tasks: list[WorkingTask]) -> None:
        """Into the application, where that does not run in our coroutine."""
        for call in self.calls:
            for _, serves, frames in tasks:
                if serves is call:
                    self._frames += frames
                    ident = threads.runs(frames[0]) if frames else None
                    self._tid = self._tid if ident is None else threads.native_id(ident)
        for ident, stack in threads.stacks.items():
            for frame in stack:
                if self._has_begun_in(frame):
                    self._frames += threads.inwards(frame, ident)
                    self._tid = threads.native_id(ident)

    def _has_begun_in(self, frame: FrameType) -> bool:
        """Whether this is where another thread runs its application, and no task does."""
        if frame.f_code is leased.__code__:
            return frame.f_locals["call"].conn is self._asked.get("conn")
        if frame.f_code is FarEnd.begin.__code__:
            return frame.f_locals["self"].serves.serves in self.calls
        return False

    def document(self) -> Document:
        conn, now = self.conn, monotonic()
        operation, name = self._operation(), self._operation_name()
        peer = (self._asked.get("conn") or conn).peer
        asked_at = self.asked_at
        return {
            "fd": conn.fd,
            "peer": f"{peer[0]}:{peer[1]}" if peer else None,
            "age_s": now - self._since,
            "operation": name,
            "disk": operation is not None and self._reads_file(operation),
            "idle": conn.idle,
            "new": conn.new,
            "tid": self._tid,
            "request": None if asked_at is None else line_of(self._asked["head"]),
            "request_s": None if asked_at is None else now - asked_at,
            "streams": None if self.streams is None else len(self.streams),
            "waiting": self.waiting,
            "stream": self.number,
            "stack": shown(self._frames),
        }

    def _operation_name(self) -> str | None:
        operation = self._operation()
        return None if operation is None else str(operation.f_code.co_name)

    def _operation(self) -> FrameType | None:
        """The innermost call of the connection itself."""
        for frame in reversed(self._frames):
            if frame.f_code.co_name in OPERATIONS and frame.f_locals.get("self") is self.conn:
                return frame
        return None

    def _reads_file(self, operation: FrameType) -> bool:
        inner = self._frames[self._frames.index(operation) + 1 :]
        return operation.f_code.co_name == "read_file" or any(
            frame.f_code.co_filename.endswith(READS_FILES) for frame in inner
        )


class ServedStream(ServedConnection):
    """One stream of a connection."""

    def __init__(self, conn: Any, entry: OpenConnection, threads: RunningThreads) -> None:
        super().__init__(conn, entry, threads)
        self.number = conn.number

    def _operation_name(self) -> str | None:
        operation = self._operation()
        return STREAM_OPERATIONS[operation.f_code.co_name] if operation else None

    def _operation(self) -> FrameType | None:
        """The outermost: what that does on the connection, it may do for other streams."""
        for frame in self._frames:
            name = frame.f_code.co_name
            if name in STREAM_OPERATIONS and frame.f_locals.get("self") is self.conn:
                return frame
        return None


def is_carrier(frame: FrameType) -> bool:
    """Whether it is the coroutine of a connection of HTTP/2."""
    here: bool = frame.f_globals.get("__name__", "").endswith(CARRIER)
    return here and frame.f_locals.get("serving") is not None


def asked_in(frame: FrameType) -> dict[str, Any]:
    """What is asked where requests are served: `conn`, `request`, `head`, `now`; nothing before
    that is known."""
    found = frame.f_locals
    asked = found.get("asked")
    known = found if asked is None else {n: getattr(asked, n) for n in ("request", "head", "now")}
    names = ("request", "head", "now")
    return {name: known.get(name) for name in names} | {"conn": found.get(SERVES[frame.f_code])}


def line_of(head: bytes) -> str:
    return head.lstrip(b"\r\n").partition(b"\r\n")[0][:SHOWN_LINE].decode("latin-1")


def loops_of(ios: Iterable[Any]) -> set[asyncio.AbstractEventLoop]:
    """The event loops of these I/O models, and of those that they hand calls to."""
    hosts = [host for io in ios for host in (io, getattr(io, "there", None)) if host is not None]
    return {host.loop for host in hosts if hasattr(host, "loop")}
