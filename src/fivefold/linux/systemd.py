"""What systemd and a service tell each other: sockets, and how it does.

sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3): variables and a datagram, no library.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping, MutableMapping

FIRST_FD = 3
"""SD_LISTEN_FDS_START (sd_listen_fds(3))."""


PATIENCE_S = 1.0
"""How long the queue of notifications may be full; the supervisor has other things to do."""


def listen_fds(environment: MutableMapping[str, str]) -> list[int]:
    """The listening sockets that systemd hands over; none if it has, or not to us.

    The variables are removed: what we start must not take the sockets for its own.
    """
    count = handed_over(environment)
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environment.pop(name, None)
    fds = []
    for fd in range(FIRST_FD, FIRST_FD + count):
        fds.append(fd)
        try:
            os.set_inheritable(fd, False)
        except OSError:
            break  # it is not open: the code that binds it will say so
    return fds


def handed_over(environment: Mapping[str, str]) -> int:
    """How many listening sockets systemd says that it hands over to us."""
    count = environment.get("LISTEN_FDS", "")
    ours = environment.get("LISTEN_PID") == str(os.getpid())
    return int(count) if ours and count.isdecimal() else 0


def notify(state: str) -> None:
    """Send `state` ("READY=1") to the manager that NOTIFY_SOCKET names; mostly there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract name (unix(7))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_S)
            sock.sendto(state.encode(), address)
    except (OSError, ValueError):
        pass  # systemd is gone or never was, or there is no descriptor left: serving goes on


def watchdog_s(environment: Mapping[str, str]) -> float:
    """Seconds after which the manager ends a service that has not said WATCHDOG=1; infinite if it
    waits for none, or not for ours (sd_watchdog_enabled(3))."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    own = str(os.getpid())
    if environment.get("WATCHDOG_PID", own) != own or not microseconds.isdecimal():
        return math.inf
    return int(microseconds) / 1e6 or math.inf


def take_over_watchdog(environment: MutableMapping[str, str]) -> None:
    """The manager waits for our parent: now let it be this process, which takes its place."""
    if environment.get("WATCHDOG_PID") == str(os.getppid()):
        environment["WATCHDOG_PID"] = str(os.getpid())
