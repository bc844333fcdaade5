"""What runs in a worker: content, one serving model and one I/O model, put together."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from ...accesslog.log import AccessLog
from ...accesslog.shared import SharedLog
from ...content import opentelemetry
from ...content.application.broken import trace_of
from ...content.application.forwarded import TrustedProxies
from ...content.base import Content
from ...content.kinds import BROKEN
from ...content.routing.htpasswd import LastRead
from ...content.static.files.kept import Shared
from ...errors import ApplicationError, SettingsError
from ...inspection.cut_requests import CutRequests
from ...inspection.overdue_requests import OverdueRequests
from ...inspection.slow_requests import SlowRequests
from ...iomodels.interface import IOModel
from ...iomodels.overlay import Overlay
from ...isolation.descendants import descendants
from ...isolation.reporting import logger
from ...processes import ending
from ...processes.grace import Grace
from ...processes.pulse import pause_s
from ...processes.ready_pipe import Announcement
from ...serving.base import NewIO, ServingOptions
from ...serving.open_connections import Handler
from ...transport.tls.certificates import Certificates
from .. import reloading
from ..binding import Listening
from ..choice import Choice, opened
from ..probing import enter
from ..settings import Settings
from .layering import Layers, queue_timed
from .observing import WorkerObserver
from .overload import refusal
from .upkeep import allow_descriptors, collect_less_often, tick, ticking

log = logger("fivefold.server")


class Composition:
    """Made once, before any worker exists; each worker runs a copy of it."""

    def __init__(
        self,
        settings: Settings,
        choice: Choice,
        base: str,
        listening: Listening,
        observer: WorkerObserver,
        *,
        before: Composition | None = None,
    ) -> None:
        """`base`: the folder where paths begin. `before`: of a server that has read its
        configuration again, what its workers run until now. Raises `SettingsError`."""
        # Per server.
        self.settings = settings
        self._base = base
        self._listening = listening
        self._observer = observer
        self._proxies = TrustedProxies(settings.trusted_proxies, settings.forwarded_fields)
        self.shared_log: SharedLog = SharedLog(
            settings.access_log,
            settings.access_log_format,
            self._proxies,
            settings.chdir or "",
            has_ids=settings.request_id,
            rotation=None if before is None else before.shared_log.rotation,
        )
        self.times_queue = (
            self.shared_log.has_queue
            or settings.server_timing
            or settings.otel
            or settings.trace_sample is not None
            or settings.status is not None
        )
        """Whether anything says how long a request lay in the kernel."""
        if settings.otel:
            opentelemetry.check_installed()
        self.certificates: Certificates | None
        self.last_users: LastRead | None
        if before is None:
            self.certificates = certificates_of(settings)
        else:
            self.certificates = before.certificates
        if before is not None and before.settings.auth == settings.auth:
            self.last_users = before.last_users
        else:
            self.last_users = LastRead() if settings.auth is not None else None
        self._is_reread = before is not None
        # Per worker.
        self.choice = choice
        """Under --reload a worker's application may be of another kind than the start's."""
        self._grace = Grace()
        """What the worker is given for its end."""
        self._slow = looked_for(settings)
        self._others: list[socket.socket] = []
        """Listening sockets of the other workers."""

    @property
    def shutdown_s(self) -> float:
        """How long the content may take to end when its connections have ended."""
        # A reloaded application may come to be of another kind.
        needed = self.choice.kind.has_shutdown or self.settings.reload
        return self.settings.lifespan_s if needed else 0.0

    # runs in: a worker

    def read_certificates(self) -> None:
        """Those that there are now, which the user of the worker may not be able to read."""
        if self.certificates is not None:
            self.certificates.look_now()

    def work(self, sockets: list[socket.socket], on_ready: Announcement) -> None:
        """A worker's life, which ends as that of an interpreter does."""
        ending.begin()
        grace_s = self.settings.supervision.grace_s
        self._grace = Grace(grace_s, self.shutdown_s, supervisor=on_ready.supervisor)
        try:
            if self.settings.reload:
                self._serve_reloaded(sockets, on_ready)
            else:
                self._others = self._listening.others(sockets, steals=True)
                self._give_up([*sockets, *self._others], on_ready)
                self._serve(self._home(), sockets, on_ready)
        finally:
            ending.end(self._grace.end() - monotonic())

    def _home(self) -> Any:
        """What to serve, in its folder. Raises `ApplicationError` if it is not what was there."""
        settings, kind = self.settings, self.choice.kind
        if not self._is_reread or kind.probe is not None:
            enter(settings)
            return settings.target
        found, application = reloading.load_again(settings)
        if found is not kind:
            raise ApplicationError(
                f"{settings.target} is {found.name} now, and was {kind.name}: that needs SIGUSR2"
            )
        return application

    def _give_up(self, sockets: list[socket.socket], on_ready: Announcement) -> None:
        """Before the application is imported: what it forks then, or at its start, outlives us."""
        descendants.give_up(*(sock.close for sock in sockets), on_ready.close)

    def _serve_reloaded(self, sockets: list[socket.socket], on_ready: Announcement) -> None:
        """Under --reload nothing is known of the application before, and it may not start."""
        self._listening.others(sockets, steals=False)
        copies = [sock.dup() for sock in sockets]  # a serving model closes what it is given
        self._give_up([*sockets, *copies], on_ready)
        try:
            kind, application = reloading.load_again(self.settings)
            descendants.end_if_copy()
            self.choice = Choice.of(self.settings, kind)
            self._serve(application, copies, on_ready)
        except (ApplicationError, SettingsError) as error:
            descendants.end_if_copy()
            log.error("%s", f"{error}\n{trace_of(error)}".rstrip())
            for sock in copies:
                sock.close()
            self.choice = Choice.of(self.settings, BROKEN)
            self._serve(error, sockets, on_ready)

    def _serve(self, target: Any, sockets: list[socket.socket], on_ready: Announcement) -> None:
        settings, choice = self.settings, self.choice
        options = ServingOptions(
            max_connections=settings.max_connections or choice.model.traits.default_connections,
            fresh=settings.fresh,
            grace=self._grace,
            startup_s=settings.supervision.startup_s,
            stuck_s=settings.supervision.silence_s,
            refusal=refusal(settings),
            naming=CutRequests().named,
        )
        allow_descriptors(options.max_connections)
        name = target if isinstance(target, str) else choice.kind.name
        on_ready.doing(f"opening {name}")
        shared = Shared(self._base, in_event_loop=choice.in_event_loop)
        content = opened(
            target,
            settings,
            choice,
            proxies=self._proxies,
            last_users=self.last_users,
            shared=shared,
            grace=self._grace,
        )
        descendants.end_if_copy()
        if on_ready.requests is not None:
            Overlay(content, answer_at_once=on_ready.requests.in_front)
        on_ready.doing(f"starting {name}")
        collect_less_often()
        access_log = self.shared_log.opened()
        handler = self._handler(content, access_log)
        new_io = self._new_io(content, shared, self._ticks(on_ready, access_log))
        model = choice.model(
            sockets, handler, new_io, options, on_ready, hooks=access_log, others=self._others
        )
        self._observer.serves(model)
        if self._slow is not None:
            self._slow.watch(model)
        model.stops.begin(model.stop, again=model.stop)  # it may have become an orphan since
        try:
            model.run()
        finally:
            content.close()
            if access_log is not None:
                access_log.close()

    def _handler(self, content: Content, access_log: AccessLog | None) -> Handler:
        """The connection coroutine, behind the layers that a connection passes first."""
        layers = Layers(
            self.settings, self.certificates, self._proxies, self._listening.https_port, access_log
        )
        spoken, handler = layers.spoken(content)
        self._observer.install(content, spoken, self.choice)
        handler = layers.in_front_of(handler)
        return queue_timed(handler) if self.times_queue else handler

    def _ticks(self, on_ready: Announcement, access_log: AccessLog | None) -> Callable[[], None]:
        calls = [*self._observer.ticks(self._tick_s)]
        if self.choice.model.traits.one_thread:
            calls.append(on_ready.alive)
        if access_log is not None:
            calls.append(access_log.tick)
        if self.certificates is not None:
            self.certificates.tick()  # the supervisor's are those of the server's start
            calls.append(self.certificates.tick)
        return ticking(calls)

    @property
    def _tick_s(self) -> float:
        tick_s, stuck_s = tick(self.settings.limits), self.settings.supervision.silence_s
        return tick_s if stuck_s is None else min(tick_s, pause_s(stuck_s))

    def _new_io(self, content: Content, shared: Shared, ticked: Callable[[], None]) -> NewIO:
        engine, tick_s = self.choice.engine, self._tick_s

        def new_io(connections: int, *, serves: bool = True) -> IOModel:
            make = partial(content.io, engine) if serves else engine
            io = make(tick_s=tick_s, connections=connections)
            io.exhausted = shared.kept.give_back
            io.on_tick(ticked)
            self._observer.waits(io)
            if serves and self._slow is not None:
                self._slow.begin(io)
            return io

        return new_io


def certificates_of(settings: Settings) -> Certificates | None:
    """Raises `SettingsError`."""
    return Certificates(settings.tls, settings.http2.alpn) if settings.tls.tls_cert else None


def looked_for(settings: Settings) -> SlowRequests | None:
    """What looks for requests that take long, if anybody wants to know of them."""
    slow_s, limit_s = settings.slow_request_s, settings.supervision.request_timeout_s
    overdue = None if limit_s is None else OverdueRequests(limit_s, settings.threads)
    if slow_s is None and overdue is None:
        return None
    return SlowRequests(math.inf if slow_s is None else slow_s, overdue)
