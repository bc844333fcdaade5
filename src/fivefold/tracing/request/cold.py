"""Throwing a file's pages out of memory, so that the disk has to be asked.

Facts.
    Any process may ask the kernel to drop the clean pages of a file that it can read
    (posix_fadvise(2)), but pages that a socket has just sent may be held for a moment.
    Whether they have gone only cachestat(2) tells, and not every user.

Choice.
    Asked again until they have gone; where the kernel does not say, asked once, with a note.
    Reading with RWF_NOWAIT would tell as well, but it starts the read-ahead.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ...errors import TraceFailed
from ...linux import page_cache

EVICT_S = 5.0
"""How long the kernel may keep pages that it was asked to drop."""

KEPT = (
    "--cold: the kernel keeps pages of {0} in memory: either another program uses them, or the file"
    " lies on no disk (`df {0}` says tmpfs): trace a copy that does"
)

UNCHECKED = "--cold: the kernel was asked to drop the file, but does not say whether it did: {}"


def evict(path: Path) -> str | None:
    """Make the file cold; what must be known about it, None if it certainly is.

    Raises `TraceFailed` if there is no such file, or the kernel keeps its pages.
    """
    try:
        with path.open("rb") as file:
            return _evicted(file.fileno(), path)
    except OSError as error:
        raise TraceFailed(f"--cold: cannot evict {path}: {error.strerror}") from None


def _evicted(fd: int, path: Path) -> str | None:
    size = os.fstat(fd).st_size
    until = time.monotonic() + EVICT_S
    page_cache.evict(fd)
    try:
        while page_cache.cached_pages(fd, 0, size):
            if time.monotonic() > until:
                raise TraceFailed(KEPT.format(path))
            page_cache.evict(fd)
    except OSError as error:
        return UNCHECKED.format(page_cache.refusal(error))
    return None
