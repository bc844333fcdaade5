"""Listening UNIX sockets: the file that stands for one, whose it is, and when it may be replaced.

Facts.        The file stays when its socket is gone, and bind(2) refuses a name that is
              taken; a client of such a file is refused (unix(7)).
Consequence.  A file that was left behind must be told from one that is in use.
Choice.       Only a socket that refuses is removed, never anything else; a server
              removes its own at the end, and knows it by inode and time, because a file
              system may give the number of a removed file to the next one.
Cost.         A connection attempt to the present listener, at the start.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

LONGEST_BYTES = 107
"""sun_path without the zero byte at its end (unix(7))."""

TRIES, PAUSE_S = 100, 0.01
"""How long the folder is asked for: others hold it for a moment, mostly."""

Made = tuple[Path, int, int, int]
"""The file of a UNIX socket: path, device, inode, time of its making in nanoseconds."""


def bind_unix(path: str, mode: int | None, backlog: int) -> socket.socket:
    """A socket that listens; an abstract name begins with a zero byte. Raises OSError.

    `mode`: permissions of the file; by default what the umask leaves.
    """
    if path.startswith("\0"):
        return _listening(path, backlog)
    with _alone_in(Path(path).absolute().parent):
        _remove_stale(path)
        # So that it never has more permissions than it shall have, not even for a moment.
        before = os.umask(0o777 & ~mode) if mode is not None else None
        try:
            return _listening(path, backlog)
        finally:
            if before is not None:
                os.umask(before)


def _listening(path: str, backlog: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """So that of two servers that start at once neither takes the other's socket for a stale
    one. Where the folder cannot be locked, or another program keeps the lock, it goes without."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        yield
        return
    try:
        for _ in range(TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sleep(PAUSE_S)
            except OSError:
                break  # a file system without locks for folders
            else:
                break
        yield
    finally:
        os.close(fd)


def _remove_stale(path: str) -> None:
    """Remove a socket without a listener; never anything else. Raises OSError."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise OSError(errno.EEXIST, "something else than a socket has this name")
    except FileNotFoundError:
        return
    try:
        if not _refuses(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    except PermissionError:
        raise OSError(errno.EPERM, "a socket of another user has this name") from None
    Path(path).unlink()


def _refuses(path: str) -> bool:
    """Whether no program listens there. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # where the queue is full it would wait
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except BlockingIOError:
            pass  # a program listens, and is busy
    return False


def made(path: str) -> Made | None:
    """The file that `bind_unix` has made, if it has made one."""
    if not path or path.startswith("\0"):
        return None
    file = Path(path).absolute()
    status = file.lstat()
    return file, status.st_dev, status.st_ino, status.st_mtime_ns


def release(file: Made | None, *, shared: bool = False) -> None:
    """Remove what a closed UNIX socket leaves behind, unless another program has put one there.
    `shared`: another server may still listen on this one."""
    if file is None:
        return
    path, *identity = file
    try:
        status = path.lstat()
        if shared and not _refuses(os.fspath(path)):
            return
    except OSError:
        return  # it is gone, or its folder is
    if [status.st_dev, status.st_ino, status.st_mtime_ns] == identity:
        path.unlink(missing_ok=True)
