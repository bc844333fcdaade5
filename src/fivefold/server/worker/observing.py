"""What an observer of a worker is called with, and when: tracing, inspection, the status."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from ...content.base import Content
from ...http1.logged import AccessLogger
from ...http1.stream import HttpConnection
from ...iomodels.interface import IOModel
from ...serving.base import ServingModel
from ..choice import Choice


class Spoken(Protocol):
    """A version of HTTP as observers see it: what the connections of one worker share."""

    access_logger: AccessLogger | None
    """Is asked for each connection, and learns of each exchange."""
    connections: set[HttpConnection]
    """Those that are served now."""
    multiplexes: bool
    """Whether a connection has several exchanges at once: then each has a stream, which is a
    connection to content."""

    def serve(self, conn: Any) -> Coroutine[Any, Any, None]:
        """The connection coroutine; looked up each time: an overlay may be in front of it."""


class WorkerObserver(Protocol):
    """Tracing and inspection, from within a worker."""

    def install(self, content: Content, spoken: Sequence[Spoken], choice: Choice) -> None:
        """Called before the worker's first connection, with what overlays may be put on (content,
        and each version of HTTP), and with the pair that serves it."""

    def serves(self, model: ServingModel) -> None:
        """Called before it runs, with what has the connections."""

    def waits(self, io: IOModel) -> None:
        """Called in each process and thread that serves, before its first connection."""

    def ticks(self, tick_s: float) -> Sequence[Callable[[], None]]:
        """To be called at each tick of each of them, which is about every `tick_s`."""
