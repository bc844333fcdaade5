"""io_uring(7): two queues in memory that the kernel shares, and one system call to move both.

Numbers and layouts are those of include/uapi/linux/io_uring.h.  A submission entry is
written as eight 64-bit words in one `pack_into` (0.1 us); completions are copied out of
the ring in one piece and unpacked by an iterator in C (0.05 us each).

Memory order: between `enter` calls plain loads and stores suffice.  The kernel reads the
submission queue only inside io_uring_enter (there is no SQPOLL thread), and with
DEFER_TASKRUN it writes completions only there; a system call is a full barrier.  Without
DEFER_TASKRUN that holds on x86 only, where stores become visible in order.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from errno import EAGAIN, EBUSY, EINTR, ETIME

from .libc import checked, libc, syscall

SYS_SETUP, SYS_ENTER, SYS_REGISTER = 425, 426, 427  # the same on every architecture

SETUP_CQSIZE = 1 << 3
SETUP_CLAMP = 1 << 4
SETUP_SUBMIT_ALL = 1 << 7  # Linux 5.18
SETUP_COOP_TASKRUN = 1 << 8  # 5.19
SETUP_SINGLE_ISSUER = 1 << 12  # 6.0
SETUP_DEFER_TASKRUN = 1 << 13  # 6.1

FEAT_SINGLE_MMAP = 1 << 0  # 5.4
FEAT_NODROP = 1 << 1  # 5.5
FEAT_EXT_ARG = 1 << 8  # 5.11
FEAT_CQE_SKIP = 1 << 11  # 5.17

ENTER_GETEVENTS = 1 << 0
ENTER_EXT_ARG = 1 << 3

REGISTER_PROBE, REGISTER_PBUF_RING = 8, 22
OP_SUPPORTED = 1 << 0

OP_NOP, OP_POLL_ADD, OP_ACCEPT, OP_ASYNC_CANCEL = 0, 6, 13, 14
OP_READ, OP_SEND, OP_RECV = 22, 26, 27
OP_SOCKET = 45  # 5.19
OP_SEND_ZC = 47  # 6.0

SQE_BUFFER_SELECT = 1 << 5
SQE_CQE_SKIP_SUCCESS = 1 << 6  # 5.17
ACCEPT_MULTISHOT = 1 << 0  # 5.19, in `ioprio`
RECV_MULTISHOT = 1 << 1  # 6.0, in `ioprio`
CANCEL_ALL = 1 << 0  # 5.19
CANCEL_ANY = 1 << 2  # 5.19

CQE_BUFFER = 1 << 0
CQE_MORE = 1 << 1
CQE_BUFFER_SHIFT = 16

_OFF_RINGS, _OFF_SQES = 0, 0x10000000
_SQE = struct.Struct("8Q")
_CQE = struct.Struct("Qii")
_BUFFER = struct.Struct("QIH")
_LATER = {EINTR, ETIME, EAGAIN, EBUSY}
"""Errors of io_uring_enter that only mean: look at the completions, come again."""

_map = libc.mmap
_map.restype = ctypes.c_void_p
_map.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
_unmap = libc.munmap
_unmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_memory = ctypes.pythonapi.PyMemoryView_FromMemory
_memory.restype = ctypes.py_object
_memory.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_PYBUF_WRITE = 0x200

BYTES_HEADER = bytes.__basicsize__ - 1
"""Where the contents of a bytes object begin, counted from `id` (CPython)."""


class Params(ctypes.Structure):
    """struct io_uring_params."""

    _fields_ = (
        ("sq_entries", ctypes.c_uint32),
        ("cq_entries", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("unused", ctypes.c_uint32 * 2),
        ("features", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 4),
        ("sq", ctypes.c_uint32 * 10),  # head, tail, ring_mask, ring_entries, flags, dropped, array
        ("cq", ctypes.c_uint32 * 10),  # head, tail, ring_mask, ring_entries, overflow, cqes, flags
    )


class _WaitArgument(ctypes.Structure):
    """struct io_uring_getevents_arg, and the timespec that it points to."""

    _fields_ = (
        ("sigmask", ctypes.c_uint64),
        ("sigmask_size", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("timespec", ctypes.c_uint64),
        ("seconds", ctypes.c_int64),
        ("nanoseconds", ctypes.c_int64),
    )


def sqe_word(opcode: int, fd: int, *, flags: int = 0, ioprio: int = 0) -> int:
    """The first word of a submission entry."""
    return opcode | flags << 8 | ioprio << 16 | (fd & 0xFFFFFFFF) << 32


def address_of(buffer: bytearray | mmap.mmap) -> int:
    """Where a buffer lies; it must not be resized or freed while the kernel has it."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def bytes_are_where_expected() -> bool:
    """Whether `id` and `BYTES_HEADER` give the address of a bytes object's contents."""
    probe = bytes(range(1, 9)) * 2
    return ctypes.string_at(id(probe) + BYTES_HEADER, len(probe)) == probe


class Ring:
    """One pair of queues. For the thread that made it, and never across a fork."""

    def __init__(self, entries: int, completions: int, flags: int = 0) -> None:
        params = Params(flags=flags | SETUP_CQSIZE | SETUP_CLAMP, cq_entries=completions)
        pointer = ctypes.addressof(params)
        self.fd = checked(syscall(SYS_SETUP, entries, pointer), "io_uring_setup")
        self.features: int = params.features
        self.entries: int = params.sq_entries
        self.mask = self.entries - 1
        self.tail = 0
        """Where the next entry goes; `enter` publishes it."""
        self.enters = self.completed = 0
        self._submitted = 0
        self._maps: list[tuple[int, int, list[memoryview]]] = []
        try:
            if not self.features & FEAT_SINGLE_MMAP:
                raise OSError(EAGAIN, "this io_uring is older than Linux 5.4")
            self._map_rings(params)
        except BaseException:
            self.close()
            raise
        wait = _WaitArgument()
        wait.timespec = ctypes.addressof(wait) + _WaitArgument.seconds.offset
        self._wait = wait
        self._wait_pointer = ctypes.c_void_p(ctypes.addressof(wait))
        self._wait_size = ctypes.c_size_t(_WaitArgument.seconds.offset)
        self._number = ctypes.c_long(SYS_ENTER)

    def _map_rings(self, params: Params) -> None:
        cq_at, sq_array = params.cq[5], params.sq[6]
        size = max(cq_at + 16 * params.cq_entries, sq_array + 4 * self.entries)
        rings = self._mapped(_OFF_RINGS, size)
        self.sqes = self._mapped(_OFF_SQES, 64 * self.entries)
        self._cq = rings[cq_at : cq_at + 16 * params.cq_entries]
        words = rings[: size // 4 * 4].cast("I")
        self._sq_tail = words[params.sq[1] // 4 : params.sq[1] // 4 + 1]
        self._cq_head = words[params.cq[0] // 4 : params.cq[0] // 4 + 1]
        self._cq_tail = words[params.cq[1] // 4 : params.cq[1] // 4 + 1]
        self._cq_mask: int = params.cq_entries - 1
        for i in range(self.entries):
            words[sq_array // 4 + i] = i  # entry i is always in slot i
        views = [self._cq, self._sq_tail, self._cq_head, self._cq_tail, words]
        self._maps[0][2][:0] = views

    def _mapped(self, offset: int, size: int) -> memoryview:
        # Not mmap.mmap: it would duplicate the descriptor for each mapping.
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        address = _map(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, self.fd, offset)
        if address == ctypes.c_void_p(-1).value:
            checked(-1, "mmap of an io_uring")
        view: memoryview = _memory(address, size, _PYBUF_WRITE)
        self._maps.append((address, size, [view]))
        return view

    def push(
        self, word: int, user_data: int, address: int, length: int, flags: int = 0,
        offset: int = 0, group: int = 0,
    ) -> None:  # fmt: skip
        """Queue one operation. `word` is `sqe_word(...)`, `flags` the operation's own."""
        if self.tail - self._submitted >= self.entries:
            self.submit()
        at = (self.tail & self.mask) << 6
        _SQE.pack_into(
            self.sqes, at, word, offset, address, length | flags << 32, user_data, group, 0, 0
        )
        self.tail += 1

    def room(self) -> int:
        """How many entries can still be queued."""
        return self.entries - (self.tail - self._submitted)

    def submit(self) -> None:
        """Hand over what is queued, without waiting for anything."""
        self.enter(0, 0.0)
        if not self.room():
            raise OSError(EBUSY, "the kernel takes no further io_uring submissions")

    def enter(self, at_least: int, timeout_s: float) -> None:
        """Submit everything queued and wait for `at_least` completions or the time.

        Raises OSError; EEXIST in a thread or process that did not make the ring.
        """
        wait = self._wait
        wait.seconds = whole = int(timeout_s)
        wait.nanoseconds = int((timeout_s - whole) * 1e9)
        self._sq_tail[0] = self.tail & 0xFFFFFFFF
        self.enters += 1
        taken = libc.syscall(
            self._number, self.fd, self.tail - self._submitted, at_least,
            ENTER_GETEVENTS | ENTER_EXT_ARG, self._wait_pointer, self._wait_size,
        )  # fmt: skip
        if taken >= 0:
            self._submitted += taken
        elif (number := ctypes.get_errno()) not in _LATER:
            raise OSError(number, f"io_uring_enter: {os.strerror(number)}")

    def completions(self) -> Iterator[tuple[int, int, int]]:
        """What has completed: (user_data, result or -errno, flags); the ring is free again."""
        tail = self._cq_tail[0]
        head = self._cq_head[0]
        count = (tail - head) & 0xFFFFFFFF
        self.completed += count
        first = (head & self._cq_mask) << 4
        last = first + (count << 4)
        data = bytes(self._cq[first:last])
        if missing := (count << 4) - len(data):  # the rest is at the ring's beginning
            data += bytes(self._cq[:missing])
        self._cq_head[0] = tail
        return _CQE.iter_unpack(data)

    @property
    def submitted(self) -> int:
        return self._submitted

    def supported(self) -> set[int]:
        """The operations that this kernel knows (IORING_REGISTER_PROBE, Linux 5.6)."""
        probe = bytearray(16 + 256 * 8)
        self._register(REGISTER_PROBE, address_of(probe), 256)
        entries = struct.iter_unpack("BxHI", probe[16:])
        return {opcode for opcode, flags, _ in entries if flags & OP_SUPPORTED}

    def _register(self, opcode: int, argument: int, count: int) -> None:
        result = syscall(SYS_REGISTER, self.fd, opcode, argument, count)
        checked(result, "io_uring_register")

    def close(self) -> None:
        """Unmap and close; the kernel cancels what is still pending, later."""
        for address, size, views in self._maps:
            for view in views:
                view.release()
            _unmap(address, size)
        self._maps.clear()
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class BufferRing:
    """Buffers from which the kernel takes one when data is there (Linux 5.19).

    `memory` holds them side by side, `size` bytes each, a power of two.
    """

    def __init__(self, ring: Ring, group: int, count: int, size: int) -> None:
        # Both shared, so that a fork does not make copies of pages that the kernel has.
        self.memory = mmap.mmap(-1, count * size)
        self._queue = mmap.mmap(-1, count * 16)
        self.group, self.size = group, size
        self._base = address_of(self.memory)
        self._mask = count - 1
        self._tail = 0
        # struct io_uring_buf_reg: ring_addr, ring_entries, bgid, flags, three reserved words
        argument = bytearray(struct.pack("QIHH3Q", address_of(self._queue), count, group, 0, 0, 0, 0))
        try:
            ring._register(REGISTER_PBUF_RING, address_of(argument), 1)  # noqa: SLF001
        except OSError:
            self.close()
            raise
        self.give_back(range(count))

    def give_back(self, numbers: Iterable[int]) -> None:
        """Let the kernel use these buffers again."""
        tail, mask, base, size, queue = self._tail, self._mask, self._base, self.size, self._queue
        pack_into = _BUFFER.pack_into
        for number in numbers:
            # 14 of an entry's 16 bytes: the last two of the first entry are the ring's tail.
            pack_into(queue, (tail & mask) << 4, base + number * size, size, number)
            tail += 1
        self._tail = tail & 0xFFFF
        queue[14:16] = self._tail.to_bytes(2, "little")

    def close(self) -> None:
        """Only after the ring: until then the kernel may write here."""
        self.memory.close()
        self._queue.close()
