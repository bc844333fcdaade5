"""A helper thread that waits for descriptors which its I/O model cannot watch.

Facts.        glibc's aio reads and writes, and neither accepts nor waits until a descriptor is
              ready; pidfds, eventfds and terminals raise no signals that a model could use.
Consequence.  For its listeners, and to host another loop, a model needs another thread to wait
              for such descriptors.  If that one accepted as well, a socket could get lost
              between it and us, and more would leave the kernel's queue than there is room for.
Choice.       One thread with an epoll of its own, edge-triggered; it tells the model which
              descriptor had an event, and touches none of them.
Cost.         A thread, and two thread switches (60 us) before the model hears of an event.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

EVERYTHING = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

MAX_EVENTS = 64
"""Taken in one call; there are few such descriptors."""


class ReadinessThread:
    """Reports descriptors to `noticed`, then calls `wake`; started by the first one."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.noticed: deque[int] = deque()
        """What had an event, to be emptied by the model; it may be closed by now."""
        self._wake = wake
        self._epoll: select.epoll | None = None
        self._watched: set[int] = set()
        self._thread = threading.Thread(target=self._report, name="fivefold-ready", daemon=True)
        self._stop_reader = self._stop_writer = -1

    def add(self, fd: int) -> None:
        """Report `fd` from now on. Raises OSError (EPERM: a regular file)."""
        if self._epoll is None:
            self._start()
        assert self._epoll is not None
        self._epoll.register(fd, EVERYTHING)
        self._watched.add(fd)

    def discard(self, fd: int) -> None:
        """Whether or not it was added, or is closed."""
        if fd not in self._watched:
            return
        self._watched.discard(fd)
        if not self._thread.is_alive():
            return  # a forked child: the epoll is its parent's as well
        assert self._epoll is not None
        try:
            self._epoll.unregister(fd)
        except OSError:
            pass  # it was closed before

    def _start(self) -> None:
        self._stop_reader, self._stop_writer = os.pipe2(os.O_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._stop_reader, select.EPOLLIN)
        self._thread.start()

    def close(self) -> None:
        """End the thread; more than once is all right."""
        if self._epoll is None:
            return
        if self._thread.is_alive():  # else this is a forked child
            # Closing would not do: a forked child may hold the writing end, too.
            os.write(self._stop_writer, b"s")
            self._thread.join()
        os.close(self._stop_writer)
        self._epoll.close()
        self._epoll = None
        os.close(self._stop_reader)

    # runs in: the helper thread

    def _report(self) -> None:
        epoll = self._epoll
        assert epoll is not None
        while True:
            ready = [fd for fd, _ in epoll.poll(None, MAX_EVENTS)]
            if self._stop_reader in ready:
                return
            # Before the wake, which may be heard, and the queue emptied, before this line ends.
            self.noticed.extend(ready)
            self._wake()
