"""How many connections wait to be accepted, for listening sockets of any process, by inode.

proc(5) has it for TCP: `rx_queue` of a socket that listens is its accept queue, and those that
listen come first.  For UNIX sockets the kernel tells by sock_diag(7) alone.

Assumption.   What listens at the same address and port (SO_REUSEPORT, for one user alone) is the
              same server's, though its inode is not known here: a queue that was added later.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Collection
from pathlib import Path

LISTENS = "0A"
"""TCP_LISTEN (net/tcp_states.h), as proc(5) writes it."""

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
UDIAG_SHOW_RQLEN = 0x10
UNIX_DIAG_RQLEN = 4
ANY = 0xFFFFFFFF
"""Of a cookie: none is asked for."""

HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBHIIIII")
"""struct unix_diag_req."""
MESSAGE_BYTES = 16
"""Of struct unix_diag_msg, behind the header."""
ATTRIBUTE = struct.Struct("=HH")
LENGTH = struct.Struct("=I")


def waiting(inodes: Collection[int]) -> dict[int, int]:
    """By the inode of the listening socket, where the kernel tells; with one of them counts what
    waits in other queues of its address."""
    found: dict[int, int] = {}
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        queues = listening(table)
        known = {address: inode for address, inode, _ in queues if inode in inodes}
        for address, inode, length in queues:
            if address in known:
                counted = inode if inode in inodes else known[address]
                found[counted] = found.get(counted, 0) + length
    for inode in set(inodes) - set(found):
        with contextlib.suppress(OSError):
            found[inode] = of_unix_socket(inode)
    return found


def listening(table: str) -> list[tuple[str, int, int]]:
    """Address, inode and accept queue of each TCP socket that listens."""
    found = []
    with contextlib.suppress(OSError), Path(table).open() as lines:
        next(lines)
        for line in lines:
            fields = line.split()
            if fields[3] != LISTENS:
                break
            found.append((fields[1], int(fields[9]), int(fields[4].partition(":")[2], 16)))
    return found


def of_unix_socket(inode: int) -> int:
    """Raises OSError if there is no such socket, or the kernel does not tell."""
    asked = REQUEST.pack(socket.AF_UNIX, 0, 0, ANY, inode, UDIAG_SHOW_RQLEN, ANY, ANY)
    header = HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        netlink.send(header + asked)
        answer = netlink.recv(4096)
    length, kind, *_ = HEADER.unpack_from(answer)
    at = HEADER.size + MESSAGE_BYTES
    while kind == SOCK_DIAG_BY_FAMILY and at < length:
        size, name = ATTRIBUTE.unpack_from(answer, at)
        if name == UNIX_DIAG_RQLEN:
            return int(LENGTH.unpack_from(answer, at + ATTRIBUTE.size)[0])
        at += (size + 3) & ~3
    raise OSError(f"the kernel tells nothing of socket {inode}")
