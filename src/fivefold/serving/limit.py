"""The limit of connections at once: what bounds it, and that it is reached.

Facts.        At the limit a worker stops accepting; clients wait in the kernel's queue, and to
              their users the server hangs.  Or it refuses them (`refusing`).
Choice.       One line in the log says so and names what bounds it; the next one comes only when
              half had become free since, or a full server would say it for each client.
              Some descriptors stay free for files, or a client that was accepted with the last
              one would be answered 503.
Cost.         0.1 us a connection.
"""

from __future__ import annotations

import resource

from ..isolation.reporting import logger

log = logger("fivefold.serving")

SETTING = "max_connections"
DESCRIPTORS = "RLIMIT_NOFILE, ulimit -n"

FOR_THE_REST = 32
"""Descriptors that are kept free for what is no connection: files, pipes, listeners, the log."""

FALLEN = 0.5
"""A server at this share of its limit, or below, is not full any more."""


MOST_REFUSED, REFUSED_SHARE = 128, 8
"""How many clients that are refused hold a descriptor at once; at most that part of all."""


def affordable(each: int, refused: int = 0) -> int:
    """How many connections there are descriptors for, at least one; each takes so many, and
    `refused` are taken besides."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (soft - FOR_THE_REST - refused) // each)


def refused_at_once() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(MOST_REFUSED, soft // REFUSED_SHARE))


class Limit:
    """Of one worker."""

    def __init__(self, bounds: dict[str, int], *, refuses: bool = False) -> None:
        """What bounds the connections, and to how many; `most` is the least of these."""
        self._beyond = "are refused" if refuses else "wait"
        self.most = min(bounds.values())
        self._why = next(why for why, most in bounds.items() if most == self.most)
        self._said = False

    def look(self, connections: int) -> None:
        """Called with each connection that is accepted: so many are open now."""
        if connections <= self.most * FALLEN:
            self._said = False
        elif connections >= self.most and not self._said:
            self._said = True
            log.warning(
                "%d connections are open, as many as can be (%s); further clients %s",
                connections,
                self._why,
                self._beyond,
            )
