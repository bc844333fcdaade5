"""`[[serve]]`: several services under one supervisor, each with its own target, pair and workers.

A table says of its service what differs; all other settings are those above the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import SettingsError
from ..listening.sockets import SYSTEMD, Address
from ..serving import MODELS
from .settings import FIELDS, FILE_ONLY, GROUPS, Settings
from .texts import chosen, known

OWN = ("target", "bind")
"""What each table must say, and no line above the tables may."""

SERVER_WIDE = {
    *("serve", "startup_s", "stuck_s", "status", "pid_file", "user", "group", "umask"),
    *("log_level", "log_format", "log_config"),
    *("trace_sample", "trace_spans"),
    *("reload", "reload_dir", "reload_include", "reload_exclude"),
}
"""What is one supervisor's, or runs once for all: no table may say it."""

ANY_PORT = 0
"""Of which the kernel gives each another one."""


def services(settings: Settings) -> list[Settings]:
    """The settings of each service; these, if there is no table. Raises `SettingsError`."""
    if not settings.serve:
        return [settings]
    for name in OWN:
        if getattr(settings, name) != FIELDS[name].default:
            raise SettingsError(f"{name}: each table [[serve]] has its own")
    if settings.reload:
        raise SettingsError("reload: it is for a server of one application, without [[serve]]")
    found = [_service(settings, table) for table in settings.serve]
    _check_addresses(found)
    return found


def _service(settings: Settings, table: Mapping[str, Any]) -> Settings:
    for name in OWN:
        if name not in table:
            raise SettingsError(f"serve: each table [[serve]] needs a {name}")
    for name in table:
        if name in SERVER_WIDE:
            raise SettingsError(
                f"serve: {name}: it is for the whole server: put it above [[serve]]"
            )
    try:
        known(table, {*FIELDS, *FILE_ONLY})
        groups = {
            name: replace(getattr(settings, name), **chosen(group, table))
            for name, group in GROUPS.items()
        }
        own = chosen(Settings, table)
        model = MODELS.get(own.get("serving", settings.serving))
        if model is not None and not model.traits.scales_by_workers:
            own.setdefault("workers", 1)  # what stands above is for those that have several
        return replace(settings, **{**own, **groups, "serve": ()})
    except SettingsError as error:
        raise SettingsError(f"serve: {error}") from None


def _check_addresses(found: list[Settings]) -> None:
    """Two services on one address would share its clients by chance (SO_REUSEPORT)."""
    seen: set[tuple[Any, ...]] = set()
    for text in (text for each in found for text in (*each.bind, *each.tls.redirect_http)):
        if text == SYSTEMD:
            raise SettingsError("serve: bind: name the sockets of systemd one by one: fd://3")
        address = Address.parse(text)
        place = (address.host, address.port, address.path, address.fd)
        if place in seen and (address.port != ANY_PORT or address.path or address.fd >= 0):
            raise SettingsError(f"serve: bind: two services listen on {text}")
        seen.add(place)
