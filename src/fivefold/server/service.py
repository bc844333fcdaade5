"""One service of a server: what it serves, with which pair, and where it listens.

A server has one; with `[[serve]]` tables in its configuration it has one for each, all under
one supervisor.

SIGHUP reads the configuration again: what new workers can have of it, they get.

Facts.        A worker is a fork of the supervisor, so what it runs is what the supervisor knows at
              that moment.  People of nginx and gunicorn edit the file and send SIGHUP.
Choice.       The supervisor asks for the settings anew, as at the start (command line, environment,
              file), makes what workers run of them, and looks at the targets.  If anything of that
              fails, the log says what and where, nothing is changed and no worker is replaced.
              What the supervisor itself was made of (`KEPT`) stays as it was, and a line says that
              it needs SIGUSR2.
              An application of another interface than before is refused by the first new worker,
              and so the old ones stay, as with one that fails at its import.
Assumption.   Reading the file does not wait: a file server that hangs holds the supervisor up.
Cost.         Nothing until SIGHUP; then some milliseconds.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from ..content.application.loading import names_application
from ..content.kinds import BROKEN, KINDS
from ..content.routing import mounts
from ..content.routing import virtual_hosts as hosts
from ..content.routing.htpasswd import Passwords
from ..content.static.files.root import start_folder
from ..content.static.folder import check_way
from ..errors import ApplicationError, SettingsError, Unavailable
from ..iomodels.interface import IOModel
from ..isolation.reporting import logger
from ..listening.handing_down import HandedDown
from ..processes.draining import Draining
from ..processes.supervision.recycling import Wear
from ..serving.base import ServingModel
from .binding import Listening
from .choice import Choice
from .identity import Rights
from .probing import check_home, interface
from .service_tables import SERVER_WIDE, services
from .settings import GROUPS, Settings
from .worker.composition import Composition
from .worker.observing import WorkerObserver

log = logger("fivefold.server")


class Service:
    """Checked when it is made; `composition` is what its workers run."""

    def __init__(
        self,
        settings: Settings,
        observer: WorkerObserver,
        handed_down: HandedDown,
        rights: Rights,
    ) -> None:
        """Raises `SettingsError`, `ApplicationError` (it cannot be loaded), `Unavailable`."""
        self.settings = settings
        self._observer = observer
        self._rights = rights
        self.listening = Listening(settings, handed_down, rights)
        # Paths, not descriptors: the folder in which we are may be replaced by another one.
        self._start_folder = start_folder()
        self.composition = self._composed(settings, chosen(settings, handed_down, rights))
        self._prepared = self.composition

    def _composed(
        self, settings: Settings, choice: Choice, before: Composition | None = None
    ) -> Composition:
        base = os.path.join(self._start_folder, settings.chdir or "")  # noqa: PTH118
        return Composition(settings, choice, base, self.listening, self._observer, before=before)

    def prepare(self, settings: Settings) -> None:
        """Make what new workers will run once `adopt` is called. Raises `SettingsError`."""
        kind = self.composition.choice.kind
        if names_application(settings.target) != (kind.probe is None):
            raise SettingsError(
                "target: an application in place of a folder, or a folder in place"
                " of an application, needs SIGUSR2"
            )
        check_home(settings)
        choice = Choice.of(settings, kind)
        self._prepared = self._composed(settings, choice, self.composition)
        self._rights.attempt(partial(check_targets, self._prepared))

    def adopt(self) -> None:
        """From now on workers that start run what was prepared."""
        self.composition = self._prepared
        self.settings = self.composition.settings
        if self.composition.times_queue:
            self.listening.stamp()

    @property
    def interface(self) -> str:
        """`static`, `wsgi` or `asgi`."""
        return self.composition.choice.kind.name

    @property
    def model(self) -> type[ServingModel]:
        """What runs a connection."""
        return self.composition.choice.model

    @property
    def engine(self) -> type[IOModel]:
        """How a thread waits."""
        return self.composition.choice.engine

    @property
    def passed_over(self) -> list[str]:
        """A sentence for each better engine that cannot run here."""
        return self.composition.choice.passed_over

    @property
    def addresses(self) -> list[str]:
        """Where clients reach it, e.g. `http://127.0.0.1:8000`; known once it listens."""
        return self.listening.addresses

    @property
    def purpose(self) -> str:
        """What it serves, how and where, in a few words."""
        target = self.settings.target
        what = target if isinstance(target, str) else self.interface
        return f"[{what}] {self.model.name}+{self.engine.engine} {' '.join(self.addresses)}"

    @property
    def grace_s(self) -> float:
        """How long a worker may take to end, its application's shutdown included."""
        return self.settings.supervision.grace_s + self.composition.shutdown_s

    def wear(self, draining: Draining) -> Wear:
        """Of a new worker; where a request has a limit, it says in `draining` that it hangs."""
        limited = self.settings.supervision.request_timeout_s is not None
        return Wear(self.settings.recycling, draining if limited else None)

    def listen(self) -> None:
        """Bind all addresses; from now on the kernel queues connections. Raises `BindError`."""
        # A reloaded application may come to be served by threads that wait for one thing only.
        alone = not self.engine.traits.overlaps or self.settings.reload
        shared, stamped = self.engine.traits.takes_turns, self.composition.times_queue
        self.listening.listen(apart=alone, shared=shared, stamped=stamped)

    def check_target(self) -> None:
        """A folder that is not there fails here, not in every worker; applications were probed."""
        check_targets(self.composition)


def check_targets(composition: Composition) -> None:
    """Whether what the workers will open is there. Raises `SettingsError`."""
    settings, kind = composition.settings, composition.choice.kind
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
        passwords = os.fspath(Path(base, settings.auth))
        check_way("auth", passwords)
        Passwords(passwords, composition.last_users)
    composition.shared_log.probe()


def chosen(settings: Settings, handed_down: HandedDown, rights: Rights) -> Choice:
    """What serves the target. Raises `SettingsError`, `ApplicationError`, `Unavailable`."""

    def become_users() -> None:
        handed_down.give_up()
        rights.take()

    try:
        return Choice.of(settings, KINDS[interface(settings, become_users)])
    except ApplicationError:
        if not settings.reload:
            raise
        return Choice.of(settings, BROKEN)  # the workers will look for themselves, and say why


Reread = Callable[[], AbstractContextManager[Settings]]
"""The settings as they are now; a `SettingsError` of the block says where the value came from.
Raises `SettingsError`."""

KEPT = SERVER_WIDE | {
    *("bind", "unix_mode", "serving", "io", "interface", "workers"),  # what listens, and for whom
    *("grace_s", "lifespan_s"),  # after which the supervisor kills
    "request_id",  # which the handlers of its log know
    *(field.name for field in dataclasses.fields(GROUPS["tls"])),  # read again by themselves
}
"""By the names of settings."""


def reconfigure(present: list[Service], reread: Reread) -> bool:
    """Let new workers have the settings that are new; whether workers shall be replaced."""
    try:
        with reread() as found:
            changed = dict(_changed(present, services(found)))
            for service, settings in changed.items():
                service.prepare(settings)
    except (SettingsError, Unavailable) as error:
        log.error("SIGHUP: nothing is changed, and the workers stay: %s", error)
        return False
    for service, settings in changed.items():
        names = ", ".join(sorted(differences(service.settings, settings)))
        log.info("SIGHUP: new workers have other settings: %s", names)
        service.adopt()
    return True


def _changed(present: list[Service], found: list[Settings]) -> Iterator[tuple[Service, Settings]]:
    others = [one.bind for one in found] != [one.settings.bind for one in present]
    if others and max(len(found), len(present)) > 1:
        raise SettingsError("serve: services with other addresses need SIGUSR2")
    for service, settings in zip(present, found, strict=True):
        names = set(differences(service.settings, settings))
        kept = sorted(names & KEPT)
        if kept:
            log.warning("SIGHUP: %s: a change needs SIGUSR2, and is left out", ", ".join(kept))
        if names - KEPT:
            yield service, with_kept(settings, service.settings)


def differences(old: Any, new: Any) -> Iterator[str]:
    """The names of settings that differ, those of groups included."""
    for field in dataclasses.fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name in GROUPS:
            yield from differences(before, after)
        elif before != after:
            yield field.name


def with_kept(new: Any, old: Any) -> Any:
    """The new settings, but for those that are kept. Raises `SettingsError`: the rest may not suit
    them."""
    values = {}
    for field in dataclasses.fields(new):
        before = getattr(old, field.name)
        if field.name in KEPT:
            values[field.name] = before
        elif field.name in GROUPS:
            values[field.name] = with_kept(getattr(new, field.name), before)
    return dataclasses.replace(new, **values)
