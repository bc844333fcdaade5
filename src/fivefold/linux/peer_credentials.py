"""SO_PEERCRED: the process at the other end of a UNIX socket, as the kernel knows (unix(7))."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

UCRED = struct.Struct("iII")

NO_UID = 0xFFFFFFFF
"""(uid_t)-1, credentials(7)."""


@dataclass(frozen=True)
class Credentials:
    """The process that connected, as it was when it did."""

    pid: int
    uid: int


def peer_of(sock: socket.socket) -> Credentials:
    """Of a socket without a peer: pid 0, and `NO_UID`, which no user has."""
    pid, uid, _ = UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
    return Credentials(pid, uid)
