"""Fivefold: how connections are served, and how a worker waits, are two free choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .content.request_ids import RequestId
from .errors import FivefoldError
from .http1.limits import Limits
from .server.parent import Observer, SupervisedServer
from .server.settings import Settings
from .status.observer import Observers, StatusObserver
from .tracing.attach.traced_server import LiveObserver

if TYPE_CHECKING:
    import asyncio

__all__ = ["FivefoldError", "Limits", "RequestId", "Server", "Settings", "event_loop", "serve"]

__version__ = "0.1.0"


class Server(SupervisedServer):
    """A server, for embedding and for tests.

    As a context manager it listens at once and serves from a process of its own until the
    block ends; enter it before you start threads, because it forks.
    `run` serves from the calling process instead, until a signal stops it.
    Tracers may attach in both cases (docs/embedding.md); `fivefold serve` runs the same.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError`, `ApplicationError` (it cannot be loaded), `Unavailable`."""
        observers: list[Observer] = [LiveObserver(__version__)]
        if isinstance(settings, Settings) and settings.status is not None:
            observers.append(StatusObserver(__version__))
        super().__init__(settings, Observers(*observers))


def serve(target: Any = ".", **settings: Any) -> None:
    """Serve `target` (a folder, `module:attribute`, an application) until SIGTERM or SIGINT.

    The other settings by name; see `Settings`.
    """
    Server(Settings.of({"target": target, **settings})).run()


def event_loop(io: str = "auto") -> asyncio.AbstractEventLoop:
    """A loop of asyncio whose thread waits in the I/O model `io`: "sigio", "aio:posix", ...

    For `asyncio.Runner(loop_factory=lambda: fivefold.event_loop("aio"))`.  Raises
    `SettingsError` for an unknown word, `Unavailable` if it cannot run here.
    """
    # Here, because asyncio takes longer to import than all the rest, which does without.
    from .iomodels.asyncio_loop.loop import event_loop as make  # noqa: PLC0415

    return make(io)
