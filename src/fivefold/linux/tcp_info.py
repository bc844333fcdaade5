"""TCP_INFO: what the kernel knows of a connection, for one system call and without rights."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

HEAD = struct.Struct("=68xI28xI")
"""Of struct tcp_info (linux/tcp.h): tcpi_rtt and, 28 bytes behind it, tcpi_total_retrans."""


class TcpInfo(NamedTuple):
    """Of one connection, since it was made."""

    rtt_us: int
    """The smoothed time to the client and back."""
    retransmitted: int
    """Packets that were sent again."""


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """None for a socket that is not TCP's, or a kernel that says less."""
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, HEAD.size)
    except OSError:
        return None
    if len(data) < HEAD.size:
        return None
    return TcpInfo(*HEAD.unpack(data))
