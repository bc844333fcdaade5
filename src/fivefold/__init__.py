"""Fivefold: how connections are served, and how a worker waits, are two free choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import FivefoldError
from .http1.limits import Limits
from .server.parent import Server, serve
from .server.settings import Settings

if TYPE_CHECKING:
    import asyncio

__all__ = ["FivefoldError", "Limits", "Server", "Settings", "event_loop", "serve"]

__version__ = "0.1.0"


def event_loop(io: str = "auto") -> asyncio.AbstractEventLoop:
    """A loop of asyncio whose thread waits in the I/O model `io`: "sigio", "aio:posix", ...

    For `asyncio.Runner(loop_factory=lambda: fivefold.event_loop("aio"))`.  Raises
    `SettingsError` for an unknown word, `Unavailable` if it cannot run here.
    """
    # Here, because asyncio takes longer to import than all the rest, which does without.
    from .iomodels.asyncio_loop.loop import event_loop as make  # noqa: PLC0415

    return make(io)
