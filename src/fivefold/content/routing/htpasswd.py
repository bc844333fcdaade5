"""The users that may come in: an htpasswd file with bcrypt hashes.

Other hashes of htpasswd can be tried out by the million a second, so a file that has one is
refused with the line and the remedy.
"""

from __future__ import annotations

import os
import re
import stat
from codecs import BOM_UTF8
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import SettingsError
from ...isolation.reporting import logger
from ...linux.memory_file import MemoryFile
from ..static.files.open_file import FileState
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

DIGEST_BYTES = 16

Stamp = tuple[int, ...]


class LastRead:
    """The last file that was in order, by whatever process read it; make it before the first fork.

    Otherwise what a worker has read would be lost with it: the next one could not start while
    the file is broken, and no user would be answered whose password every other worker knows.

    Assumption.   A file in memory is as private as the memory of the process (proc(5)).
    """

    def __init__(self) -> None:
        self._file = MemoryFile("users")
        self.fileno = self._file.fileno

    def keep(self, text: bytes) -> None:
        """With a digest: a reader sees whether it met a writer, or one that was killed."""
        data = digest(text) + text
        os.pwrite(self._file.fileno(), data, 0)
        os.ftruncate(self._file.fileno(), len(data))

    def text(self) -> bytes | None:
        """None if there is none."""
        fd = self._file.fileno()
        data = os.pread(fd, os.fstat(fd).st_size, 0)
        text = data[DIGEST_BYTES:]
        return text if data and data[:DIGEST_BYTES] == digest(text) else None


def digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=DIGEST_BYTES).digest()


class Passwords:
    """The users of a file; read again when it has changed."""

    def __init__(self, path: str, last: LastRead | None = None) -> None:
        """Raises `SettingsError`: not readable, or a line that is not in order; not if there is
        a `last` one that was."""
        self._path = path
        self._last = last or LastRead()
        self._check: Any = library().checkpw
        self.generation = -1
        """Changes with the file: what was right before must be looked at again."""
        self._stamp: Stamp | None = None
        self._is_sure = False
        """Whether a write behind the reading must show another stamp."""
        self._complaint = ""
        text = self._last.text()
        self._hashes = {} if text is None else parsed(text, path)
        if text is None:
            self._look()
        else:
            self.look_again()

    def look_again(self) -> None:
        """Take a changed file; one that is not in order changes nothing and is complained of."""
        try:
            self._look()
        except SettingsError as error:
            complaint = str(error)
            if complaint != self._complaint:
                log.error("%s; the users stay as they were", complaint)
            self._complaint = complaint

    def _look(self) -> None:
        now = stamp(self._path)
        if now == self._stamp and self._is_sure:
            return
        self._stamp, self._is_sure = now, is_settled(now[-1] / 1e9)
        # At the server's start a FIFO may hand them over; a worker must not wait for its writer.
        if self._hashes and not stat.S_ISREG(now[0]):
            raise SettingsError(
                f"auth: {self._path} is not a regular file any more: the server reads such a file"
                " only when it starts"
            )
        text = read(self._path)
        hashes = parsed(text, self._path)
        self._complaint = ""
        if hashes != self._hashes:
            self._hashes = hashes
            self.generation += 1
            self._last.keep(text)

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
        raise SettingsError(
            "auth: the library bcrypt is not installed: pip install bcrypt"
        ) from None


def stamp(path: str) -> Stamp:
    """What changes with a file; first its type, last when anything was done to it."""
    try:
        status = os.stat(path)  # noqa: PTH116 - beside the descriptors of os elsewhere here
    except OSError as error:
        raise SettingsError(f"auth: cannot read {path}: {error.strerror}") from None
    # All bcrypt hashes are of one length, and a copy may keep the time of modification.
    return status.st_mode, *FileState.of(status)


def read(path: str) -> bytes:
    """Raises `SettingsError`."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"auth: cannot read {path}: {error.strerror}") from None


def parsed(text: bytes, path: str) -> dict[bytes, bytes]:
    """Hashes by user; of two lines for one user the first counts, as for Apache and nginx.

    Raises `SettingsError`.
    """
    found: dict[bytes, bytes] = {}
    for number, line in enumerate(text.removeprefix(BOM_UTF8).splitlines(), 1):
        if line.strip() and not line.startswith(b"#"):
            user, _, hashed = line.strip().partition(b":")
            check(user, hashed, f"auth: {path}, line {number}")
            found.setdefault(user, hashed)
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
