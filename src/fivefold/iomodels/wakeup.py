"""Ending a wait from outside: a pipe whose reading end every model can watch.

A flag alone does not end a wait: Python repeats calls that a signal interrupted
(PEP 475), and a signal may arrive just before the call.  A byte in a pipe stays there.
The writing end serves `signal.set_wakeup_fd` as well, whose C handler writes at once;
an eventfd would not, because it takes eight bytes and the handler writes one.
"""

from __future__ import annotations

import os
from errno import EBADF

from .interface import Waiter

DRAIN_BYTES = 4096
"""One read empties the pipe unless thousands of wake-ups came at once."""


class WakePipe:
    """A non-blocking pipe, watched like a connection: it has `fd` and `reader`."""

    def __init__(self) -> None:
        self.fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.reader = Waiter()
        self.writer = Waiter()

    def wake(self) -> None:
        try:
            os.write(self.write_fd, b"w")
        except BlockingIOError:
            pass  # full: more than enough wake-ups are pending
        except OSError as error:
            if error.errno != EBADF:
                raise
            # Closed: a thread has ended what is not waited for any more.

    def drain(self) -> None:
        try:
            while len(os.read(self.fd, DRAIN_BYTES)) == DRAIN_BYTES:
                pass
        except BlockingIOError:
            pass  # another process took the event; the pipe is empty, which is what we want

    def close(self) -> None:
        fd, write_fd = self.fd, self.write_fd
        # First, because a thread may still want to wake us, and the numbers are given again.
        self.fd = self.write_fd = -1
        os.close(fd)
        os.close(write_fd)
