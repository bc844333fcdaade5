"""Throwing a file's pages out of memory, so that the disk has to be asked.

Facts.
    Any process may ask the kernel to drop the clean pages of a file that it can read
    (posix_fadvise(2)), but pages that a socket has sent are held until the packet is freed, and
    one that was made on another processor waits there for that one's next packet (Linux 5.19,
    skb_attempt_defer_free): without other traffic for ever.
    Whether they have gone only cachestat(2) tells, and not every user.

Choice.
    Asked again until they have gone, each time after a packet on each processor where we may run;
    where the kernel does not say, asked once, with a note.
    Reading with RWF_NOWAIT would tell as well, but it starts the read-ahead.
"""

from __future__ import annotations

import contextlib
import os
import socket
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
            take_a_packet()
            page_cache.evict(fd)
    except OSError as error:
        return UNCHECKED.format(page_cache.refusal(error))
    return None


def take_a_packet() -> None:
    """Have each processor free the packets that others have left to it."""
    allowed = os.sched_getaffinity(0)
    try:
        for processor in allowed:
            os.sched_setaffinity(0, {processor})
            send_to_oneself()
    finally:
        os.sched_setaffinity(0, allowed)


def send_to_oneself() -> None:
    """A packet over the loopback device is taken by the processor that sends it."""
    unreachable = contextlib.suppress(OSError)  # this network namespace has no loopback device
    with unreachable, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.sendto(b"x", sock.getsockname())
