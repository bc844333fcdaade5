"""Folders under prefixes, beside another content: `--mount /static=./dir`.

Who is asked is decided on whole segments of the path, after the same decoding that the
folder itself uses (`paths`): `/static%2Fa`, `//static/a` and `/./static/a` belong to
`/static`, and so does `/static/../a`, which the folder refuses.  A target can therefore
neither slip past a mount nor out of one.  The longest prefix wins; what belongs to no
mount goes to the main content untouched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from ...errors import SettingsError
from ...http1.bounded import Bounded
from ...http1.connection import Content, Ready
from ...http1.exchange import Exchange, HttpConnection
from ...http1.request import Request
from ...iomodels.base import IOModel
from ..static.paths import relative_path, segments
from ..static.rules import DEFAULT, Rules
from ..static.site import Static
from ..static.worker_state import ALONE, Shared

REMEMBERED_BYTES = 1_048_576
"""Of targets whose owner is remembered."""

LONGEST_BYTES = 256
"""Of one of them."""


@dataclass(frozen=True)
class Mount:
    """A prefix, as segments of a path, and its folder."""

    prefix: tuple[bytes, ...]
    folder: str

    @classmethod
    def parse(cls, text: str) -> Mount:
        """From `/prefix=folder`. Raises `SettingsError`."""
        prefix, equals, folder = text.partition("=")
        if not equals or not prefix.startswith("/") or not folder:
            raise SettingsError(
                f"mount: {text!r} is not /PREFIX=FOLDER (for example /static=./static)"
            )
        path = relative_path(quote(prefix).encode())
        if not path:
            raise SettingsError(
                f"mount: {prefix!r} cannot be a prefix: it needs a name, and no .. or hidden one"
            )
        return cls(tuple(path.rstrip(b"/").split(b"/")), folder)


def parsed(texts: Sequence[str]) -> list[Mount]:
    """All mounts, the longest prefix first. Raises `SettingsError`."""
    mounts: dict[tuple[bytes, ...], Mount] = {}
    for text in texts:
        mount = Mount.parse(text)
        if mount.prefix in mounts:
            other = mounts[mount.prefix].folder
            raise SettingsError(f"mount: {text!r}: this prefix already leads to {other!r}")
        mounts[mount.prefix] = mount
    return sorted(mounts.values(), key=lambda mount: -len(mount.prefix))


def probe(mounts: Sequence[Mount], base: str) -> None:
    """Whether all folders can be read, seen from `base`. Raises `SettingsError`."""
    for mount in mounts:
        folder = Path(base, mount.folder)
        if not folder.is_dir():
            raise SettingsError(f"mount: there is no folder {os.fspath(folder)!r}")
        if not os.access(folder, os.R_OK | os.X_OK):
            raise SettingsError(
                f"mount: no permission to read the folder {os.fspath(folder)!r}: give the"
                " server's user r and x there"
            )


class Inner(Content, Protocol):
    """The main content, as `kinds` opens it."""

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel: ...
    def close(self) -> None: ...


class Mounts:
    """Content that asks a folder or the main content, by the target's path."""

    def __init__(
        self,
        main: Inner,
        mounts: Sequence[Mount],
        rules: Rules = DEFAULT,
        shared: Shared = ALONE,
    ) -> None:
        """`mounts` as `parsed` returns them.

        The rules are those of all folders, but for the pages: these lie in the main one.
        """
        self._main = main
        rules = replace(rules, spa=None, error_page=())
        self._folders = [
            (m.prefix, Static(m.folder, b"/".join(m.prefix) + b"/", rules, shared)) for m in mounts
        ]
        self._owners: Bounded[bytes, Content] = Bounded(REMEMBERED_BYTES, LONGEST_BYTES)
        self._known_owner = self._owners.get

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        return self._main.io(engine, tick_s=tick_s, connections=connections)

    def close(self) -> None:
        for _, folder in self._folders:
            folder.close()
        self._main.close()

    def ready(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Ready | None:
        owner = self._known_owner(request.target) or self._remembered(request.target)
        return owner.ready(request, head, conn, now)

    async def respond(self, exchange: Exchange) -> None:
        target = exchange.request.target
        await (self._known_owner(target) or self._remembered(target)).respond(exchange)

    def _remembered(self, target: bytes) -> Content:
        owner = self._owner(target)
        self._owners.remember(target, owner, len(target))
        return owner

    def _owner(self, target: bytes) -> Content:
        if not target.startswith(b"/"):
            return self._main  # `*`, or the authority of CONNECT: no path
        path = segments(target)
        for prefix, folder in self._folders:
            if tuple(path[: len(prefix)]) == prefix:
                return folder
        return self._main
