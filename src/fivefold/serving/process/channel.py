"""What the processes of the process model say to each other.

One datagram each (SOCK_SEQPACKET: whole messages, in order, and an end), on one channel
towards the acceptor: STARTED a child, with the child's own channel attached; IDLE, a child
can take a connection; ENDED, it is no more.  The acceptor tells the forker MORE, and
sends a child a connected socket (SCM_RIGHTS, unix(7)).
"""

from __future__ import annotations

import _socket
import array
import socket
import struct

STARTED, IDLE, ENDED, MORE, SERVE = range(5)

MESSAGE = struct.Struct("=ii")
"""What, and the child's number."""


MESSAGE_COST = 768
"""What one such message takes from the sender's buffer (measured: 278 fit in 212,992 bytes)."""

SEND_BUFFER = 8 * 1024 * 1024
"""Asked for; the kernel grants up to twice net.core.wmem_max."""


Socket = socket.socket
"""As it was before the application was loaded. Some put a class of their own in its place, which
refuses whatever is no TCP or UDP (PySocks)."""


def ends() -> tuple[socket.socket, socket.socket]:
    """Both of a new channel. Raises OSError."""
    first, second = _socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Socket(fileno=first.detach()), Socket(fileno=second.detach())


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends; the first is non-blocking, for the process that has more to wait for.

    The other one waits, whatever `socket.setdefaulttimeout` of the application says.
    """
    ours, theirs = ends()
    ours.setblocking(False)
    theirs.setblocking(True)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return ours, theirs


def capacity(channel: socket.socket) -> int:
    """How many messages fit before the reader takes one."""
    return channel.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // MESSAGE_COST


GONE = ConnectionError
"""No process is at the other end; any other error of a channel (ENOBUFS, ENOMEM, ETOOMANYREFS)
comes from want of something, and passes."""


def send_message(
    channel: socket.socket, what: int, number: int, attached: socket.socket | None = None
) -> None:
    """Send one message. Raises OSError, one of `GONE` if no process is at the other end."""
    message = [MESSAGE.pack(what, number)]
    if attached is None:
        channel.sendmsg(message)
    else:
        rights = array.array("i", [attached.fileno()])
        channel.sendmsg(message, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def receive_message(
    channel: socket.socket, flags: int = 0
) -> tuple[int, int, socket.socket | None] | None:
    """Receive one message; None at the end of the channel."""
    space = socket.CMSG_SPACE(array.array("i").itemsize)
    data, ancillary, _, _ = channel.recvmsg(MESSAGE.size, space, flags | _socket.MSG_CMSG_CLOEXEC)
    if not data:
        return None
    what, number = MESSAGE.unpack(data)
    attached = None
    for _, kind, rights in ancillary:
        if kind == socket.SCM_RIGHTS:
            attached = Socket(fileno=array.array("i", rights)[0])
            if socket.getdefaulttimeout() is not None:  # it has become that of the new object
                attached.setblocking(True)
    return what, number, attached
