"""`--pid-file`: the process id of the supervisor, for whoever sends it signals.

Facts.        A file stays when its server is killed, and its number may be another process's by
              then; of two servers that start at once both may find it stale.
Choice.       The living server holds a record lock on its file (fcntl(2)): the kernel drops it
              with the process, however that ends, and forks do not inherit it.  So a number in a
              file without a lock is no server's, whichever process has it now.  The file is written
              whole under another name, and gets its own by link(2), which fails if there is one;
              one that is stale is locked first, and replaced.
              At SIGUSR2 it becomes PATH.oldbin, as nginx has it, and PATH is the new server's; if
              that one is taken back, it is PATH again.
Assumption.   Who may write the file is trusted: they could lock it, too.  A lock for reading, which
              all who read the file can have, is passed over.  A program that embeds the server does
              not open the file: to close it would drop the lock.  The file system has locks and
              hard links; else the server does not start.
Never.        A symbolic link is followed; a file without a number is replaced; a file is removed
              that is not ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from ..errors import SettingsError
from ..isolation.reporting import logger

log = logger("fivefold.supervisor")

ASIDE = ".oldbin"

READABLE = 0o644
"""For all, less what the umask takes."""

NUMBER_BYTES = 32
"""More than a process id with its line's end."""

LOCK = struct.Struct("@hhqqi0q")
"""`struct flock`: type, whence, start, length, process (fcntl(2))."""


class PidFile:
    """Of one server; without a path nothing happens."""

    def __init__(self, path: str | None, folder: str = "") -> None:
        self._path = None if path is None else Path(folder, path)
        self._at = self._path
        """Where it is now."""
        self._fd = -1

    def check(self) -> None:
        """Before anything listens. Raises `SettingsError`."""
        if self._path is None:
            return
        folder = self._path.parent
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            why = "this user may not write there" if folder.is_dir() else "there is no such folder"
            raise SettingsError(f"pid_file: no file can be made in {folder}: {why}")
        with contextlib.suppress(FileNotFoundError), stale(self._path):
            pass

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """By the calling process. Raises `SettingsError`."""
        if self._path is None:
            yield
            return
        try:
            self._make(self._path)
        except OSError as error:
            raise SettingsError(f"pid_file: {self._path}: {error.strerror}") from None
        try:
            yield
        finally:
            self._remove()
            self.close()

    def _remove(self) -> None:
        """At the end of a server, whose own error, if there is one, is not to be hidden."""
        try:
            if self._at is not None and self._is_ours(self._at):
                self._at.unlink(missing_ok=True)
        except OSError as error:
            log.warning("pid_file: %s stays: %s", self._at, error.strerror)

    def close(self) -> None:
        """In a process that was forked: it is its parent's."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _make(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        unready = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        self._fd = os.open(unready, flags, READABLE)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self._fd, f"{os.getpid()}\n".encode())
            try:
                os.link(unready, path)
            except FileExistsError:
                with stale(path):
                    unready.replace(path)
        except BaseException:
            self.close()
            raise
        finally:
            unready.unlink(missing_ok=True)

    def _is_ours(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.lstat(), os.fstat(self._fd))
        except OSError:
            return False

    def step_aside(self) -> None:
        """For a server that shall replace this one. Raises OSError, `SettingsError`."""
        if self._path is not None:
            self._move(self._path.with_name(self._path.name + ASIDE))

    def take_back(self) -> None:
        """That one has ended, and this one goes on."""
        try:
            if self._path is not None:
                self._move(self._path)
        except (OSError, SettingsError) as error:
            log.warning("the file with the process id stays %s: %s", self._at, error)

    def _move(self, path: Path) -> None:
        if self._at is not None and self._at != path and self._is_ours(self._at):
            with contextlib.ExitStack() as replaced:
                with contextlib.suppress(FileNotFoundError):
                    replaced.enter_context(stale(path))
                self._at.replace(path)
                self._at = path


@contextlib.contextmanager
def stale(path: Path) -> Iterator[None]:
    """Only one process at a time may replace this file; meanwhile it stays ours.

    Raises `OSError` (there is none, or we may not write it), `SettingsError` (a living server's, or
    something else).
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise SettingsError(f"pid_file: {path}: {why}") from None
    try:
        text = os.pread(fd, NUMBER_BYTES, 0).strip() if is_regular(fd) else b"nothing"
        if text and not text.isdigit():
            raise SettingsError(f"pid_file: {path} is a file of another kind: name another one")
        if not locked(fd, path):
            raise SettingsError(
                f"pid_file: {path} is that of a server that runs, process {text.decode()}:"
                " stop that one, or name another file"
            )
        yield
    finally:
        os.close(fd)


def is_regular(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def locked(fd: int, path: Path) -> bool:
    """Whether we hold the lock now, or only readers hold it, and the file is still there."""
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        asked = LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        if LOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))[0] == fcntl.F_WRLCK:
            return False
    return os.path.samestat(os.fstat(fd), path.lstat())
