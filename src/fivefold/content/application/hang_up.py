"""What the kernel says of a client that may have left, for calls of both kinds of applications.

Facts.        A FIN has two meanings: a client that is gone, or one that has only said all it had to
              say and waits for its answer (`nc -N`; RFC 9112, section 9.6; shutdown(2)).  What
              tells them apart is a reset, which comes when something is sent to a socket that no
              process has any more; poll(2) then reports POLLHUP.
"""

from __future__ import annotations

import select

PEEK_S = 0.25
"""Between two looks: a FIN and an answer to it must both be noticed within a second."""

PATIENCE_S = 0.75
"""For a client that has sent a FIN, and can be sent nothing that would prove it alive."""

RDHUP = getattr(select, "POLLRDHUP", 0x2000)


def polled(fd: int, events: int) -> int:
    """What poll(2) says of a descriptor: of `events`, and POLLHUP and POLLERR in any case."""
    poll = select.poll()
    poll.register(fd, events)
    found = poll.poll(0)
    return found[0][1] if found else 0
