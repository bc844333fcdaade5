"""The server: content, one serving model and one I/O model, put together; nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .application import enter, interface
from .content import mounts
from .content.kinds import KINDS, Opened, Surrounded
from .errors import SettingsError, WorkerFailed
from .http1.connection import Http1
from .http1.limits import Limits
from .iomodels import resolve
from .iomodels.base import IOModel
from .serving import MODELS
from .serving.base import ServingOptions
from .serving.forking import describe, forked
from .serving.listener import Address, bind, release, url
from .serving.supervisor import Supervisor, announce_ready
from .settings import AUTO, Settings

DESCRIPTORS_BESIDE = 1024
"""Open files, pipes and listeners, besides two descriptors for each connection."""

SHORTEST_TICK_S, LONGEST_TICK_S = 0.02, 1.0
"""How exactly deadlines are kept: a quarter of the shortest, within these bounds."""


class Server:
    """A server, for embedding and for tests.

    As a context manager it listens at once and serves from a process of its own until the
    block ends; enter it before you start threads, because it forks.
    `run` serves from the calling process instead, until a signal stops it.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError`, `ApplicationError` (it cannot be loaded), `Unavailable`."""
        if not isinstance(settings, Settings):
            raise SettingsError(f"Server takes Settings(...), not {settings!r}")
        self.settings = settings
        self.interface = interface(settings)
        kind = self._kind = KINDS[self.interface]
        self.model = MODELS[kind.serving if settings.serving == AUTO else settings.serving]
        self.engine, self.passed_over = resolve(kind.io if settings.io == AUTO else settings.io)
        settings.check_serving(self.model.name)
        self._check_limit()
        self._slots: list[list[socket.socket]] = []
        self._pid = 0

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
        return list(dict.fromkeys(url(sock) for row in self._slots for sock in row))

    def listen(self) -> None:
        """Bind all addresses; from now on the kernel queues connections. Raises `BindError`."""
        count = self.settings.workers
        with contextlib.ExitStack() as undo:
            columns = []
            for text in self.settings.bind:
                address = Address.parse(text)
                sockets = bind(address, slots=count)
                columns.append(sockets)
                undo.callback(release, address)
                for sock in sockets:
                    undo.callback(sock.close)
            undo.pop_all()
        self._slots = self._per_worker([list(row) for row in zip(*columns, strict=True)])

    def _per_worker(self, rows: list[list[socket.socket]]) -> list[list[socket.socket]]:
        """Where a thread cannot wait for two things, every address needs a worker of its own."""
        if self.engine.traits.overlaps:
            return rows
        return [[sock] for row in rows for sock in row]

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGTERM or SIGINT. Call it in the main thread.

        Raises `BindError`, `SettingsError` (nothing to serve there), `WorkerFailed`.
        """
        self.check_target()
        if not self._slots:
            self.listen()
        try:
            Supervisor(self._slots, self._work, self.settings.grace_s).run(on_ready)
        finally:
            self.close()

    def check_target(self) -> None:
        """A folder that is not there fails here, not in every worker; applications were probed."""
        settings = self.settings
        base = settings.chdir or ""  # the workers will be there
        if self._kind.probe is not None:
            self._kind.probe(os.fspath(Path(base, settings.target)))
        mounts.probe(mounts.parsed(settings.mount), base)

    def close(self) -> None:
        """Close the listening sockets."""
        for row in self._slots:
            for sock in row:
                sock.close()
        if self._slots:
            for text in self.settings.bind:
                release(Address.parse(text))
        self._slots = []

    def __enter__(self) -> Self:
        self.check_target()
        self.listen()
        ready, announce = os.pipe2(os.O_CLOEXEC)
        supervisor = Supervisor(self._slots, self._work, self.settings.grace_s)

        def life() -> None:
            os.close(ready)
            supervisor.run(lambda: announce_ready(announce))

        self._pid = forked(life)
        os.close(announce)
        with os.fdopen(ready, "rb") as pipe:
            if not pipe.read(1):
                self.__exit__(None, None, None)
                raise WorkerFailed("the server ended before it accepted a connection")
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

    def _work(self, sockets: list[socket.socket], on_ready: Callable[[], None]) -> None:
        settings = self.settings
        options = ServingOptions(
            max_connections=settings.max_connections or self.model.traits.default_connections,
            fresh=settings.fresh,
            grace_s=settings.grace_s,
        )
        allow_descriptors(options.max_connections)
        enter(settings)
        content = self._content()
        http = Http1(content, settings.limits)

        def new_io(connections: int, *, serves: bool = True) -> IOModel:
            tick_s = tick(settings.limits)
            if serves:
                return content.io(self.engine, tick_s=tick_s, connections=connections)
            return self.engine(tick_s=tick_s, connections=connections)

        model = self.model(sockets, http.serve, new_io, options, on_ready)
        signal.signal(signal.SIGTERM, lambda *_: model.stop())
        try:
            model.run()
        finally:
            content.close()

    def _content(self) -> Opened:
        content = self._kind.open(self._surrounded())
        if self.settings.mount:
            return mounts.Mounts(content, mounts.parsed(self.settings.mount))
        return content

    def _surrounded(self) -> Surrounded:
        settings, serving = self.settings, self.model.traits
        shared = serving.one_thread and self.engine.traits.overlaps
        in_pool = shared and not settings.inline
        return Surrounded(
            target=settings.target,
            root_path=settings.root_path,
            trusted_proxies=settings.trusted_proxies,
            threads=settings.threads if in_pool else None,
            multithread=in_pool or serving.many_threads,
            multiprocess=settings.workers > 1 or not serving.scales_by_workers,
            limits=settings.limits,
        )


def serve(target: Any = ".", **settings: Any) -> None:
    """Serve `target` (a folder, `module:attribute`, an application) until SIGTERM or SIGINT.

    The other settings by name; see `Settings`.
    """
    Server(Settings.of({"target": target, **settings})).run()


def tick(limits: Limits) -> float:
    """How often, in seconds, a model looks at its deadlines."""
    times = [getattr(limits, f.name) for f in dataclasses.fields(limits) if f.name.endswith("_s")]
    return float(min(max(min(times) / 4, SHORTEST_TICK_S), LONGEST_TICK_S))


def allow_descriptors(connections: int) -> None:
    """Raise the soft limit of open descriptors, if it is in the way and the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + DESCRIPTORS_BESIDE
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
