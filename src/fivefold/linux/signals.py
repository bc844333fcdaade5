"""Signals for descriptors: fcntl(2) to have them sent, signalfd(2) to collect them in bulk.

With O_ASYNC the kernel sends a signal to the descriptor's owner when something happened.
F_SETSIG makes it a queued real-time signal that names the descriptor (`si_fd`); an owner
of the kind F_OWNER_TID is one thread.  Owner, signal and O_ASYNC belong to the open file
description, so every process that shares it shares them; accept(2) does not pass them on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
from collections.abc import Collection
from contextlib import closing
from fcntl import F_GETFL, F_SETFL, fcntl
from threading import get_native_id

from .libc import checked, libc

# include/uapi/asm-generic/fcntl.h; Python's fcntl module does not have them all.
F_SETSIG = 10
F_SETOWN_EX = 15
F_GETOWN_EX = 16
F_OWNER_TID = 0

_OWNER = struct.Struct("ii")
"""struct f_owner_ex: the kind of owner, its number."""

_INFO_BYTES = 128
"""sizeof(struct signalfd_siginfo), include/uapi/linux/signalfd.h."""

# In that struct, counted in 32-bit words: ssi_signo is the first, ssi_fd the sixth.
_WORDS = _INFO_BYTES // 4
_SIGNO = 0
_FD = 5


def arm(fd: int, number: int, thread: int, flags: int = os.O_NONBLOCK) -> None:
    """Send signal `number` to `thread` whenever something happens to `fd`.

    `flags` are its other file status flags.  What happened before raises no signal.
    """
    fcntl(fd, F_SETSIG, number)
    fcntl(fd, F_SETOWN_EX, _OWNER.pack(F_OWNER_TID, thread))
    fcntl(fd, F_SETFL, flags | os.O_ASYNC)


def disarm(fd: int, flags: int = os.O_NONBLOCK) -> None:
    """Send no more signals; those in the queue stay there."""
    fcntl(fd, F_SETFL, flags)


def status_flags(fd: int) -> int:
    """The file status flags of a descriptor, but for O_ASYNC."""
    return fcntl(fd, F_GETFL) & ~os.O_ASYNC


def owner(fd: int) -> int:
    """The thread that gets the signals of `fd`; 0 if none, or none in our PID namespace."""
    return int(_OWNER.unpack(fcntl(fd, F_GETOWN_EX, bytes(_OWNER.size)))[1])


class SignalFile:
    """signalfd(2), non-blocking: what is queued for the *calling* thread and for the process.

    The signals must be blocked, or they are delivered the other way.
    """

    def __init__(self, numbers: Collection[int], batch: int) -> None:
        # sigset_t holds 1024 bits, one per signal, of which the kernel knows the first 64.
        mask = ctypes.create_string_buffer(sum(1 << n - 1 for n in numbers).to_bytes(128, "little"))
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self.fd = checked(libc.signalfd(-1, mask, flags), "signalfd")
        self._infos = ctypes.create_string_buffer(batch * _INFO_BYTES)
        self._words = memoryview(self._infos).cast("B").cast("i")
        self._size = 0
        self._arguments = (
            ctypes.c_int(self.fd),
            ctypes.c_void_p(ctypes.addressof(self._infos)),
            ctypes.c_size_t(len(self._infos)),
        )
        # PyDLL keeps the GIL, which a call that never waits may do, and saves 0.2 us.
        # os.read would raise when nothing is queued: 1.5 us instead of 0.8.
        self._read = ctypes.PyDLL(None).read

    def take(self) -> list[int]:
        """The descriptors of the signals that are queued, in their order; at most a batch.

        A signal that concerns no descriptor shows as 0.
        """
        size = self._read(*self._arguments)
        # A signalfd has no error but EAGAIN here: nothing is queued.
        self._size = size = size // 4 if size > 0 else 0
        return self._words[_FD:size:_WORDS].tolist()

    def numbers(self) -> list[int]:
        """The signal numbers of what `take` returned last."""
        return self._words[_SIGNO : self._size : _WORDS].tolist()

    def close(self) -> None:
        os.close(self.fd)


def block(numbers: Collection[int]) -> set[int]:
    """Keep these signals pending in this thread; returns those that were blocked before."""
    return {int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, numbers)}


def probe(number: int) -> str | None:
    """Arm a descriptor and collect its signal in both ways: None, or the reason why that fails.

    Raises OSError. No other code may use signal `number`.
    """
    blocked = block((number, signal.SIGIO))
    try:
        return _collect_both_ways(number)
    finally:
        # Nothing may be pending when the mask goes back.  A SIGIO that was blocked before
        # tells other code of an overflow: it is not ours to take.
        while signal.sigtimedwait({number} | {signal.SIGIO} - blocked, 0):
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _collect_both_ways(number: int) -> str | None:
    ours, peer = socket.socketpair()
    with ours, peer, closing(SignalFile((number,), batch=4)) as queue:
        arm(ours.fileno(), number, get_native_id())
        peer.send(b"1")
        in_bulk = queue.take()
        peer.send(b"2")
        single = signal.sigtimedwait((number,), 0)
    if single is None:
        return "no signal arrives (is RLIMIT_SIGPENDING used up?)"
    # The C union in siginfo_t has si_fd where Python sees si_status.
    if in_bulk != [single.si_status] or single.si_status == 0:
        return "its signals do not name their descriptor"
    return None
