"""Whose turn it is to have a password checked: fair by address, bounded, for those still there.

bcrypt is slow on purpose, so a client that guesses could keep all others waiting.  Each address
(of IPv6 each /64, since that is what one client has) is checked one at a time; so many more
of its requests may wait, and further ones are refused at once.  The queue
passes over a client that has left while waiting.

Assumption.   An address is one client, or several that share one line.  Behind a proxy that is
              not trusted (`--trusted-proxies`) all clients have the proxy's: there a guesser
              makes others wait for `WAITING` checks at most, or be refused with 503.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import select
import struct
from collections import OrderedDict, deque
from typing import Protocol
from zlib import crc32

from ...iomodels.interface import Waiter
from ...iomodels.interface.task_runner import TaskRunner

CHECKS = 2
"""Passwords checked at once beside an event loop: clients that guess shall not have the machine."""

WAITING = 16
"""Requests of one address that may wait: with bcrypt's usual cost they take about two seconds."""

SLOTS = 65536
"""Addresses are told apart by a checksum among so many, where processes must agree."""


class PasswordQueue(Protocol):
    async def enter(self, io: TaskRunner, address: bytes) -> int:
        """Wait for the turn; negative if too many wait, otherwise what `leave` wants."""

    def leave(self, turn: int, address: bytes) -> None: ...
    def close(self) -> None: ...


class InOneThread:
    """Beside an event loop: each address in turn, as many at once as there are threads."""

    def __init__(self) -> None:
        self._queues: OrderedDict[bytes, deque[tuple[Waiter, TaskRunner]]] = OrderedDict()
        self._now: set[bytes] = set()
        """Addresses of which one is checked; some of them may just be about to begin."""
        self._granted: set[Waiter] = set()

    async def enter(self, io: TaskRunner, address: bytes) -> int:
        queue = self._queues.setdefault(address, deque())
        if len(queue) >= WAITING:
            return -1
        waiter = Waiter()
        queue.append((waiter, io))
        self._grant()
        try:
            while waiter not in self._granted:
                await waiter
        except BaseException:
            self._give_up(waiter, address)
            raise
        self._granted.discard(waiter)
        return 0

    def leave(self, turn: int, address: bytes) -> None:
        self._now.discard(address)
        self._grant()

    def close(self) -> None:
        """There is nothing to close."""

    def _give_up(self, waiter: Waiter, address: bytes) -> None:
        if waiter in self._granted:
            self._granted.discard(waiter)
            self.leave(0, address)
            return
        queue = self._queues.get(address, deque())
        for each in [each for each in queue if each[0] is waiter]:
            queue.remove(each)

    def _grant(self) -> None:
        for address in list(self._queues):
            if len(self._now) >= CHECKS:
                return
            queue = self._queues[address]
            if not queue:
                del self._queues[address]
            elif address not in self._now:
                waiter, io = queue.popleft()
                self._queues.move_to_end(address)
                self._now.add(address)
                self._granted.add(waiter)
                io.resume_threadsafe(waiter)


class ByLocks:
    """Where each connection has a thread or a process of its own, it waits in the kernel.

    A lock of an open file description (fcntl(2), F_OFD_SETLKW) on one byte of a file that all
    share, for each address; a process that dies gives it back. As many bytes
    behind it are the places of requests that wait.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("fivefold-turns")

    async def enter(self, io: TaskRunner, address: bytes) -> int:
        # Each needs a description of its own, and a memory file is opened anew by this name.
        try:
            own = os.open(f"/proc/self/fd/{self._file}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return -1  # no descriptor is left
        first = crc32(address) % SLOTS * (WAITING + 1)
        try:
            if any(locked(own, first + 1 + place) for place in range(WAITING)):
                fcntl.fcntl(own, fcntl.F_OFD_SETLKW, a_byte(first))
                return own
        except BaseException:
            os.close(own)
            raise
        os.close(own)
        return -1

    def leave(self, turn: int, address: bytes) -> None:
        os.close(turn)

    def close(self) -> None:
        os.close(self._file)


def locked(fd: int, offset: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, a_byte(offset))
    except BlockingIOError:
        return False
    return True


def a_byte(offset: int) -> bytes:
    """struct flock: a lock to write at one byte."""
    return struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)


def one_client(address: str | None) -> bytes:
    """What stands for one client; empty where there are no addresses (a UNIX socket)."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return b""
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.packed[:8]


def has_left(fd: int) -> bool:
    """Whether nothing more comes from the client of a socket: it has closed, or ended its sending
    side (poll(2))."""
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)
    return bool(poll.poll(0))
