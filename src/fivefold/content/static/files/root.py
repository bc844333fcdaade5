"""The folder that a path leads to now.

A folder is served by its path, and what the path leads to changes: a link is set to another
release, a folder is removed and built again, a file system is mounted.  A descriptor would
stay with what was there at first.  So in the first request of every second the path is
compared with the descriptor, and if they differ, what the path leads to is opened.

Gain.         One stat(2) a second, none per request.
Assumption.   Device and inode tell folders apart.  They do, because the old one is open, and
              its number is given to no other folder meanwhile.
Threads.      The number of the descriptor never changes (dup3(2) replaces what it leads to in
              one step), so a request that uses it meanwhile has either folder, never a third.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ....isolation.reporting import logger

log = logger("fivefold.static")

SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN)
"""Says nothing of the folder: the old one stays until it can be looked at."""

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Root:
    """A descriptor, `fd`, of the folder at `path`; of nothing while it is `away`."""

    def __init__(self, path: str) -> None:
        """An absolute path: the folder in which the server was started may be replaced, too."""
        self._path = path
        self.fd = os.memfd_create("fivefold-away")  # beneath a file nothing can be opened
        self.away = True
        """Whether the path leads to no folder, or to one that may not be read."""
        self._known = False
        """Whether it was served, or complained of, before: then a change is worth a line."""
        self.moved()

    def moved(self) -> bool:
        """Look at the path again: whether it leads to another folder than before, or none."""
        try:
            now = os.stat(self._path)  # noqa: PTH116 - beside the descriptors of os
            if not self.away and os.path.samestat(now, os.fstat(self.fd)):
                return False
            found = os.open(self._path, FLAGS)
        except OSError as error:
            return error.errno not in SHORT_OF and self._lost(error)
        try:
            os.dup2(found, self.fd, inheritable=False)
        finally:
            os.close(found)
        if self._known:
            log.warning("%s leads to another folder: it is served now", self._path)
        self._known, self.away = True, False
        return True

    def _lost(self, error: OSError) -> bool:
        if self.away and self._known:
            return False
        log.warning("%s cannot be served: %s; 503 until it can be", self._path, error.strerror)
        self._known = True
        if self.away:
            return False
        self.away = True
        nothing = os.memfd_create("fivefold-away")
        try:
            os.dup2(nothing, self.fd, inheritable=False)  # and the old folder may be unmounted
        finally:
            os.close(nothing)
        return True

    def close(self) -> None:
        os.close(self.fd)


def start_folder() -> str:
    """The path of the folder in which this process was started, links kept.

    As `pwd -L` (POSIX): PWD is believed if it leads here, since only it knows of links.
    """
    here = os.environ.get("PWD", "")
    try:
        if Path(here).is_absolute() and Path(here).samefile(os.curdir):
            return here
    except OSError:
        pass  # it leads nowhere
    try:
        return str(Path.cwd())
    except OSError:
        return os.curdir  # it is gone: relative paths lead nowhere, absolute ones need no start
