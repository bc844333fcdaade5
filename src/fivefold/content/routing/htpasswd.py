"""Who may come in: an htpasswd file with bcrypt hashes.

Other hashes of htpasswd can be tried out by the million a second, so a file that has one is
refused with the line and the remedy.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import SettingsError
from ...isolation.reporting import logger
from ..static.representations.validators import is_settled

log = logger("fivefold.auth")

BCRYPT = re.compile(rb"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")

REFUSED = {
    b"$apr1$": "an MD5 hash",
    b"$1$": "an MD5 hash",
    b"{SHA}": "a SHA-1 hash",
    b"{SSHA}": "a SHA-1 hash",
    b"$5$": "a SHA-256 hash",
    b"$6$": "a SHA-512 hash",
}

MOST_BYTES = 72
"""bcrypt looks at no more of a password; htpasswd cuts it there, too."""

Stamp = tuple[int, ...]


class Passwords:
    """The users of a file; read again when it has changed."""

    def __init__(self, path: str) -> None:
        """Raises `SettingsError`: not readable, or a line that is not in order."""
        self._path = path
        self._check: Any = library().checkpw
        self.generation = 0
        """Changes with the file: what was right before must be looked at again."""
        self._stamp = stamp(path)
        self._is_sure = is_settled(self._stamp[-1] / 1e9)
        """Whether a write behind the reading must show another stamp."""
        self._hashes = read(path)

    def look_again(self) -> None:
        """Take a changed file; one that is not in order changes nothing and is complained of."""
        try:
            now = stamp(self._path)
            if now == self._stamp and self._is_sure:
                return
            self._stamp, self._is_sure = now, is_settled(now[-1] / 1e9)
            hashes = read(self._path)
            if hashes != self._hashes:
                self._hashes = hashes
                self.generation += 1
        except SettingsError as error:
            log.error("%s; the users stay as they were", error)

    def right(self, user: bytes, password: bytes) -> bool:
        """Takes as long as the hash says, tens of milliseconds; for unknown users, too."""
        known = self._hashes.get(user)
        compared = known or next(iter(self._hashes.values()))
        try:
            same: bool = self._check(password[:MOST_BYTES], compared)
        except ValueError:
            return False  # a NUL in it
        return same and known is not None


def library() -> Any:
    try:
        return import_module("bcrypt")
    except ImportError:
        raise SettingsError("auth: the library bcrypt is not here; pip install bcrypt") from None


def stamp(path: str) -> Stamp:
    """What changes with a file; last, when anything was done to it."""
    try:
        status = os.stat(path)  # noqa: PTH116 - beside the descriptors of os elsewhere here
    except OSError as error:
        raise SettingsError(f"auth: cannot read {path}: {error.strerror}") from None
    # All bcrypt hashes are of one length, and a copy may keep the time of modification.
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def read(path: str) -> dict[bytes, bytes]:
    """Hashes by user. Raises `SettingsError`."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise SettingsError(f"auth: cannot read {path}: {error.strerror}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith(b"#"):
            user, _, hashed = line.strip().partition(b":")
            check(user, hashed, f"auth: {path}, line {number}")
            found[user] = hashed
    if not found:
        raise SettingsError(f"auth: {path} names no user; htpasswd -B {path} NAME adds one")
    return found


def check(user: bytes, hashed: bytes, where: str) -> None:
    if not user or not hashed:
        raise SettingsError(f"{where}: not USER:HASH")
    if not BCRYPT.fullmatch(hashed):
        kinds = (kind for start, kind in REFUSED.items() if hashed.startswith(start))
        kind = next(kinds, "no bcrypt hash")
        name = user.decode("utf-8", "replace")
        raise SettingsError(
            f"{where}: {kind}, which does not protect a password; htpasswd -B makes a bcrypt hash"
            f" for {name!r}"
        )
