"""TCP_INFO: what the kernel knows of a connection, for one system call and without rights."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

HEAD = struct.Struct("=68xI28xI")
"""Of struct tcp_info (linux/tcp.h): tcpi_rtt and, 28 bytes behind it, tcpi_total_retrans."""

TAKING = struct.Struct("=24xI16xI8xI")
"""Of the same: tcpi_unacked, tcpi_last_data_sent and tcpi_last_ack_recv, the two in ms."""


class TcpInfo(NamedTuple):
    """Of one connection, since it was made."""

    rtt_us: int
    """The smoothed time to the client and back."""
    retransmitted: int
    """Packets that were sent again."""


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """None for a socket that is not TCP's, or a kernel that says less."""
    fields = asked(sock, HEAD)
    return None if fields is None else TcpInfo(*fields)


def last_taken_s(sock: socket.socket) -> float | None:
    """How long the other end has taken nothing of what the kernel holds for it; None as above.

    What is under way is taken when it is acknowledged.  Otherwise the other end's window is closed,
    and the kernel sends as soon as that reads: a probe of the window is no data (tcp(7)).
    """
    fields = asked(sock, TAKING)
    if fields is None:
        return None
    unacknowledged, sent_ms, acknowledged_ms = fields
    return (acknowledged_ms if unacknowledged else sent_ms) / 1000


def asked(sock: socket.socket, layout: struct.Struct) -> tuple[int, ...] | None:
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, layout.size)
    except OSError:
        return None
    return layout.unpack(data) if len(data) == layout.size else None
