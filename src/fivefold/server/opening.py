"""The content of a worker: of the target, below mounts, virtual hosts and passwords."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..content.application.forwarded import TrustedProxies
from ..content.base import Content
from ..content.kinds import BROKEN, ContentContext
from ..content.routing import mounts
from ..content.routing import virtual_hosts as hosts
from ..content.routing.basic_auth import Guarded
from ..content.routing.htpasswd import LastRead, Passwords
from ..content.static.files.kept import Shared
from ..processes.grace import Grace
from .choice import Choice
from .settings import Settings


def opened(
    target: Any,
    settings: Settings,
    choice: Choice,
    *,
    proxies: TrustedProxies,
    last_users: LastRead | None,
    shared: Shared,
    grace: Grace,
) -> Content:
    """What answers. Raises `ApplicationError`, `SettingsError`."""
    serving = choice.model.traits
    in_pool = shared.in_event_loop and not settings.inline
    around = ContentContext(
        target=target,
        root_path=settings.root_path,
        proxies=proxies,
        threads=settings.threads if in_pool else None,
        multithread=in_pool or serving.many_threads,
        multiprocess=settings.workers > 1 or not serving.scales_by_workers,
        limits=settings.limits,
        rules=settings.rules,
        lifespan=settings.lifespan,
        lifespan_s=settings.lifespan_s,
        websocket_deflate=settings.websocket_deflate,
        asgi_extensions=settings.asgi_extensions,
        grace=grace,
        many_threads=serving.many_threads,
        shared=shared,
    )
    content = choice.kind.open(around)
    if settings.mount and choice.kind is not BROKEN:
        parsed = mounts.parsed(settings.mount)
        content = mounts.Mounts(content, parsed, settings.rules, shared)
    if settings.host:
        content = hosts.Hosts(content, settings.host, shared)
    if settings.auth is not None:
        passwords = Passwords(os.fspath(Path(shared.base, settings.auth)), last_users)
        content = Guarded(content, passwords, proxies, in_event_loop=shared.in_event_loop)
    return content
