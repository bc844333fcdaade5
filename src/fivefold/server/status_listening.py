"""Where `--status` listens: sockets of the server as a whole.

No worker has them, and the supervisor has them only to hand them down.
"""

from __future__ import annotations

import socket

from ..listening.handing_down import HandedDown
from ..listening.host_names import bind_each
from ..listening.sockets import url
from ..listening.unix_socket import Made, made, release
from .identity import Rights
from .texts import status_address

MODE = 0o600
"""Of `--status unix:PATH`: which clients ask for what is for the server's user alone."""


class StatusListening:
    """Nothing, where there is no `--status`."""

    def __init__(self, status: str | None, handed_down: HandedDown, rights: Rights) -> None:
        self._rights = rights
        self._status = status
        self._handed_down = handed_down
        self.sockets: list[socket.socket] = []
        self.addresses: list[str] = []
        """Known once it listens."""
        self._file: Made | None = None

    def listen(self) -> None:
        """Raises `BindError`."""
        if self._status is None:
            return
        address = status_address(self._status)
        columns = bind_each(address, self._handed_down, slots=1, mode=MODE)
        self.sockets = [column[0] for column in columns]
        for sock in self.sockets:
            sock.setblocking(False)
        self._rights.give(address.path)
        self._file = made(address.path)
        self.addresses = [url(sock) for sock in self.sockets]

    def close(self) -> None:
        """And give the address back."""
        self.close_sockets()
        release(self._file, shared=self._handed_down.outlives_us)
        self._file = None

    def close_sockets(self) -> None:
        """In this process."""
        for sock in self.sockets:
            sock.close()
        self.sockets = []
