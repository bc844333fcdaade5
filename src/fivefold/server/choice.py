"""What serves a target: its content, below mounts, virtual hosts and passwords, and the pair that
settings and kernel allow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..configuration.setting import AUTO
from ..content import opentelemetry, request_ids, server_timing
from ..content.application.forwarded import TrustedProxies
from ..content.base import Content
from ..content.kinds import BROKEN, ContentContext, Kind
from ..content.leaving_head import FieldsAdded
from ..content.routing import mounts
from ..content.routing import virtual_hosts as hosts
from ..content.routing.basic_auth import Guarded
from ..content.routing.htpasswd import LastRead, Passwords
from ..content.static.files.kept import Shared
from ..errors import SettingsError
from ..http1.limits import QUEUE
from ..inspection.overdue_requests import most_left
from ..iomodels import resolve
from ..iomodels.interface import IOModel
from ..processes.grace import Grace
from ..serving import MODELS
from ..serving.base import ServingModel
from .settings import Settings


@dataclass(frozen=True)
class Choice:
    """A kind of content, and the pair that serves it."""

    kind: Kind
    model: type[ServingModel]
    engine: type[IOModel]
    passed_over: list[str]
    """A sentence for each better engine that cannot run here."""

    @classmethod
    def of(cls, settings: Settings, kind: Kind) -> Choice:
        """Raises `SettingsError`, `Unavailable`."""
        model = MODELS[kind.serving if settings.serving == AUTO else settings.serving]
        # Whatever suits the content: one thread with many connections must not block.
        auto = "multiplexing" if model.traits.one_thread else kind.io
        engine, passed_over = resolve(auto if settings.io == AUTO else settings.io)
        settings.check_serving(model.name)
        most, wanted = engine.traits.max_connections, settings.max_connections
        if model.traits.one_thread and most and wanted and wanted > most:
            raise SettingsError(
                f"max_connections: {engine.engine} can hold {most} connections in one thread:"
                f" {engine.traits.limit}"
            )
        is_iterative = model.traits.one_thread and not engine.traits.overlaps
        if is_iterative and settings.limits.overload != QUEUE:
            raise SettingsError(
                f"overload: {engine.engine} in one thread serves one client after the other, and"
                " cannot refuse others meanwhile; take another --io or --serving"
            )
        return cls(kind, model, engine, passed_over)

    @property
    def in_event_loop(self) -> bool:
        """Whether one thread serves many connections, so that no call may block it."""
        return self.model.traits.one_thread and self.engine.traits.overlaps


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
    # What is to be ended in time must not run in the thread that then answers.
    has_limit = settings.supervision.request_timeout_s is not None and not settings.inline
    threads = settings.threads if in_pool else None
    if has_limit and not in_pool:
        # One for each connection, also while as many calls hang as may.
        connections = settings.max_connections or serving.default_connections
        threads = connections + most_left(settings.threads)
    around = ContentContext(
        target=target,
        root_path=settings.root_path,
        proxies=proxies,
        threads=threads,
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
        has_ids=settings.request_id,
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
    if settings.otel:
        pair = {"fivefold.serving": choice.model.name, "fivefold.io": choice.engine.engine}
        content = opentelemetry.with_spans(content, proxies, pair)
    added = {request_ids.begin: settings.request_id, server_timing.begin: settings.server_timing}
    begins = [begin for begin, is_on in added.items() if is_on]
    return FieldsAdded(content, begins) if begins else content
