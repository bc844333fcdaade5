"""What works for a connection at this moment: its coroutine, the application behind that, wherever
it runs, and the request that is being answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from types import FrameType
from typing import Any

from ..content.asgi.loop_thread.far_end import FarEnd
from ..content.request_ids import SERVES
from ..content.wsgi.call import Call
from ..content.wsgi.places import InPlace, InPool, leased
from ..http1.exchange import Exchange
from ..http1.slow_path import SlowPath
from ..iomodels.interface import Connection
from ..iomodels.probes import OPERATIONS
from ..serving.open_connections import OpenConnection
from .coroutines import RunningThreads, located, shown
from .working_tasks import WorkingTask

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

ANSWER = SlowPath._answer.__code__  # noqa: SLF001 - it has the exchange
IN_POOL, IN_PLACE = InPool.run.__code__, {Call.first.__code__, InPlace.run.__code__}
"""What runs while a connection waits for a WSGI application, or is in it."""

READS_FILES = "files.py"
"""How the modules end in which a connection waits for the disk."""

SHOWN_LINE = 200


def served_now(
    connections: Iterable[tuple[Connection, OpenConnection]], threads: RunningThreads
) -> list[ServedConnection]:
    """Each connection, and behind one of HTTP/2 each of its streams."""
    served: list[ServedConnection] = []
    for conn, entry in connections:
        frames, ident = located(entry.serving, threads)
        tid = None if ident is None else threads.native_id(ident)
        one = ServedConnection(conn, entry.since, frames, tid)
        served.append(one)
        for stream, serving in one.streams or ():
            inner, ident = located(serving, threads)
            stream_tid = None if ident is None else threads.native_id(ident)
            served.append(ServedStream(stream, entry.since, inner, stream_tid))
        if one.begun is not None:
            served.append(ServedStream(*one.begun, tid))
    return served


class ServedConnection:
    """One connection, and what works for it."""

    streams: list[tuple[Any, Any]] | None = None
    """Of a connection that carries streams: those that are served, each with its coroutine."""
    waiting = 0
    """How many requests beside them wait for their turn."""
    number: int | None = None
    """Of a stream."""
    begun: tuple[Any, float, list[FrameType]] | None = None
    """The stream whose answer is being begun, since when the connection is open, and its frames: it
    is none of `streams` before it waits."""

    def __init__(self, conn: Any, since: float, frames: list[FrameType], tid: int | None) -> None:
        """`frames`: where it is, the outermost first; `tid`: of the thread that runs it now."""
        self.conn = conn
        self._since = since
        self._frames = frames
        self._tid = tid
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
                self._begun_in(at)
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

    def _begun_in(self, at: int) -> None:
        """From that frame on it is a stream that is answered or begun: it has its own row."""
        frames = self._frames[at:]
        stream = frames[0].f_locals.get(SERVES[frames[0].f_code])
        del self._frames[at:]
        if stream is not None and all(stream is not other for other, _ in self.streams or ()):
            self.begun = stream, self._since, frames

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

    def document(self) -> dict[str, Any]:
        """Its row of the snapshot."""
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
            "streams": self.count,
            "waiting": self.waiting,
            "stream": self.number,
            "stack": shown(self._frames),
        }

    @property
    def count(self) -> int | None:
        """Of streams, on a connection that carries some."""
        return None if self.streams is None else len(self.streams) + (self.begun is not None)

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

    def __init__(self, conn: Any, since: float, frames: list[FrameType], tid: int | None) -> None:
        super().__init__(conn, since, frames, tid)
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
    asking = found.get("asking")  # of a stream
    known = found if asking is None else found | {"request": asking.request, "head": asking.head}
    names = ("request", "head", "now")
    return {name: known.get(name) for name in names} | {"conn": found.get(SERVES[frame.f_code])}


def line_of(head: bytes) -> str:
    return head.lstrip(b"\r\n").partition(b"\r\n")[0][:SHOWN_LINE].decode("latin-1")
