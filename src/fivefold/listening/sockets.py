"""Listening sockets: one per worker slot, made by the supervisor and kept for life.

With several workers each slot has a socket of its own (SO_REUSEPORT), so that the kernel
spreads connections; a replaced worker inherits its slot's socket, so no queue dies with
a worker (socket(7)); and the others look into its queue (`stealing`).  Workers that sleep
in accept(2) share one socket: there the kernel itself wakes them in turn.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass

from ..errors import BindError, SettingsError
from .unix_socket import LONGEST_BYTES, bind_unix

BACKLOG = 2048
"""The kernel cuts it at net.core.somaxconn (4096): room for bursts while a worker is busy."""

LOOPBACK, ANYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - the user asked for it

SYSTEMD = "systemd"
"""An address: whatever sockets systemd hands over."""

FD = "fd://"

MOST_DESCRIPTORS = 2**31 - 1
"""A C int."""

IP = (socket.AF_INET, socket.AF_INET6)

IP_REMEDIES = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another port (--port)",
    errno.EACCES: "ports below 1024 need privileges: choose a higher one"
    " (or grant CAP_NET_BIND_SERVICE)",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 stands for all that it has",
    errno.EAFNOSUPPORT: "this machine has no addresses of this kind",
}

UNIX_REMEDIES = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another path",
    errno.EACCES: "choose a folder in which this user may write",
    errno.EPERM: "choose another path, or run as its owner",
    errno.ENOENT: "its folder does not exist: make it first",
    errno.ENOTDIR: "its folder is a file: choose another path",
    errno.EEXIST: "choose another path, or remove it",
    errno.EROFS: "choose a folder on a file system that can be written to",
    errno.EPROTOTYPE: "another program uses it for datagrams: choose another path",
}

FD_REMEDIES = {
    errno.EBADF: "no socket was handed over under this number",
    errno.ENOTSOCK: "name the descriptor of a listening socket",
    errno.EINVAL: "the program that hands it over must have called listen(2)",
    errno.EPROTONOSUPPORT: "name one for TCP, or a UNIX socket for streams",
}


@dataclass(frozen=True)
class Address:
    """Where to listen: HOST:PORT, [IPv6]:PORT, unix:PATH, unix:@NAME, or fd://N.

    As people type it elsewhere, too: :PORT is every IPv4 address of the machine, PORT alone
    the loopback's.
    """

    text: str
    host: str = ""
    port: int = 0
    path: str = ""
    fd: int = -1

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `SettingsError`."""
        if text.startswith("unix:"):
            return cls(text, path=_path(text))
        if text.startswith(FD):
            number = _number(text, text.removeprefix(FD), "descriptor")
            if number > MOST_DESCRIPTORS:
                raise SettingsError(f"bind: {text!r}: no descriptor has so high a number")
            return cls(text, fd=number)
        host, colon, port = text.rpartition(":")
        if text.isdecimal():
            host, colon, port = LOOPBACK, ":", text
        if colon and not host:
            host = ANYWHERE
        if not colon:
            raise SettingsError(
                f"bind: {text!r} is not HOST:PORT, unix:PATH, fd://N or systemd"
                f" (for example {text or LOOPBACK}:8000)"
            )
        number = _number(text, port, "port")
        if number > 65535:  # noqa: PLR2004 - sixteen bits
            raise SettingsError(f"bind: {text!r}: a port is at most 65535")
        return cls(text, host=_host(text, host), port=number)


def _path(text: str) -> str:
    """Of a UNIX socket; an abstract name (unix(7)) begins with a zero byte and makes no file."""
    path = text.removeprefix("unix:")
    if path in ("", "@") or "\0" in path:
        raise SettingsError(f"bind: {text!r} names no file, as in unix:/run/site.sock")
    if len(os.fsencode(path)) > LONGEST_BYTES:
        raise SettingsError(
            f"bind: {text!r}: the path of a socket has at most {LONGEST_BYTES} bytes (unix(7)):"
            " choose a shorter one"
        )
    return "\0" + path[1:] if path.startswith("@") else path


def _number(text: str, digits: str, what: str) -> int:
    if not digits.isdecimal():
        raise SettingsError(f"bind: {text!r}: {digits!r} is not a {what} number")
    return int(digits)


def _host(text: str, host: str) -> str:
    """Without brackets. Raises `SettingsError`."""
    if "/" in host:
        raise SettingsError(
            f"bind: {text!r} is not HOST:PORT: write it without http://, such as 0.0.0.0:80"
        )
    inner = host.removeprefix("[").removesuffix("]")
    try:
        if host != inner and (f"[{inner}]" != host or not _is_ipv6(inner)):
            raise SettingsError(
                f"bind: {text!r}: write an IPv6 address in brackets, and its port behind them, such"
                " as [::1]:8000; other hosts without brackets"
            )
        inner.encode("idna")
    except UnicodeError:
        raise SettingsError(f"bind: {text!r}: {host!r} cannot be the name of a host") from None
    return inner


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6  # noqa: PLR2004
    except ValueError:
        return False


def bind(
    address: Address,
    *,
    slots: int,
    mode: int | None = None,
    queues: list[socket.socket] | None = None,
) -> list[socket.socket]:
    """One listening socket per slot; a host must be an address. Raises `BindError`.

    A UNIX socket or an inherited descriptor is one socket that all slots share.
    `mode`: permissions of the file of a UNIX socket; by default what the umask leaves.
    `queues`: sockets that listen there already; they may be more than there are slots.
    """
    remedies = IP_REMEDIES
    try:
        if queues:
            return _more(address, queues, slots)
        if address.fd >= 0:
            remedies = FD_REMEDIES
            return [_inherited(address)] * slots
        if address.path:
            remedies = UNIX_REMEDIES
            return [bind_unix(address.path, mode, BACKLOG)] * slots
        return _bind_port(address, slots)
    except OSError as error:
        raise _refusal(address, error, remedies) from error


def check_inherited(address: Address) -> None:
    """Look whether an inherited descriptor is there. Raises `BindError`.

    Before anything else is bound, which would get its number, and be taken for it.
    """
    if address.fd < 0:
        return
    try:
        os.fstat(address.fd)
    except OSError as error:
        raise _refusal(address, error, FD_REMEDIES) from error


def _refusal(address: Address, error: OSError, remedies: dict[int, str]) -> BindError:
    remedy = remedies.get(error.errno or 0, "")
    reason = error.strerror or str(error)
    return BindError(
        f"cannot listen on {address.text}: {reason}" + (f"; {remedy}" if remedy else "")
    )


def _bind_port(address: Address, slots: int) -> list[socket.socket]:
    if slots > 1 and address.port:
        # Shared ports would let a second server take half of the first one's clients.
        _bind_ip(address, address.port, shared=False).close()
    sockets = [_bind_ip(address, address.port, shared=slots > 1)]
    port = sockets[0].getsockname()[1]
    try:
        for _ in range(slots - 1):
            sockets.append(_bind_ip(address, port, shared=True))  # noqa: PERF401 - closed below
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _more(address: Address, queues: list[socket.socket], slots: int) -> list[socket.socket]:
    """Where a queue cannot have others at its port, all slots share it."""
    first = queues[0]
    if first.family == socket.AF_UNIX or not first.getsockopt(
        socket.SOL_SOCKET, socket.SO_REUSEPORT
    ):
        return [first] * slots
    port = first.getsockname()[1]
    more = [_bind_ip(address, port, shared=True) for _ in range(slots - len(queues))]
    for sock in more:
        os.set_blocking(sock.fileno(), os.get_blocking(first.fileno()))
    return queues + more


def _bind_ip(address: Address, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # So that 0.0.0.0 and [::] can be named side by side, as elsewhere (ipv6(7)).
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Inherited by accepted sockets: a response must not wait for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((address.host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def one_more(sock: socket.socket) -> socket.socket:
    """Another queue at the port of a listening socket; that socket itself, where there can be no
    other: a UNIX socket, one that was inherited, a port that only root may bind."""
    if sock.family not in IP:
        return sock
    host, port = sock.getsockname()[:2]
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        added = _bind_ip(Address(host=host, port=port, text=host), port, shared=True)
    except OSError:
        return sock
    added.setblocking(sock.getblocking())
    return added


def _inherited(address: Address) -> socket.socket:
    copy = os.dup(address.fd)
    os.set_inheritable(address.fd, False)  # nor do programs that an application starts have it
    try:
        sock = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    try:
        _check_kind(sock)
    except OSError:
        sock.close()
        raise
    if sock.family in IP:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _check_kind(sock: socket.socket) -> None:
    if sock.type != socket.SOCK_STREAM or sock.family not in (*IP, socket.AF_UNIX):
        raise OSError(errno.EPROTONOSUPPORT, "this socket is of a kind that HTTP does not use")
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError(errno.EINVAL, "this descriptor is not a listening socket")


def url(sock: socket.socket, scheme: str = "http") -> str:
    """How a client reaches it: http://HOST:PORT with the port really bound, or unix:PATH."""
    if sock.family == socket.AF_UNIX:
        name = sock.getsockname()
        return f"unix:{name}" if isinstance(name, str) else f"unix:@{os.fsdecode(name[1:])}"
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if sock.family == socket.AF_INET6 else host
    return f"{scheme}://{shown}:{port}"
