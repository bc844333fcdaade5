"""Reading regular files through the ring.

A read of pages in memory completes inside the submission; for others the kernel starts
the disk and completes later, and no thread waits meanwhile.  There is no sendfile operation;
splice is one, but always goes by a worker thread and needs a pipe and two operations
(statx likewise takes a worker: 150 us for a cached inode; so `open` and `stat` stay calls).
"""

from __future__ import annotations

import mmap
import os
import types
from collections.abc import Generator
from errno import EAGAIN, EINTR

from ....linux.io_uring import abi
from ....linux.io_uring import queues as io_uring
from ...interface import File, Waiter
from .operations import OTHER, Target
from .ring_scheduler import RingScheduler

CHUNK_BYTES = 131072
"""One read and one send of `send_file`; fits into a core's second-level cache."""

SPARE_CHUNKS = 16
"""Buffers kept for the next transfer; more of them are released after use."""


class Chunk:
    """Memory for the kernel to read into and to send from."""

    def __init__(self, size: int = CHUNK_BYTES) -> None:
        self.memory = mmap.mmap(-1, size)
        self.address = io_uring.address_of(self.memory)


class Read(Target):
    """One read; it holds the buffer until the kernel has done with it."""

    def __init__(
        self, io: RingScheduler, fd: int, chunk: Chunk, *, at: int, count: int, offset: int
    ) -> None:
        self.waiter = Waiter()
        self.result: int | None = None
        self._io = io
        self._chunk = chunk
        self._number = io.register(self)
        self._user_data = self._number << 2 | OTHER
        word = abi.sqe_word(abi.OP_READ, fd)
        address = chunk.address + at
        io.ring.push(word, self._user_data, address=address, length=count, offset=offset)

    def completed(self, kind: int, result: int, flags: int) -> None:
        self.result = result
        del self._io.targets[self._number]
        self._io.go_on(self.waiter)

    def pending(self) -> list[int]:
        return [self._user_data]

    def waiters(self) -> list[Waiter]:
        return [self.waiter]


class FileReads:
    """The reads of one ring, and their spare buffers."""

    def __init__(self, io: RingScheduler) -> None:
        self._io = io
        self._spare: list[Chunk] = []

    def chunk(self) -> Chunk:
        return self._spare.pop() if self._spare else Chunk()

    def give_back(self, chunk: Chunk) -> None:
        """Only when no operation has it any more."""
        if len(self._spare) < SPARE_CHUNKS:
            self._spare.append(chunk)

    def into(
        self, chunk: Chunk, at: int, file: File, offset: int, count: int
    ) -> Generator[Waiter, None, int]:
        """Read into `chunk` from position `at` on; how many bytes: less only at the file's end."""
        done = 0
        while done < count:
            where = {"at": at + done, "count": count - done, "offset": offset + done}
            read = Read(self._io, file.fd, chunk, **where)
            try:
                while read.result is None:
                    yield read.waiter
            except BaseException:
                # The caller may close the file now. The kernel must look its number up before.
                if not self._io.ending:
                    self._io.ring.submit()
                raise
            # Less than was asked for is no end: a signal or the edge of what is in memory cuts a
            # read short as it does read(2).
            if read.result > 0:
                done += read.result
            elif read.result == 0:
                break
            elif -read.result not in {EAGAIN, EINTR}:
                raise OSError(-read.result, f"read: {os.strerror(-read.result)}")
        return done

    @types.coroutine
    def read(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        """Up to `count` bytes of `file`; fewer only at its end."""
        if not count:
            return b""
        chunk = self.chunk() if count <= CHUNK_BYTES else Chunk(count)
        done = yield from self.into(chunk, 0, file, offset, count)
        data = chunk.memory[:done]
        if count <= CHUNK_BYTES:
            self.give_back(chunk)
        return data
