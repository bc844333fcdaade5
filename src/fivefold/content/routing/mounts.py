"""Folders under prefixes, beside another content: `--mount /static=./dir`.

The mount that is asked is decided on whole segments of the path, after the same decoding that the
folder itself uses (`paths`): `/static%2Fa`, `//static/a` and `/./static/a` belong to
`/static`, and so does `/static/../a`, which the folder refuses.  A target can therefore
neither slip past a mount nor out of one.  The longest prefix wins; what belongs to no
mount goes to the main content untouched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from urllib.parse import quote

from ...errors import SettingsError
from ..base import Content
from ..static.files.kept import ALONE, Shared
from ..static.folder import check_way
from ..static.paths import relative_path, segments
from ..static.rules import DEFAULT, Rules
from ..static.site import Static
from .router import Router

LONGEST_BYTES = 256
"""Of a target whose owner is remembered."""


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
                f"mount: {prefix!r} cannot be a prefix: it needs a name, and none that begins with"
                " a dot"
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
        check_way("mount", os.fspath(folder))
        if not folder.is_dir():
            raise SettingsError(f"mount: there is no folder {os.fspath(folder)!r}")
        if not os.access(folder, os.R_OK | os.X_OK):
            raise SettingsError(
                f"mount: no permission to read the folder {os.fspath(folder)!r}: give the"
                " server's user r and x there"
            )


class Mounts(Router):
    """Content that asks a folder or the main content, by the target's path."""

    def __init__(
        self,
        main: Content,
        mounts: Sequence[Mount],
        rules: Rules = DEFAULT,
        shared: Shared = ALONE,
    ) -> None:
        """`mounts` as `parsed` returns them.

        The rules are those of all folders, but for the pages: these lie in the main one.
        """
        rules = replace(rules, spa=None, error_page=())
        self._folders = [
            (m.prefix, Static(m.folder, b"/".join(m.prefix) + b"/", rules, shared)) for m in mounts
        ]
        folders = [folder for _, folder in self._folders]
        super().__init__(main, folders, attrgetter("target"), LONGEST_BYTES)

    def _owner(self, key: bytes) -> Content:
        if not key.startswith(b"/"):
            return self._content  # `*`, or the authority of CONNECT: no path
        path = segments(key)
        for prefix, folder in self._folders:
            if tuple(path[: len(prefix)]) == prefix:
                return folder
        return self._content
