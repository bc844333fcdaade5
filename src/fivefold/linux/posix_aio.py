"""POSIX asynchronous I/O as glibc has it: aio_read, aio_write, aio_suspend and their kin.

Not system calls: glibc runs pread(2) or pwrite(2) in threads of its own, which have all
signals blocked (so SIGPIPE never comes, EPIPE does), and falls back to read(2) and
write(2) where there is no offset (ESPIPE: sockets, pipes; sysdeps/pthread/aio_misc.c).
The caller must keep a control block and its buffer in place until the operation is done.
"""

from __future__ import annotations

import ctypes
import errno
from typing import ClassVar, Generic, TypeVar

from .libc import checked, libc

SIGEV_NONE = 1
"""bits/sigevent-consts.h: no notification; the zero of a fresh structure would send a signal."""


class _SigEvent(ctypes.Structure):
    """struct sigevent: 64 bytes everywhere; glibc reads only the first three fields here."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * (64 - 8 - ctypes.sizeof(ctypes.c_void_p))),
    )


class ControlBlock(ctypes.Structure):
    """struct aiocb64, glibc's aio.h; from `next_prio` to `returned` it is glibc's own.

    A block can be in one `WaitList` at a time; `place` is where.
    """

    _fields_ = (
        ("fd", ctypes.c_int),
        ("lio_opcode", ctypes.c_int),
        ("reqprio", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("sigevent", _SigEvent),
        ("next_prio", ctypes.c_void_p),
        ("abs_prio", ctypes.c_int),
        ("policy", ctypes.c_int),
        ("error", ctypes.c_int),
        ("returned", ctypes.c_ssize_t),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_char * 32),
    )

    fd: int
    buffer: int
    count: int
    offset: int
    error: int
    """EINPROGRESS until done. Reading it costs 45 ns, aio_error(3) 260: so it says which
    blocks are worth asking about, and no more; the barriers are in aio_error."""

    def __init__(self) -> None:
        super().__init__()
        self.sigevent.notify = SIGEV_NONE
        self.place = -1


class _AioInit(ctypes.Structure):
    """struct aioinit, glibc's aio.h."""

    _fields_ = (
        ("threads", ctypes.c_int),
        ("num", ctypes.c_int),
        ("locks", ctypes.c_int),
        ("usedba", ctypes.c_int),
        ("debug", ctypes.c_int),
        ("numusers", ctypes.c_int),
        ("idle_time", ctypes.c_int),
        ("reserved", ctypes.c_int),
    )


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def init(threads: int) -> None:
    """Let glibc start up to `threads`; without effect after the first operation (aio_init(3)).

    Raises AttributeError where the C library is not glibc.
    """
    libc.aio_init(ctypes.byref(_AioInit(threads=threads, num=threads)))


def address_of(data: bytes) -> int:
    """Where the bytes are, as long as `data` lives."""
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    assert address is not None
    return address


def read(block: ControlBlock) -> None:
    """Begin to read. Raises OSError: EAGAIN if glibc cannot start its first thread."""
    checked(libc.aio_read64(ctypes.byref(block)), "aio_read")


def write(block: ControlBlock) -> None:
    """Begin to write. Raises as `read`."""
    checked(libc.aio_write64(ctypes.byref(block)), "aio_write")


def is_done(block: ControlBlock) -> bool:
    """aio_error(3); after True the buffer and the result may be looked at."""
    return bool(libc.aio_error64(ctypes.byref(block)) != errno.EINPROGRESS)


def result(block: ControlBlock) -> int:
    """The number of bytes (aio_return(3)). Raises OSError, the operation's own."""
    ctypes.set_errno(libc.aio_error64(ctypes.byref(block)))
    return checked(_aio_return(ctypes.byref(block)), "aio")


def cancel(block: ControlBlock) -> bool:
    """Whether it could be cancelled: only while it is queued, for a running one goes on."""
    aio_canceled = 0
    return checked(libc.aio_cancel64(block.fd, ctypes.byref(block)), "aio_cancel") == aio_canceled


_aio_return = getattr(libc, "aio_return64", None) or libc.aio_return
_aio_return.restype = ctypes.c_ssize_t


B = TypeVar("B", bound=ControlBlock)


class WaitList(Generic[B]):
    """The array of pointers that aio_suspend(3) takes: kept up to date, never rebuilt."""

    BATCH: ClassVar[int] = 64
    """By so many places the array grows."""

    def __init__(self) -> None:
        self.blocks: list[B] = []
        self._pointers = (ctypes.c_void_p * self.BATCH)()

    def add(self, block: B) -> None:
        place = block.place = len(self.blocks)
        if place == len(self._pointers):
            self._pointers = (ctypes.c_void_p * (place + self.BATCH))(*self._pointers)
        self.blocks.append(block)
        self._pointers[place] = ctypes.addressof(block)

    def remove(self, block: B) -> None:
        """The last one moves to its place."""
        last = self.blocks.pop()
        if last is not block:
            place = last.place = block.place
            self.blocks[place] = last
            self._pointers[place] = ctypes.addressof(last)
        block.place = -1

    def suspend(self, timeout_s: float) -> bool:
        """Sleep until one of the blocks is done; False if time or a signal ended it before."""
        timeout = _TimeSpec(int(timeout_s), int(timeout_s % 1 * 1e9))
        pointers, count = self._pointers, len(self.blocks)
        if libc.aio_suspend64(pointers, count, ctypes.byref(timeout)) == 0:
            return True
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            raise OSError(number, "aio_suspend")
        return False
