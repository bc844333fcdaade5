"""A server as its parent process has it: checked, bound and supervised, above its workers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

from ..content.kinds import BROKEN, KINDS
from ..content.routing import mounts
from ..content.routing import virtual_hosts as hosts
from ..content.routing.htpasswd import Passwords
from ..content.static.files.root import start_folder
from ..errors import ApplicationError, ConnectionsCut, FivefoldError, SettingsError, WorkerFailed
from ..iomodels.interface import IOModel
from ..isolation.reporting import logger
from ..linux.standard_descriptors import fill_standard_descriptors
from ..processes.census import Census
from ..processes.forking import describe, forked
from ..processes.process_signals import ending_once
from ..processes.ready_pipe import Announcement, Attention
from ..processes.supervision.supervisor import INIT, Supervisor
from ..processes.supervision.upgrade import Upgrade
from ..serving.base import ServingModel
from . import reloading
from .binding import Listening
from .choice import Choice
from .composition import Composition, WorkerObserver
from .probing import interface
from .settings import Settings

log = logger("fivefold.server")


class Observer(WorkerObserver, Protocol):
    """Tracing, from within; there are two."""

    def running(self, server: SupervisedServer) -> AbstractContextManager[None]:
        """What lives as long as the supervisor does; entered before it forks a worker."""


class SupervisedServer:
    """All of `fivefold.Server` but the choice of its observer."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        """Raises `SettingsError`, `ApplicationError` (it cannot be loaded), `Unavailable`."""
        if not isinstance(settings, Settings):
            raise SettingsError(f"Server takes Settings(...), not {settings!r}")
        fill_standard_descriptors()  # before anything is opened
        if settings.reload:
            reloading.check(settings)
        self.settings = settings
        self._observer = observer
        self._listening = Listening(settings)
        self.census = Census()
        """What the supervisor knows of its workers."""
        # Paths, not descriptors: the folder in which we are may be replaced by another one.
        self._start_folder = start_folder()
        base = os.path.join(self._start_folder, settings.chdir or "")  # noqa: PTH118
        choice = chosen(settings)
        self._composition = Composition(settings, choice, base, self._listening, observer)
        self._pid = 0
        """The process that serves, as a context manager."""

    @property
    def interface(self) -> str:
        """`static`, `wsgi` or `asgi`."""
        return self._composition.choice.kind.name

    @property
    def model(self) -> type[ServingModel]:
        """What runs a connection."""
        return self._composition.choice.model

    @property
    def engine(self) -> type[IOModel]:
        """How a thread waits."""
        return self._composition.choice.engine

    @property
    def passed_over(self) -> list[str]:
        """A sentence for each better engine that cannot run here."""
        return self._composition.choice.passed_over

    @property
    def addresses(self) -> list[str]:
        """Where clients reach it, e.g. `http://127.0.0.1:8000`; known once it listens."""
        return self._listening.addresses

    @property
    def status_addresses(self) -> list[str]:
        """Where `--status` answers; known once it listens."""
        return self._listening.status_addresses

    @property
    def status_sockets(self) -> list[socket.socket]:
        return self._listening.status

    @property
    def pid(self) -> int:
        """The process that serves, as a context manager; 0 outside of it."""
        return self._pid

    def listen(self) -> None:
        """Bind all addresses; from now on the kernel queues connections. Raises `BindError`."""
        # A reloaded application may come to be served by threads that wait for one thing only.
        alone = not self.engine.traits.overlaps or self.settings.reload
        self._listening.listen(apart=alone, shared=self.engine.traits.takes_turns)

    def run(
        self, on_ready: Callable[[], None] = lambda: None, *, replaceable: bool = False
    ) -> None:
        """Serve until SIGTERM or SIGINT. Call it in the main thread.

        `replaceable`: this process was started by a command line that makes this server, so that
        SIGUSR2 may start it again.

        Raises `BindError`, `SettingsError` (nothing to serve there, or another thread),
        `WorkerFailed`.
        """
        if threading.current_thread() is not threading.main_thread():
            raise SettingsError(
                "run: only the main thread of a program hears signals: call it there, or let"
                " `with Server(settings):` serve from a process of its own"
            )
        self.check_target()
        if not self._listening.slots:
            self.listen()
        try:
            self._supervise(on_ready, replaceable=replaceable)
        finally:
            self.close()

    def _supervise(self, on_ready: Callable[[], None], *, replaceable: bool = False) -> None:
        settings, composition = self.settings, self._composition
        upgrade = Upgrade(
            self._start_folder, self._listening.handed_down.hand_down, self._refusal(replaceable)
        )

        def serves() -> None:
            on_ready()
            Announcement(self._listening.handed_down.ready)()

        with contextlib.ExitStack() as stack:
            stack.enter_context(ending_once())
            stack.enter_context(self._observer.running(self))
            if settings.reload:
                sockets = [sock for row in self._listening.slots for sock in row]
                stack.enter_context(reloading.watching(settings, sockets))
            Supervisor(
                self._listening.slots,
                composition.work,
                settings.grace_s + composition.shutdown_s,
                composition.shared_log.turn,
                startup_s=settings.startup_s,
                stuck_s=settings.stuck_s,
                census=self.census,
                upgrade=upgrade,
            ).run(serves)
        self._listening.is_outlived = upgrade.serves

    def _refusal(self, replaceable: bool) -> str:  # noqa: FBT001
        """Why SIGUSR2 cannot start this server again; "" if it can."""
        if not replaceable:
            return "only `fivefold serve` can be started again; this program must replace itself"
        if self.settings.reload:
            return "--reload loads new code by itself"
        if os.getpid() == INIT:
            return "the end of process 1 is that of its container: replace the container"
        return ""

    def check_target(self) -> None:
        """A folder that is not there fails here, not in every worker; applications were probed."""
        settings = self.settings
        kind = self._composition.choice.kind
        base = settings.chdir or ""  # the workers will be there
        if kind.probe is not None:
            if settings.root_path:
                raise SettingsError(
                    "root_path: a folder needs none: its redirects and links are relative, so they"
                    " hold below every prefix"
                )
            kind.probe(os.fspath(Path(base, settings.target)), settings.rules)
        elif settings.rules.pages:
            raise SettingsError(
                f"{settings.rules.pages[0]}: it is for a folder, not for an application"
            )
        mounts.probe(mounts.parsed(settings.mount), base)
        for host in settings.host:
            hosts.probe(host, base)
        if settings.auth is not None:
            Passwords(os.fspath(Path(base, settings.auth)), self._composition.last_users)
        self._composition.shared_log.probe()

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
            except ConnectionsCut:
                pass  # the log says which; the program has asked for the end
            except FivefoldError as error:
                if not announcement.failed(error):
                    raise

        self._pid = forked(life)
        os.close(announce)
        heard = Attention(ready)
        heard.wait()
        if not heard.ready:
            self.__exit__(WorkerFailed)
            raise WorkerFailed(heard.reason or "the server ended before it accepted a connection")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop gently and wait for the end. Raises `WorkerFailed` if it was not a clean one."""
        pid, self._pid = self._pid, 0
        if not pid:
            return
        os.kill(pid, signal.SIGTERM)
        status = os.waitpid(pid, 0)[1]
        self.close()
        if status and kind is None:
            raise WorkerFailed(f"the server {describe(status)}")


def chosen(settings: Settings) -> Choice:
    """What serves the target. Raises `SettingsError`, `ApplicationError`, `Unavailable`."""
    try:
        return Choice.of(settings, KINDS[interface(settings)])
    except ApplicationError:
        if not settings.reload:
            raise
        return Choice.of(settings, BROKEN)  # the workers will look for themselves, and say why
