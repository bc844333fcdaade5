"""TCP_INFO: what the kernel knows of a connection, for one system call and without rights."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

HEAD = struct.Struct("=8x24I")
"""The beginning of struct tcp_info (linux/tcp.h), up to tcpi_total_retrans."""

RTT, TOTAL_RETRANS = 15, 23


@dataclass(frozen=True)
class TcpInfo:
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
    words = HEAD.unpack(data)
    return TcpInfo(words[RTT], words[TOTAL_RETRANS])
