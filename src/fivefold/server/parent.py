"""A server as its parent process has it: checked, bound and supervised, above its workers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, Self

from ..content.static.files.root import start_folder
from ..errors import ConnectionsCut, FivefoldError, SettingsError, WorkerFailed
from ..iomodels.interface import IOModel
from ..isolation.reporting import logger
from ..linux.standard_descriptors import fill_standard_descriptors
from ..linux.systemd import handed_over
from ..listening.handing_down import HandedDown
from ..processes.census import Census
from ..processes.forking import describe, forked
from ..processes.pid_file import PidFile
from ..processes.process_signals import ending_once
from ..processes.ready_pipe import Announcement, Attention
from ..processes.supervision.companion import Companion
from ..processes.supervision.supervisor import INIT, Supervisor
from ..processes.supervision.upgrade import Upgrade
from ..processes.titles import title
from ..serving.base import ServingModel
from . import reloading
from .identity import Rights
from .service import Reread, Service, reconfigure
from .service_tables import services
from .settings import Settings
from .status_listening import StatusListening
from .worker.observing import WorkerObserver

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
        self.settings = settings
        self._observer = observer
        self.rights = Rights(settings.identity)
        """Of what this process forks, the supervisor excepted."""
        self.census = Census()
        """What the supervisor knows of its workers."""
        self._start_folder = start_folder()
        self._pid_file = PidFile(settings.identity.pid_file, self._start_folder)
        self._handed_down = HandedDown.of(os.environ)
        self.status = StatusListening(settings.status, self._handed_down, self.rights)
        each = services(settings)
        if settings.reload:
            reloading.check(settings)
        self.services = [Service(own, observer, self._handed_down, self.rights) for own in each]
        self.companions: list[Companion] = []
        """Processes that serve no client."""
        self._pid = 0
        """The process that serves, as a context manager."""

    @property
    def interface(self) -> str:
        """`static`, `wsgi` or `asgi`; of several services that of the first."""
        return self.services[0].interface

    @property
    def model(self) -> type[ServingModel]:
        """What runs a connection; likewise."""
        return self.services[0].model

    @property
    def engine(self) -> type[IOModel]:
        """How a thread waits; likewise."""
        return self.services[0].engine

    @property
    def addresses(self) -> list[str]:
        """Where clients reach it, e.g. `http://127.0.0.1:8000`; known once it listens."""
        return [address for service in self.services for address in service.addresses]

    @property
    def queues(self) -> dict[int, str]:
        """Addresses by the inodes of the sockets that listen there."""
        return {i: a for each in self.services for i, a in each.listening.queues.items()}

    @property
    def pid(self) -> int:
        """The process that serves, as a context manager; 0 outside of it."""
        return self._pid

    def listen(self) -> None:
        """Bind all addresses; from now on the kernel queues connections. Raises `BindError`,
        `SettingsError` (another server has the file for the process id)."""
        self._pid_file.check()
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for service in self.services:
                service.listening.claim()
            if handed_over(os.environ):
                log.warning("systemd hands over sockets that are not used: add --bind systemd")
            for service in self.services:
                service.listen()
            self.status.listen()
            self._handed_down.close_rest()
            undo.pop_all()

    def run(
        self,
        on_ready: Callable[[], None] = lambda: None,
        *,
        replaceable: bool = False,
        reread: Reread | None = None,
    ) -> None:
        """Serve until SIGTERM or SIGINT. Call it in the main thread.

        `replaceable`: this process was started by a command line that makes this server, so that
        SIGUSR2 may start it again.  `reread`: how SIGHUP has the settings read again.

        Raises `BindError`, `SettingsError` (nothing to serve there, or another thread),
        `WorkerFailed`.
        """
        if threading.current_thread() is not threading.main_thread():
            raise SettingsError(
                "run: only the main thread of a program hears signals: call it there, or let"
                " `with Server(settings):` serve from a process of its own"
            )
        self.check_target()
        if not self.addresses:
            self.listen()
        try:
            self._supervise(on_ready, replaceable=replaceable, reread=reread)
        finally:
            self.close()

    def _supervise(
        self,
        on_ready: Callable[[], None],
        *,
        replaceable: bool = False,
        reread: Reread | None = None,
    ) -> None:
        settings, handed_down = self.settings, self._handed_down
        upgrade = Upgrade(
            self._start_folder, handed_down.hand_down, self._pid_file, self._refusal(replaceable)
        )

        def serves() -> None:
            on_ready()
            Announcement(handed_down.ready)()
            handed_down.ready = -1

        title.is_for(" and ".join(service.purpose for service in self.services))
        for service in self.services:
            service.composition.choice.kind.prepare()
        self.census.accompanied(handed_down.is_shared)
        with contextlib.ExitStack() as stack:
            stack.enter_context(ending_once())
            stack.enter_context(self._pid_file.held())
            stack.enter_context(self._observer.running(self))
            if settings.reload:
                stack.enter_context(reloading.watching(self))
            Supervisor(
                [row for service in self.services for row in service.listening.slots],
                self._work,
                max(service.grace_s for service in self.services),
                self._reopen_logs,
                on_reload=lambda: reread is None or reconfigure(self.services, reread),
                startup_s=settings.supervision.startup_s,
                stuck_s=lambda row: self._service_at(row).settings.supervision.silence_s,
                census=self.census,
                upgrade=upgrade,
                new_queues=lambda row: self._service_at(row).listening.more(row),
                recycling=lambda row, draining: self._service_at(row).wear(draining),
                become_users=self.rights.take,
                companions=self.companions,
            ).run(serves)
        handed_down.is_outlived = upgrade.serves

    def _refusal(self, replaceable: bool) -> str:  # noqa: FBT001
        """Why SIGUSR2 cannot start this server again; "" if it can."""
        if not replaceable:
            return "only `fivefold serve` can be started again; this program must replace itself"
        if self.settings.reload:
            return "--reload loads new code by itself"
        if os.getpid() == INIT:
            return "the end of process 1 is that of its container: replace the container"
        return ""

    def _service_at(self, sockets: list[socket.socket]) -> Service:
        """Which of them a slot's sockets are of."""
        return next(
            service
            for service in self.services
            if any(sockets[0] in row for row in service.listening.slots)
        )

    def _work(self, sockets: list[socket.socket], on_ready: Announcement) -> None:
        """Runs in a worker: that of the service to which these sockets belong."""
        self._handed_down.give_up()
        self._pid_file.close()
        self.status.close_sockets()
        for companion in self.companions:
            companion.close()
        service = self._service_at(sockets)
        for other in self.services:
            if other is not service:
                other.listening.close_sockets()
        title.is_for(service.purpose)
        if self.rights.changes:
            service.composition.read_certificates()
        self.rights.take()
        service.composition.work(sockets, on_ready)

    def _reopen_logs(self) -> None:
        for service in self.services:
            service.composition.shared_log.turn()

    def check_target(self) -> None:
        """A folder that is not there fails here, not in every worker; applications were probed."""
        for service in self.services:
            self.rights.attempt(service.check_target)

    def close(self) -> None:
        """Close the listening sockets, and give their addresses back."""
        for service in self.services:
            service.listening.close()
        self.status.close()

    def close_sockets(self) -> None:
        """Close the listening sockets in this process: what it forked does not listen."""
        self._handed_down.give_up()
        self._pid_file.close()
        for service in self.services:
            service.listening.close_sockets()
        self.status.close_sockets()

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

        self._pid = forked(life, "supervisor")
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
