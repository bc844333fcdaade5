"""Listening sockets: one per worker slot, made by the supervisor and kept for life.

With several workers each slot has a socket of its own (SO_REUSEPORT), so that the kernel
spreads connections; a replaced worker inherits its slot's socket, so no queue dies with
a worker (socket(7)).
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from ..errors import BindError, SettingsError

BACKLOG = 2048
"""The kernel cuts it at net.core.somaxconn (4096): room for bursts while a worker is busy."""

REMEDIES = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another port",
    errno.EACCES: "ports below 1024 need privileges: choose a higher one"
    " (or grant CAP_NET_BIND_SERVICE)",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.ENOENT: "its folder does not exist",
    errno.EEXIST: "choose another path, or remove it",
    errno.EBADF: "no socket was handed over under this number",
    errno.ENOTSOCK: "name the descriptor of a listening socket",
    errno.EINVAL: "whoever hands it over must have called listen(2)",
}


@dataclass(frozen=True)
class Address:
    """Where to listen: HOST:PORT, [IPv6]:PORT, unix:PATH, unix:@NAME, or fd://N."""

    text: str
    host: str = ""
    port: int = 0
    path: str = ""
    fd: int = -1

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `SettingsError`."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path:
                raise SettingsError(f"bind: {text!r} names no file, as in unix:/run/site.sock")
            # An abstract name (unix(7)) begins with a zero byte, and leaves no file behind.
            return cls(text, path="\0" + path[1:] if path.startswith("@") else path)
        if text.startswith("fd://"):
            return cls(text, fd=_number(text, text.removeprefix("fd://"), "descriptor"))
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            raise SettingsError(
                f"bind: {text!r} is not HOST:PORT, unix:PATH, fd://N or systemd"
                " (for example 127.0.0.1:8000)"
            )
        number = _number(text, port, "port")
        if number > 65535:  # noqa: PLR2004 - sixteen bits
            raise SettingsError(f"bind: {text!r}: a port is at most 65535")
        return cls(text, host=host.removeprefix("[").removesuffix("]"), port=number)


def _number(text: str, digits: str, what: str) -> int:
    if not digits.isdecimal():
        raise SettingsError(f"bind: {text!r}: {digits!r} is not a {what} number")
    return int(digits)


def bind(address: Address, *, slots: int, mode: int | None = None) -> list[socket.socket]:
    """One listening socket per slot. Raises `BindError`.

    A UNIX socket or an inherited descriptor is one socket that all slots share.
    `mode`: permissions of the file of a UNIX socket; by default what the umask leaves.
    """
    try:
        if address.fd >= 0:
            return [_inherited(address)] * slots
        if address.path:
            return [_bind_unix(address.path, mode)] * slots
        if slots > 1 and address.port:
            # Shared ports would let a second server take half of the first one's clients.
            _bind_ip(address, address.port, shared=False).close()
        first = _bind_ip(address, address.port, shared=slots > 1)
        port = first.getsockname()[1]
        rest = [_bind_ip(address, port, shared=True) for _ in range(slots - 1)]
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "")
        reason = error.strerror or str(error)
        if error.errno == errno.EACCES and address.path:
            remedy = "choose a folder in which this user may write"
        raise BindError(
            f"cannot listen on {address.text}: {reason}" + (f"; {remedy}" if remedy else "")
        ) from error
    return [first, *rest]


def _bind_ip(address: Address, port: int, *, shared: bool) -> socket.socket:
    family = _family(address.host)
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


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET  # noqa: PLR2004
    except ValueError:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]


def _bind_unix(path: str, mode: int | None) -> socket.socket:
    if not path.startswith("\0"):
        _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # So that it never has more permissions than it shall have, not even for a moment.
    before = os.umask(0o777 & ~mode) if mode is not None else None
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        if before is not None:
            os.umask(before)
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more; never anything else."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise OSError(errno.EEXIST, "something else than a socket has this name")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()


Made = tuple[Path, int, int]
"""The file of a UNIX socket: path, device, inode."""


def made(address: Address) -> Made | None:
    """The file that `bind` has made, if it has made one."""
    if not address.path or address.path.startswith("\0"):
        return None
    path = Path(address.path).absolute()
    status = path.lstat()
    return path, status.st_dev, status.st_ino


def release(file: Made | None) -> None:
    """Remove what a closed UNIX socket leaves behind, unless somebody has put another there."""
    if file is None:
        return
    path, device, inode = file
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if (status.st_dev, status.st_ino) == (device, inode):
        path.unlink(missing_ok=True)


def _inherited(address: Address) -> socket.socket:
    sock = socket.socket(fileno=os.dup(address.fd))
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise OSError(errno.EINVAL, "this descriptor is not a listening socket")
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def url(sock: socket.socket, scheme: str = "http") -> str:
    """How a client reaches it: http://HOST:PORT with the port really bound, or unix:PATH."""
    if sock.family == socket.AF_UNIX:
        name = sock.getsockname()
        return f"unix:{name}" if isinstance(name, str) else f"unix:@{name[1:].decode()}"
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if sock.family == socket.AF_INET6 else host
    return f"{scheme}://{shown}:{port}"
