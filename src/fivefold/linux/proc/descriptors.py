"""proc(5): what a descriptor of a process is, in words: a file's path, a socket's two ends."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial

from .sleeping_threads import permitted

FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}

LISTEN = "0A"
"""TCP_LISTEN, include/net/tcp_states.h."""


class Descriptors:
    """Of one process, as they are now."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._sockets: dict[str, str] | None = None

    def name(self, fd: int) -> str:
        """What it is; "" if it is not open any more, or we may not know."""
        try:
            link = os.readlink(f"/proc/{self._pid}/fd/{fd}")  # noqa: PTH115 - may be no path
        except OSError:
            return ""
        if not link.startswith("socket:["):
            return link
        if self._sockets is None:
            self._sockets = sockets(self._pid)
        return self._sockets.get(link[len("socket:[") : -1], link)


def sockets(pid: int) -> dict[str, str]:
    """The TCP and UNIX sockets of the process's network namespace, by inode."""
    named: dict[str, str] = {}
    for table, family in FAMILIES.items():
        for line in permitted(pid, f"net/{table}").decode().splitlines()[1:]:
            fields = line.split()
            local, peer = map(partial(address, family), fields[1:3])
            listens = fields[3] == LISTEN
            named[fields[9]] = f"socket {local} listens" if listens else f"socket {local} - {peer}"
    for line in permitted(pid, "net/unix").decode(errors="replace").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        named[fields[6]] = f"socket unix:{fields[7] if len(fields) > 7 else ''}"  # noqa: PLR2004
    return named


def address(family: socket.AddressFamily, text: str) -> str:
    """Words of 32 bits as the kernel prints them, each in the machine's order."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    name = socket.inet_ntop(family, packed)
    return f"[{name}]:{int(port, 16)}" if ":" in name else f"{name}:{int(port, 16)}"
