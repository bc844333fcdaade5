"""SIGHUP reads the configuration again: what new workers can have of it, they get.

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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from ..errors import SettingsError, Unavailable
from ..isolation.reporting import logger
from .service import Service
from .service_tables import SERVER_WIDE, services
from .settings import GROUPS, Settings

log = logger("fivefold.server")

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
    for service in changed:
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
            log.info("SIGHUP: new workers have other settings: %s", ", ".join(sorted(names - KEPT)))
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
