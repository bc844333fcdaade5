"""What systemd and a service tell each other: sockets, and when it is ready or stops.

sd_listen_fds(3), sd_notify(3): variables and a datagram, no library.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

FIRST_FD = 3
"""SD_LISTEN_FDS_START (sd_listen_fds(3))."""


def listen_fds(environment: MutableMapping[str, str]) -> list[int]:
    """The listening sockets that systemd hands over; none if it has, or not to us.

    The variables are removed: what we start must not take the sockets for its own.
    """
    told = [environment.pop(n, "") for n in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")]
    if told[0] != str(os.getpid()) or not told[1].isdecimal():
        return []
    fds = list(range(FIRST_FD, FIRST_FD + int(told[1])))
    for fd in fds:
        os.set_inheritable(fd, False)
    return fds


def notify(state: str) -> None:
    """Send `state` ("READY=1") to whoever NOTIFY_SOCKET names; nobody, mostly."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract name (unix(7))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError:
            pass  # systemd is gone, or never was: serving goes on
