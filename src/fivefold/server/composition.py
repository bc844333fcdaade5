"""The server: content, one serving model and one I/O model, put together; nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self

from ..accesslog.shared import SharedLog
from ..content.application.broken import trace_of
from ..content.application.forwarded import TrustedProxies
from ..content.kinds import BROKEN, KINDS, ContentContext, Kind, Opened
from ..content.routing import mounts
from ..content.routing import virtual_hosts as hosts
from ..content.routing.basic_auth import Guarded
from ..content.routing.htpasswd import Passwords
from ..content.static.files.root import start_folder
from ..content.static.worker_state import Shared
from ..errors import ApplicationError, FivefoldError, SettingsError, WorkerFailed
from ..http1.connection import Http1
from ..iomodels import resolve
from ..iomodels.base import IOModel
from ..isolation.descendants import descendants
from ..isolation.reporting import logger
from ..linux.standard_descriptors import fill_standard_descriptors
from ..processes import ending
from ..processes.forking import describe, forked
from ..processes.grace import Grace
from ..processes.ready_pipe import Announcement, Attention
from ..processes.supervisor import Life, Supervisor
from ..serving import MODELS
from ..serving.base import Handler, ServingOptions
from ..transport.layers import layered
from ..transport.tls.certificates import Certificates
from . import reloading
from .binding import Listening
from .collecting import collect_less_often
from .probing import enter, interface
from .settings import AUTO, Settings
from .sizing import allow_descriptors, tick

log = logger("fivefold.server")


class Observer(Protocol):
    """Tracing, from within; there are two."""

    def running(self, server: Server) -> AbstractContextManager[None]:
        """What lives as long as the supervisor does; entered before it forks a worker."""

    def content(self, content: Opened) -> Opened:
        """`content`, reporting when it is asked."""

    def handler(self, handler: Handler) -> Handler:
        """The connection coroutine, for connections that tell what they do."""


class Server:
    """A server, for embedding and for tests.

    As a context manager it listens at once and serves from a process of its own until the
    block ends; enter it before you start threads, because it forks.
    `run` serves from the calling process instead, until a signal stops it.
    """

    def __init__(self, settings: Settings, observer: Observer | None = None) -> None:
        """Raises `SettingsError`, `ApplicationError` (it cannot be loaded), `Unavailable`."""
        if not isinstance(settings, Settings):
            raise SettingsError(f"Server takes Settings(...), not {settings!r}")
        fill_standard_descriptors()  # before anything is opened
        self.settings = settings
        # Paths, not descriptors: the folder in which we are may be replaced by another one.
        self._base = os.path.join(start_folder(), settings.chdir or "")  # noqa: PTH118
        if settings.reload:
            reloading.check(settings)
        try:
            self._compose(KINDS[interface(settings)])
        except ApplicationError:
            if not settings.reload:
                raise
            self._compose(BROKEN)  # the workers will look for themselves, and say why
        self._proxies = TrustedProxies(settings.trusted_proxies, settings.forwarded_fields)
        self._access_log = SharedLog(
            settings.access_log,
            settings.access_log_format,
            self._proxies,
            settings.chdir or "",
        )
        if settings.trace_sample is not None and observer is None:
            raise SettingsError("trace_sample: only `fivefold serve` samples (or an observer)")
        self._observer = observer
        self._certificates = Certificates(settings.tls) if settings.tls.tls_cert else None
        self._listening = Listening(settings)
        self._others: list[socket.socket] = []
        self._pid = 0
        self._grace = Grace()
        """In a worker: what it is given for its end."""

    def _compose(self, kind: Kind) -> None:
        """Choose the serving model and the engine for this kind of content."""
        settings = self.settings
        self._kind = kind
        self.interface = kind.name
        self.model = MODELS[kind.serving if settings.serving == AUTO else settings.serving]
        # Whatever suits the content: one thread with many connections must not block.
        auto = "multiplexing" if self.model.traits.one_thread else kind.io
        self.engine, self.passed_over = resolve(auto if settings.io == AUTO else settings.io)
        settings.check_serving(self.model.name)
        self._check_limit()

    def _check_limit(self) -> None:
        most = self.engine.traits.max_connections
        wanted = self.settings.max_connections
        if self.model.traits.one_thread and most and wanted and wanted > most:
            raise SettingsError(
                f"max_connections: {self.engine.engine} can hold {most} connections in one thread:"
                f" {self.engine.traits.limit}"
            )

    @property
    def addresses(self) -> list[str]:
        """Where clients reach it, e.g. `http://127.0.0.1:8000`; known once it listens."""
        return self._listening.addresses

    @property
    def pid(self) -> int:
        """The process that serves, as a context manager; 0 outside of it."""
        return self._pid

    def listen(self) -> None:
        """Bind all addresses; from now on the kernel queues connections. Raises `BindError`."""
        # A reloaded application may come to be served by threads that wait for one thing only.
        alone = not self.engine.traits.overlaps or self.settings.reload
        self._listening.listen(apart=alone, shared=self.engine.traits.takes_turns)

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGTERM or SIGINT. Call it in the main thread.

        Raises `BindError`, `SettingsError` (nothing to serve there), `WorkerFailed`.
        """
        self.check_target()
        if not self._listening.slots:
            self.listen()
        try:
            self._supervise(on_ready)
        finally:
            self.close()

    def _supervise(self, on_ready: Callable[[], None]) -> None:
        work = self._work
        with contextlib.ExitStack() as stack:
            if self._observer is not None:
                stack.enter_context(self._observer.running(self))
            if self.settings.reload:
                work = self._work_again
                sockets = [sock for row in self._listening.slots for sock in row]
                stack.enter_context(reloading.watching(self.settings, sockets))
            settings, reopen = self.settings, self._access_log.turn
            Supervisor(
                self._listening.slots,
                self._ending(work),
                settings.grace_s + self._shutdown_s,
                reopen,
                startup_s=settings.startup_s,
                stuck_s=settings.stuck_s,
            ).run(on_ready)

    def check_target(self) -> None:
        """A folder that is not there fails here, not in every worker; applications were probed."""
        settings = self.settings
        base = settings.chdir or ""  # the workers will be there
        if self._kind.probe is not None:
            if settings.root_path:
                raise SettingsError(
                    "root_path: a folder needs none: its redirects and links are relative, so they"
                    " hold below every prefix"
                )
            self._kind.probe(os.fspath(Path(base, settings.target)), settings.rules)
        elif settings.rules.pages:
            raise SettingsError(f"{settings.rules.pages[0]}: only a folder has it, no application")
        mounts.probe(mounts.parsed(settings.mount), base)
        for host in settings.host:
            hosts.probe(host, base)
        if settings.auth is not None:
            Passwords(os.fspath(Path(base, settings.auth)))
        self._access_log.probe()

    def close(self) -> None:
        """Close the listening sockets, and give their addresses back."""
        self._listening.close()

    def close_sockets(self) -> None:
        """Close the listening sockets in this process: what it forked does not listen."""
        self._listening.close_sockets()

    def __enter__(self) -> Self:
        self.check_target()
        self.listen()
        ready, announce = os.pipe2(os.O_CLOEXEC)

        def life() -> None:
            os.close(ready)
            announcement = Announcement(announce)
            try:
                self._supervise(announcement)
            except FivefoldError as error:
                if not announcement.failed(error):
                    raise

        self._pid = forked(life)
        os.close(announce)
        heard = Attention(ready)
        heard.wait()
        if not heard.ready:
            self.__exit__(WorkerFailed, None, None)
            raise WorkerFailed(heard.reason or "the server ended before it accepted a connection")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop gently and wait for the end. Raises `WorkerFailed` if it was not a clean one."""
        pid, self._pid = self._pid, 0
        if not pid:
            return
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
        self.close()
        if status and kind is None:
            raise WorkerFailed(f"the server {describe(status)}")

    # runs in: a worker

    def _ending(self, work: Life) -> Life:
        """`work`, in a process that ends as an interpreter does."""

        def lived(sockets: list[socket.socket], on_ready: Announcement) -> None:
            ending.begin()
            self._grace = Grace(self.settings.grace_s, self._shutdown_s)
            try:
                work(sockets, on_ready)
            finally:
                ending.end(self._grace.end() - monotonic())

        return lived

    def _work(self, sockets: list[socket.socket], on_ready: Announcement) -> None:
        self._others = self._listening.others(sockets, steals=True)
        enter(self.settings)
        self._serve(self.settings.target, sockets, on_ready)

    def _work_again(self, sockets: list[socket.socket], on_ready: Announcement) -> None:
        """Under --reload nothing is known of the application before, and it may not start."""
        self._listening.others(sockets, steals=False)
        copies = [sock.dup() for sock in sockets]  # a serving model closes what it is given
        try:
            kind, application = reloading.load_again(self.settings)
            self._compose(kind)
            self._serve(application, copies, on_ready)
        except (ApplicationError, SettingsError) as error:
            log.error("%s", f"{error}\n{trace_of(error)}".rstrip())
            for sock in copies:
                sock.close()
            self._compose(BROKEN)
            self._serve(error, sockets, on_ready)

    def _serve(self, target: Any, sockets: list[socket.socket], on_ready: Announcement) -> None:
        settings = self.settings
        # Now: what the application forks when it is imported or starts outlives us, too.
        listening = [sock.close for sock in (*sockets, *self._others)]
        descendants.give_up(*listening, on_ready.close)
        options = ServingOptions(
            max_connections=settings.max_connections or self.model.traits.default_connections,
            fresh=settings.fresh,
            grace=self._grace,
        )
        allow_descriptors(options.max_connections)
        name = target if isinstance(target, str) else self.interface
        on_ready.doing(f"opening {name}")
        shared = Shared(self._base, in_event_loop=self._one_thread)
        content = self._content(target, shared)
        descendants.end_if_copy()
        on_ready.doing(f"starting {name}")
        collect_less_often()
        if self._observer is not None:
            content = self._observer.content(content)
        access_log = self._access_log.opened()
        handler: Handler = Http1(content, settings.limits, access_log).serve
        if self._observer is not None:
            handler = self._observer.handler(handler)
        handler = layered(
            handler,
            settings.limits,
            certificates=self._certificates,
            https_port=self._listening.https_port,
            access_logger=access_log,
            proxies=self._proxies if settings.proxy_protocol else None,
        )

        def ticked() -> None:
            on_ready.alive()
            if access_log is not None:
                access_log.tick()
            if self._certificates is not None:
                self._certificates.tick()

        if self._certificates is not None:
            self._certificates.tick()  # the supervisor's are those of the server's start

        def new_io(connections: int, *, serves: bool = True) -> IOModel:
            tick_s = tick(settings.limits)
            make = partial(content.io, self.engine) if serves else self.engine
            io = make(tick_s=tick_s, connections=connections)
            io.exhausted = shared.kept.give_back
            io.on_tick(ticked)
            return io

        model = self.model(
            sockets, handler, new_io, options, on_ready, hooks=access_log, others=self._others
        )
        model.stops.begin(model.stop)
        try:
            model.run()
        finally:
            content.close()
            if access_log is not None:
                access_log.close()

    def _content(self, target: Any, shared: Shared) -> Opened:
        settings = self.settings
        content = self._kind.open(self._context(target, shared))
        if settings.mount and self._kind is not BROKEN:
            parsed = mounts.parsed(settings.mount)
            content = mounts.Mounts(content, parsed, settings.rules, shared)
        if settings.host:
            content = hosts.Hosts(content, settings.host, shared)
        if settings.auth is not None:
            passwords = Passwords(os.fspath(Path(self._base, settings.auth)))
            content = Guarded(content, passwords, self._proxies, in_event_loop=shared.in_event_loop)
        return content

    def _context(self, target: Any, shared: Shared) -> ContentContext:
        settings, serving = self.settings, self.model.traits
        in_pool = shared.in_event_loop and not settings.inline
        return ContentContext(
            target=target,
            root_path=settings.root_path,
            proxies=self._proxies,
            threads=settings.threads if in_pool else None,
            multithread=in_pool or serving.many_threads,
            multiprocess=settings.workers > 1 or not serving.scales_by_workers,
            limits=settings.limits,
            rules=settings.rules,
            lifespan=settings.lifespan,
            lifespan_s=settings.lifespan_s,
            websocket_deflate=settings.websocket_deflate,
            asgi_extensions=settings.asgi_extensions,
            grace=self._grace,
            many_threads=serving.many_threads,
            shared=shared,
        )

    @property
    def _shutdown_s(self) -> float:
        """How long the content may take to end when its connections have ended."""
        # A reloaded application may come to be of another kind.
        needed = self._kind.has_shutdown or self.settings.reload
        return self.settings.lifespan_s if needed else 0.0

    @property
    def _one_thread(self) -> bool:
        """Whether one thread serves many connections, so that no call may block it."""
        return self.model.traits.one_thread and self.engine.traits.overlaps


def serve(target: Any = ".", **settings: Any) -> None:
    """Serve `target` (a folder, `module:attribute`, an application) until SIGTERM or SIGINT.

    The other settings by name; see `Settings`.
    """
    Server(Settings.of({"target": target, **settings})).run()
