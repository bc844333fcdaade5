"""The acceptor as its forker knows it: a process, two channels, and what it wishes for."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from time import monotonic

from ...processes.forking import forked
from ...processes.stopping import LEAVE
from ...processes.titles import title
from ..limit import SETTING, Limit
from .channel import ENDED, MESSAGE, capacity, pair, send_message


class AcceptorHandle:
    """One of them; the children of one that died end when they are done."""

    def __init__(
        self,
        max_connections: int,
        life: Callable[[socket.socket, socket.socket, Limit], None],
        *,
        refuses: bool = False,
    ) -> None:
        """Forks it; `life` runs there, with its ends of the channels. Raises `OSError`."""
        self.channel, inbox = pair()
        self.wishes, to_forker = pair()
        # A child may have two messages under way, and no sender may ever block.
        bounds = {SETTING: max_connections, "net.core.wmem_max": capacity(self.channel) // 2}
        limit = Limit(bounds, refuses=refuses)
        self.most = limit.most
        self.wanted = 0
        """So many children more."""
        self.since = monotonic()

        def begin() -> None:
            self.close()
            life(inbox, to_forker, limit)

        try:
            with inbox, to_forker:
                self.pid = forked(begin, f"acceptor of {title.name}", ended_by=LEAVE)
        except BaseException:
            self.close()
            raise

    def hear(self) -> None:
        """Its wishes, without waiting."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self.wishes.recv(MESSAGE.size):
                self.wanted += 1

    def say_ended(self, number: int) -> None:
        """Of a child."""
        with contextlib.suppress(OSError):  # it has ended, or will see the end of the channel
            send_message(self.channel, ENDED, number)

    def close(self) -> None:
        """Of the two channels our ends."""
        self.wishes.close()
        self.channel.close()
