"""From the name of a host to a listening socket for each of its addresses.

`localhost` is 127.0.0.1 and ::1, and clients try either first (RFC 6724): a server that took
only one of them would seem to be down, or slow, to some.
"""

from __future__ import annotations

import dataclasses
import errno
import socket

from ..errors import BindError
from .handing_down import HandedDown
from .sockets import Address, bind

NAME_REMEDY = (
    "name an address of this machine, such as 127.0.0.1 or [::1]; 0.0.0.0 stands for all its IPv4"
    " addresses"
)

ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""An address of another machine, or IPv6 where there is none: another one may do."""


def bind_each(
    address: Address, handed_down: HandedDown, *, slots: int, mode: int | None
) -> list[list[socket.socket]]:
    """For each address of a name the sockets of all slots, of the addresses that this machine
    has. Raises `BindError`."""
    columns: list[list[socket.socket]] = []
    absent: BindError | None = None
    port = address.port
    for each in resolved(address):
        key = (each.host, port, each.path)
        queues = handed_down.take(key) if each.fd < 0 else []
        try:
            sockets = bind(
                dataclasses.replace(each, port=port), slots=slots, mode=mode, queues=queues
            )
        except BindError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in ABSENT:
                absent = error
                continue
            close(columns)
            raise
        columns.append(sockets)
        if each.fd < 0:
            handed_down.own.append((key, sockets))
        port = port or (sockets[0].getsockname()[1] if each.host else 0)  # a free one, for all
    if not columns:
        assert absent is not None
        raise absent
    return columns


def resolved(address: Address) -> list[Address]:
    """The addresses of a name; what is no name stands for itself. Raises `BindError`."""
    if not address.host:
        return [address]
    try:
        found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BindError(f"cannot listen on {address.text}: {reason}; {NAME_REMEDY}") from error
    hosts = list(dict.fromkeys(scoped(end) for *_, end in found))
    if len(hosts) == 1:
        return [dataclasses.replace(address, host=hosts[0])]
    return [
        dataclasses.replace(address, host=host, text=f"{address.text} ({host})") for host in hosts
    ]


def scoped(end: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> str:
    """With the interface of an address that is one of a link only."""
    host = str(end[0])
    scope = end[3] if len(end) > 3 and "%" not in host else 0  # noqa: PLR2004
    return f"{host}%{scope}" if scope else host


def close(columns: list[list[socket.socket]]) -> None:
    for sockets in columns:
        for sock in sockets:
            sock.close()
