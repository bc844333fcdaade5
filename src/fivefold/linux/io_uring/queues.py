"""io_uring(7): two queues in memory that the kernel shares, and one system call to move both.

A submission entry is written as eight 64-bit words in one `pack_into` (0.1 us);
completions are copied out of the ring in one piece and unpacked by an iterator in C
(0.05 us each).

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
from errno import EAGAIN, EBUSY, EINTR, ENOBUFS, ENOMEM, ENOSYS, ETIME
from typing import Protocol

from ..libc import checked, libc, syscall
from . import abi

_LATER = {EINTR, ETIME, EAGAIN, EBUSY, ENOMEM, ENOBUFS}
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


def address_of(buffer: bytearray | mmap.mmap) -> int:
    """Where a buffer lies; it must not be resized or freed while the kernel has it."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def bytes_are_where_expected() -> bool:
    """Whether `id` and `BYTES_HEADER` give the address of a bytes object's contents."""
    probe = bytes(range(1, 9)) * 2
    return ctypes.string_at(id(probe) + BYTES_HEADER, len(probe)) == probe


class Sender(Protocol):
    """What `Ring.push_bytes` needs to know of a socket."""

    send_word: int
    send_user_data: int


class Ring:
    """One pair of queues. For the thread that made it, and never across a fork."""

    def __init__(self, entries: int, completions: int, flags: int = 0) -> None:
        flags |= abi.SETUP_CQSIZE | abi.SETUP_CLAMP
        params = abi.Params(flags=flags, cq_entries=completions)
        pointer = ctypes.addressof(params)
        self.fd = checked(syscall(abi.SYS_SETUP, entries, pointer), "io_uring_setup")
        self.features: int = params.features
        self.entries: int = params.sq_entries
        self.mask = self.entries - 1
        self.tail = 0
        """Where the next entry goes; `enter` publishes it."""
        self.enters = self.submitted = self.completed = 0
        self.known = 0
        """So many submissions are over or under way, and what was over has been collected."""
        self._latest = b""
        self._maps: list[tuple[int, int, list[memoryview]]] = []
        try:
            self._map_rings(params)
        except BaseException:
            self.close()
            raise
        wait = abi.WaitArgument()
        wait.timespec = ctypes.addressof(wait) + abi.WaitArgument.seconds.offset
        self._wait = wait
        self._wait_pointer = ctypes.c_void_p(ctypes.addressof(wait))
        self._wait_size = ctypes.c_size_t(abi.WaitArgument.seconds.offset)
        self._number = ctypes.c_long(abi.SYS_ENTER)

    def _map_rings(self, params: abi.Params) -> None:
        if not self.features & abi.FEAT_SINGLE_MMAP:
            raise OSError(ENOSYS, "io_uring without FEAT_SINGLE_MMAP (older than Linux 5.4)")
        cq_at, sq_array = params.cq[5], params.sq[6]
        size = max(cq_at + 16 * params.cq_entries, sq_array + 4 * self.entries)
        rings = self._mapped(abi.OFFSET_RINGS, size)
        self.sqes = self._mapped(abi.OFFSET_SQES, 64 * self.entries)
        self._cq = rings[cq_at : cq_at + 16 * params.cq_entries]
        words = rings[: size // 4 * 4].cast("I")
        self._sq_tail = words[params.sq[1] // 4 : params.sq[1] // 4 + 1]
        self._cq_head = words[params.cq[0] // 4 : params.cq[0] // 4 + 1]
        self._cq_tail = words[params.cq[1] // 4 : params.cq[1] // 4 + 1]
        self._cq_mask: int = params.cq_entries - 1
        for i in range(self.entries):
            words[sq_array // 4 + i] = i  # entry i is always in slot i
        self._maps[0][2][:0] = [self._cq, self._sq_tail, self._cq_head, self._cq_tail, words]

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
        self,
        word: int,
        user_data: int,
        *,
        address: int = 0,
        length: int = 0,
        flags: int = 0,
        offset: int = 0,
        group: int = 0,
    ) -> None:
        """Queue one operation. `word` is `sqe_word(...)`, `flags` the operation's own."""
        if self.tail - self.submitted >= self.entries:
            self.submit()
        at = (self.tail & self.mask) << 6
        both = length | flags << 32
        abi.SQE.pack_into(self.sqes, at, word, offset, address, both, user_data, group, 0, 0)
        self.tail += 1

    def push_bytes(self, sends: Iterable[tuple[Sender, bytes]], flags: int) -> None:
        """Queue a send of each bytes object, which must live until it is completed."""
        # `push`, written out: every small response passes here.
        pack_into, sqes, mask, flags_above = abi.SQE.pack_into, self.sqes, self.mask, flags << 32
        for sender, data in sends:
            if self.tail - self.submitted >= self.entries:
                self.submit()
            at = (self.tail & mask) << 6
            address, both = id(data) + BYTES_HEADER, len(data) | flags_above
            pack_into(sqes, at, sender.send_word, 0, address, both, sender.send_user_data, 0, 0, 0)
            self.tail += 1

    def submit(self) -> None:
        """Hand over what is queued, without waiting for anything."""
        self.enter(0, 0.0)
        if self.tail - self.submitted >= self.entries:
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
            self._number,
            self.fd,
            self.tail - self.submitted,
            at_least,
            abi.ENTER_GETEVENTS | abi.ENTER_EXT_ARG,
            self._wait_pointer,
            self._wait_size,
        )
        if taken >= 0:
            self.submitted += taken
        elif (number := ctypes.get_errno()) not in _LATER:
            raise OSError(number, f"io_uring_enter: {os.strerror(number)}")

    @property
    def has_news(self) -> bool:
        """Whether `completions` would have some."""
        return self._cq_tail[0] != self._cq_head[0]

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
        if count <= self._cq_mask:  # else the kernel may have kept some back (CQ overflow)
            self.known = self.submitted
        self._latest = data
        return abi.CQE.iter_unpack(data)

    def latest(self) -> Iterator[tuple[int, int, int]]:
        """What the last `completions` returned, again."""
        return abi.CQE.iter_unpack(self._latest)

    def supported(self) -> set[int]:
        """The operations that this kernel knows (IORING_REGISTER_PROBE, Linux 5.6)."""
        probe = bytearray(16 + 256 * 8)
        self.register(abi.REGISTER_PROBE, address_of(probe), 256)
        entries = struct.iter_unpack("BxHI", probe[16:])
        return {opcode for opcode, flags, _ in entries if flags & abi.OP_SUPPORTED}

    def register(self, opcode: int, argument: int, count: int) -> None:
        """io_uring_register(2). Raises OSError."""
        result = syscall(abi.SYS_REGISTER, self.fd, opcode, argument, count)
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
        argument = bytearray(abi.BUFFER_RING.pack(address_of(self._queue), count, group))
        try:
            ring.register(abi.REGISTER_PBUF_RING, address_of(argument), 1)
        except OSError:
            self.close()
            raise
        self.give_back(range(count))

    def give_back(self, numbers: Iterable[int]) -> None:
        """Let the kernel use these buffers again."""
        tail, mask, base, size, queue = self._tail, self._mask, self._base, self.size, self._queue
        pack_into = abi.BUFFER.pack_into
        for number in numbers:
            # 14 of an entry's 16 bytes: the last two of the first entry are the ring's tail.
            pack_into(queue, (tail & mask) << 4, base + number * size, size, number)
            tail += 1
        self._tail = tail & 0xFFFF
        queue[14:16] = self._tail.to_bytes(2, "little")

    def close(self) -> None:
        """After the ring, or when no receive uses it: the kernel may write here until then."""
        self.memory.close()
        self._queue.close()
