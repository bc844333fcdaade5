"""The start of a server, from the command line to its supervisor: what comes from outside
meanwhile does not end it by surprise.

Facts.        The default action of SIGHUP, SIGUSR1 and SIGUSR2 ends a process (signal(7)), that of
              SIGTTIN and SIGTTOU stops it, and a
              deployment or logrotate sends them whenever it likes; importing an application
              may take minutes.
Choice.       Those signals are blocked until the supervisor reads them: a reload that was asked
              for too early is done as soon as there is a worker.  SIGTERM and SIGINT raise
              `Stopped` wherever we are, so that everything that was begun is undone.
Assumption.   Python itself has started: before that, nothing can help.  A name server that does
              not answer delays `Stopped`, because Python runs handlers between two calls.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from ..errors import Interruption

KEPT = {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU}
"""For the supervisor."""

STOPS = (signal.SIGTERM, signal.SIGINT)


class Stopped(Interruption):
    """The server was asked to stop while it started: that is an end as any other."""


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Around the whole life of a server; ends it gently where it has no supervisor yet."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, KEPT)
    before = {number: signal.signal(number, stop) for number in STOPS}
    try:
        yield
    except Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def stop(*_: object) -> None:
    raise Stopped
