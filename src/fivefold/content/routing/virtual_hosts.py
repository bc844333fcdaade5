"""Virtual hosts: folders by the name that the client asked for, `[[host]]` in the configuration.

A name is compared without its port and without regard to case; `*.example.org` stands for
every name below that one, and the longest such pattern wins.  A client that asks for any
other name, or for none, gets the main content.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from ...configuration.setting import check
from ...errors import SettingsError
from ..base import Content
from ..static import folder
from ..static.files.kept import Shared
from ..static.rules import Rules
from ..static.site import Static
from . import mounts
from .mounts import Mounts
from .router import Router

NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")

PORT = re.compile(rb":\d*$")

LONGEST_BYTES = 512
"""Of a value of Host whose owner is remembered; a name has 253 characters (RFC 1035)."""

OWN = ("name", "target", "mount")


@dataclass(frozen=True, kw_only=True)
class VirtualHost:
    """One virtual host: a folder, and how it is served."""

    name: tuple[str, ...]
    target: str
    mount: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        check(self)
        for name in self.name:
            if not NAME.fullmatch(name):
                raise SettingsError(f"{name!r} is not a name (example.org) or *.example.org")
        mounts.parsed(self.mount)

    @classmethod
    def of(cls, table: Any) -> VirtualHost:
        """From a table of the configuration file. Raises `SettingsError`."""
        if isinstance(table, cls):
            return table
        if not isinstance(table, Mapping):
            raise SettingsError(f"host: {table!r} is not a table: [[host]], name, target")
        known = {*OWN, *(each.name for each in fields(Rules))}
        unknown = table.keys() - known
        if unknown:
            name = min(unknown)
            near = difflib.get_close_matches(name, known)
            hint = f"; do you mean {' or '.join(near)}?" if near else ""
            raise SettingsError(f"host: {name}: there is no such setting of a host{hint}")
        if not table.get("name") or "target" not in table:
            raise SettingsError("host: each [[host]] needs a name and a target, a folder")
        own = {key: table[key] for key in OWN if key in table}
        try:
            return cls(**own, rules=Rules(**{key: table[key] for key in table if key not in OWN}))
        except SettingsError as error:
            raise SettingsError(f"host: {error}") from None


def parsed(tables: Any) -> tuple[VirtualHost, ...]:
    """All hosts. Raises `SettingsError`, for a name that is given twice as well."""
    if not isinstance(tables, list | tuple):
        raise SettingsError("host: a host is a table of its own: [[host]]")
    hosts = tuple(VirtualHost.of(table) for table in tables)
    seen: set[str] = set()
    for name in (name for host in hosts for name in host.name):
        if name in seen:
            raise SettingsError(f"host: {name!r} is given twice")
        seen.add(name)
    return hosts


def probe(host: VirtualHost, base: str) -> None:
    """Whether all that it names can be read, seen from `base`. Raises `SettingsError`."""
    try:
        folder.probe(os.fspath(Path(base, host.target)), host.rules)
        mounts.probe(mounts.parsed(host.mount), base)
    except SettingsError as error:
        raise SettingsError(f"host {host.name[0]}: {error}") from None


class Hosts(Router):
    """Content that asks a folder or the main content, by the name in the request."""

    def __init__(self, main: Content, hosts: Sequence[VirtualHost], shared: Shared) -> None:
        contents: list[Content] = []
        self._exact: dict[bytes, Content] = {}
        self._below: list[tuple[bytes, Content]] = []
        for host in hosts:
            content: Content = Static(host.target, rules=host.rules, shared=shared)
            if host.mount:
                content = Mounts(content, mounts.parsed(host.mount), host.rules, shared)
            contents.append(content)
            for name in (name.encode() for name in host.name):
                if name.startswith(b"*"):
                    self._below.append((name[1:], content))
                else:
                    self._exact[name] = content
        self._below.sort(key=lambda pair: -len(pair[0]))
        super().__init__(main, contents, attrgetter("host"), LONGEST_BYTES)

    def _owner(self, key: bytes) -> Content:
        name = PORT.sub(b"", key).lower().rstrip(b".")
        exact = self._exact.get(name)
        if exact is not None:
            return exact
        return next((owner for end, owner in self._below if name.endswith(end)), self._content)
