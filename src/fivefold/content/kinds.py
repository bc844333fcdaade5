"""The kinds of content, as data: what opens each, and how it is served unless told.

Adding one is a line in `KINDS`; the command line and the server read this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..http1.limits import Limits
from ..processes.grace import Grace
from .application.broken import Broken
from .application.forwarded import TrustedProxies
from .application.loading import load, refuse_patches
from .application.thread_pool import Threads
from .asgi.scope import Scopes
from .base import Content
from .request_ids import in_asgi, in_wsgi
from .static.files.kept import Shared
from .static.folder import probe
from .static.rules import Rules
from .static.site import Static
from .wsgi.environ import WsgiConstants
from .wsgi.gateway import Wsgi
from .wsgi.places import InPlace, InPool


@dataclass(frozen=True)
class ContentContext:
    """What content may need to know of its server."""

    target: Any
    """A folder, `module:attribute`, or an application; for `BROKEN` an exception."""
    root_path: str
    proxies: TrustedProxies
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
    has_ids: bool
    """Whether requests have names."""


@dataclass(frozen=True)
class Kind:
    """Facts about a kind of content."""

    name: str
    open: Callable[[ContentContext], Content]
    serving: str
    """The serving model that `auto` takes."""
    io: str
    """The I/O model that `auto` takes, where a connection has a thread or process of its own."""
    has_shutdown: bool = False
    """Whether it needs time of its own when its connections have ended."""
    prepare: Callable[[], object] = lambda: None
    """Called once before workers are forked: imports what each of them would import anew."""
    probe: Callable[[Any, Rules], None] | None = None
    """Raises `SettingsError` if the target cannot be served; cheap and without traces."""


def open_static(context: ContentContext) -> Content:
    return Static(context.target, rules=context.rules, shared=context.shared)


def application(context: ContentContext, in_names: Callable[[Any], Any]) -> Any:
    """Raises `ApplicationError`; a reload may have found another application than the start.
    `in_names`: what is put around it where requests have names."""
    found = context.target
    if isinstance(found, str):
        found = load(found)
        refuse_patches()
    return in_names(found) if context.has_ids else found


def open_wsgi(context: ContentContext) -> Content:
    constants = WsgiConstants(
        multithread=context.multithread,
        multiprocess=context.multiprocess,
        script_name=context.root_path,
        proxies=context.proxies,
    )
    if context.threads is None:
        place = InPlace(context.limits, shared=context.shared.in_event_loop)
        return Wsgi(application(context, in_wsgi), constants, place)
    threads = Threads(context.threads)
    return Wsgi(application(context, in_wsgi), constants, InPool(threads), threads)


def asgi() -> Callable[..., Content]:
    """Only where an ASGI application is served: with websockets it takes 60 ms to import."""
    from .asgi.protocol_server import Asgi  # noqa: PLC0415

    return Asgi


def open_asgi(context: ContentContext) -> Content:
    scopes = Scopes(context.root_path, context.proxies, context.asgi_extensions)
    return asgi()(
        application(context, in_asgi),
        scopes,
        context.limits,
        lifespan=context.lifespan,
        lifespan_s=context.lifespan_s,
        deflate=context.websocket_deflate,
        grace=context.grace,
        apart=context.many_threads,
    )


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("static", open_static, serving="async", io="multiplexing", probe=probe),
        Kind("wsgi", open_wsgi, serving="thread", io="blocking"),
        Kind(
            "asgi",
            open_asgi,
            serving="async",
            io="multiplexing",
            has_shutdown=True,
            prepare=asgi,
        ),
    )
}

BROKEN = Kind("broken", lambda context: Broken(context.target), serving="thread", io="blocking")
"""An application that cannot be loaded, under --reload. Its serving model is the one that
all other settings suit."""
