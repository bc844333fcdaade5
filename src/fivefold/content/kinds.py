"""The kinds of content, as data: what opens each, and how it is served unless told.

Adding one is a line in `KINDS`; the command line and the server read this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..http1.connection import Content
from ..http1.limits import Limits
from ..iomodels.base import IOModel
from ..processes.grace import Grace
from .application.broken import Broken
from .application.forwarded import Proxies
from .application.loading import load, refuse_patches
from .application.thread_pool import Threads
from .asgi.scope import Scopes
from .static.folder import probe
from .static.rules import Rules
from .static.site import Static
from .static.worker_state import Shared
from .wsgi.environ import Surroundings
from .wsgi.gateway import Wsgi
from .wsgi.places import InPlace, InPool


class Opened(Content, Protocol):
    """Content in the process that serves it."""

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        """The I/O model that its connections run on: an `engine`, or a host on one."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Surrounded:
    """What content may need to know of the server around it."""

    target: Any
    """A folder, `module:attribute`, or an application; for `BROKEN` an exception."""
    root_path: str
    proxies: Proxies
    threads: int | None
    """How many calls of the application at once; None to call it in place."""
    multithread: bool
    multiprocess: bool
    limits: Limits
    rules: Rules
    shared: Shared
    lifespan: str
    """`auto`, `on` or `off`: what an ASGI application's start-up is taken for."""
    lifespan_s: float
    """How long its shutdown may take."""
    websocket_deflate: bool
    """Whether its websockets may be compressed."""
    asgi_extensions: tuple[str, ...]
    """Ways to send files that an ASGI application is told of (`asgi_scope.FILES`)."""
    grace: Grace
    """What its process is given for its end."""
    many_threads: bool
    """Whether several threads of one process run connections."""


@dataclass(frozen=True)
class Kind:
    """Facts about a kind of content."""

    name: str
    open: Callable[[Surrounded], Opened]
    serving: str
    """The serving model that `auto` takes."""
    io: str
    """The I/O model that `auto` takes, where a connection has a thread or process of its own."""
    has_shutdown: bool = False
    """Whether it needs time of its own when its connections have ended."""
    probe: Callable[[Any, Rules], None] | None = None
    """Raises `SettingsError` if the target cannot be served; cheap and without traces."""


def open_static(around: Surrounded) -> Opened:
    return Static(around.target, rules=around.rules, shared=around.shared)


def application(around: Surrounded) -> Any:
    """Raises `ApplicationError`; a reload may have found another application than the start."""
    if not isinstance(around.target, str):
        return around.target
    loaded = load(around.target)
    refuse_patches()
    return loaded


def open_wsgi(around: Surrounded) -> Opened:
    surroundings = Surroundings(
        multithread=around.multithread,
        multiprocess=around.multiprocess,
        script_name=around.root_path,
        proxies=around.proxies,
    )
    if around.threads is None:
        place = InPlace(around.limits, shared=around.shared.in_event_loop)
        return Wsgi(application(around), surroundings, place)
    threads = Threads(around.threads)
    return Wsgi(application(around), surroundings, InPool(threads), threads)


def open_asgi(around: Surrounded) -> Opened:
    from .asgi.protocol_server import (  # noqa: PLC0415 - asyncio and websockets take 50 ms to import
        Asgi,
    )

    scopes = Scopes(around.root_path, around.proxies, around.asgi_extensions)
    return Asgi(
        application(around),
        scopes,
        around.limits,
        lifespan=around.lifespan,
        lifespan_s=around.lifespan_s,
        deflate=around.websocket_deflate,
        grace=around.grace,
        apart=around.many_threads,
    )


def open_broken(around: Surrounded) -> Opened:
    return Broken(around.target)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("static", open_static, serving="async", io="multiplexing", probe=probe),
        Kind("wsgi", open_wsgi, serving="thread", io="blocking"),
        Kind("asgi", open_asgi, serving="async", io="multiplexing", has_shutdown=True),
    )
}

BROKEN = Kind("broken", open_broken, serving="thread", io="blocking")
"""An application that cannot be loaded, under --reload. Its serving model is the one that
all other settings suit."""
