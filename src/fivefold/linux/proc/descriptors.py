"""proc(5): what a descriptor of a process is, in words: a file's path, a socket's two ends.

The kernel's tables have every socket of a network namespace, those that wait for their end as
well: tens of thousands on a busy machine.  So a line is put into words when it is asked for, and
processes that are looked at together share the tables of their namespace.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .sleeping_threads import permitted

FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}

LISTEN = "0A"
"""TCP_LISTEN, include/net/tcp_states.h."""


class Descriptors:
    """Of one process, as they are now."""

    def __init__(self, pid: int, tables: SocketTables) -> None:
        self._pid = pid
        self._tables = tables

    def name(self, fd: int) -> str:
        """What it is; "" if it is not open any more, or we may not know."""
        try:
            link = os.readlink(f"/proc/{self._pid}/fd/{fd}")  # noqa: PTH115 - may be no path
        except OSError:
            return ""
        if not link.startswith("socket:["):
            return link
        named = self._tables.of(self._pid).get(link[len("socket:[") : -1])
        return named() if named else link


Named = dict[str, Callable[[], str]]
"""By inode: what says what a socket is."""


class SocketTables:
    """As they are when a namespace is first asked for."""

    def __init__(self) -> None:
        self._of: dict[int, Named] = {}

    def of(self, pid: int) -> Named:
        """The TCP and UNIX sockets of the process's network namespace."""
        try:
            namespace = Path(f"/proc/{pid}/ns/net").stat().st_ino
        except OSError:  # it has ended, or is another user's
            return {}
        if namespace not in self._of:
            self._of[namespace] = sockets(pid)
        return self._of[namespace]


def sockets(pid: int) -> Named:
    named: Named = {}
    for table, family in FAMILIES.items():
        for line in permitted(pid, f"net/{table}").decode().splitlines()[1:]:
            fields = line.split(maxsplit=10)
            named[fields[9]] = partial(tcp, family, *fields[1:4])
    for line in permitted(pid, "net/unix").decode(errors="replace").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        path = fields[7] if len(fields) > 7 else ""  # noqa: PLR2004
        named[fields[6]] = f"socket unix:{path}".__str__
    return named


def tcp(family: socket.AddressFamily, local: str, peer: str, state: str) -> str:
    named = f"socket {address(family, local)}"
    return f"{named} listens" if state == LISTEN else f"{named} - {address(family, peer)}"


def address(family: socket.AddressFamily, text: str) -> str:
    """Words of 32 bits as the kernel prints them, each in the machine's order."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    name = socket.inet_ntop(family, packed)
    return f"[{name}]:{int(port, 16)}" if ":" in name else f"{name}:{int(port, 16)}"
