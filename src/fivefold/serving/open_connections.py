"""The connections of one worker that are open: how a socket becomes one, what its handler's end
means, and how they all end gently, or at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from ..errors import LimitReached
from ..iomodels.interface import Connection, IOModel
from ..iomodels.lifetime import NEVER
from ..isolation.descendants import attempt_each, descendants
from ..isolation.reporting import logger, report
from ..processes.draining import Draining

log = logger("fivefold.serving")

Handler = Callable[[Connection], Coroutine[Any, Any, None]]
"""What serves a connection."""

CUT_S = 1.0
"""How long connections may take to notice that they are cut, before the thread goes on."""


class OpenConnection(NamedTuple):
    """What an onlooker needs to know of a connection."""

    serving: Coroutine[Any, Any, None]
    """What serves it."""
    since: float
    """`time.monotonic` when it began."""


Naming = Callable[[list[tuple[Connection, OpenConnection]]], list[str]]
"""A line for each request on these connections, which will be cut; none if enough was said."""


def nameless(cut: list[tuple[Connection, OpenConnection]]) -> list[str]:
    """How many there are is all that is known."""
    return [f"{len(cut)} of them" if len(cut) > 1 else "one"]


class OpenConnections:
    """The connections of one process that are open now, and how to end them gently."""

    def __init__(
        self,
        draining: Draining | None = None,
        ended: Callable[[], None] = lambda: None,
        naming: Naming = nameless,
    ) -> None:
        """`draining`: where its supervisor looks while it stops; `ended` is called after each;
        `naming`: what the log says of those that are cut."""
        self.draining = draining or Draining()
        self._ended = ended
        self._naming = naming
        self._connections: dict[Connection, Coroutine[Any, Any, None]] = {}
        self._cut: set[Connection] = set()
        self._closing = False
        self._longest_call_s = NEVER
        # Re-entrant: a signal handler may call `finish` in the middle of `add`.
        self._lock = threading.RLock()
        descendants.give_up(self._give_up)

    def __len__(self) -> int:
        return len(self._connections)

    async def attend(self, handler: Handler, connection: Connection) -> None:
        """Let `handler` serve the connection, and count it among the living meanwhile.

        Whatever the handler raises is logged, and the connection closed: it may cost this
        client, and no other.  Only GeneratorExit passes, by which a model that closes
        ends its coroutines.
        """
        try:
            serving = handler(connection)
            self._add(connection, serving)
            await serving
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - an edge, behind that of the handler
            report(log, "the server failed at a connection", error=error)
            await closed(connection)
        finally:
            self._discard(connection)
            self._ended()

    def now(self) -> list[tuple[Connection, OpenConnection]]:
        """In the order in which they came; from any thread or signal handler."""
        return [(c, OpenConnection(s, c.opened_at)) for c, s in list(self._connections.items())]

    def _add(self, connection: Connection, serving: Coroutine[Any, Any, None]) -> None:
        with self._lock:
            self._connections[connection] = serving
            if self._closing:
                connection.finish(self._longest_call_s)
                self.draining.left(len(self._connections))

    def _discard(self, connection: Connection) -> None:
        with self._lock:
            self._connections.pop(connection, None)
            if self._closing:
                self.draining.left(len(self._connections))

    def _give_up(self) -> None:
        attempt_each([connection.give_up for connection in self._connections])
        # Those of other threads as well: what an edge-triggered one took, its parent would miss.
        attempt_each([io.give_up for io in {connection.io for connection in self._connections}])

    def finish(self, longest_call_s: float = NEVER) -> None:
        """Let each connection end after its exchange (`Lifetime.finish`)."""
        with self._lock:
            self._closing, self._longest_call_s = True, longest_call_s
            self.draining.left(len(self._connections))
            for connection in self._connections:
                connection.finish(longest_call_s)

    def cut(self, why: str) -> None:
        """End all of them, exchange or not."""
        with self._lock:
            cut = [(c, e) for c, e in self.now() if c not in self._cut]
            busy = [(c, e) for c, e in cut if not (c.idle or c.new)]
            lines = self._named(busy) if busy else []
            for connection, _ in cut:
                self._cut.add(connection)
                connection.abort()
            self.draining.have_been_cut(len(busy))
        if lines:
            what = "1 connection is" if len(busy) == 1 else f"{len(busy)} connections are"
            log.warning("%s cut, since %s:%s", what, why, "".join(f"\n    {a}" for a in lines))

    def _named(self, busy: list[tuple[Connection, OpenConnection]]) -> list[str]:
        """Before they notice anything: then they would not have their requests any more."""
        try:
            return self._naming(busy)
        except BaseException as error:  # noqa: BLE001 - an edge: whatever happens, they are cut
            report(log, "what is cut could not be named", error=error)
            return nameless(busy)


def opened(io: IOModel, sock: socket.socket) -> Connection | None:
    """The socket as a connection of `io`; None (closed, and logged) if it cannot be one."""
    try:
        connection = io.connection(sock)
        connection.belong_to(io)
        return connection
    except LimitReached as error:
        log.error("connection refused: %s", error)
    except OSError as error:
        log.warning("connection lost before it was served: %s", error)  # reset meanwhile
    except BaseException as error:  # noqa: BLE001 - out of memory: it costs one client
        report(log, "a connection could not be opened", error=error)
    sock.close()
    return None


async def closed(connection: Connection) -> None:
    """Close what its handler has left open, by all means."""
    if connection.sock.fileno() < 0:
        return
    try:
        await connection.close()
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - its model may have lost it
        report(log, "a connection could not be closed", error=error)
    finally:
        connection.sock.close()
