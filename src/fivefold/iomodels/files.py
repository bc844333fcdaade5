"""Regular files under the models that wait for readiness: three ways, none from the kernel.

Facts.        A regular file is always "ready": select and poll say so, epoll refuses it
              (EPERM), O_NONBLOCK and O_ASYNC are ignored (open(2)).  A read of a page
              that is not in memory simply sleeps, and so does sendfile, even to a
              non-blocking socket (measured: 385 us with one voluntary switch).
              RWF_NOWAIT reads only what is in memory, cachestat only asks, but not before
              Linux 6.5 nor of another user's file; then a read asks instead.
Consequence.  The first four I/O models have no file model; each must bring one, or one
              client's cold file stops all the others of the thread.
Choice.       blocking waits in the call: that is the model.  nonblocking tries with
              RWF_NOWAIT again and again: the first refusal has started the read-ahead.
              multiplexing and sigio take resident pages at once, and otherwise let a
              helper thread read the range, so that the pages are there afterwards.
Cost.         cachestat takes 1 to 2 us, so a file seen resident is trusted for a second;
              a page evicted within that second costs one stall of at most
              `SEND_FILE_BYTES`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from ..linux import page_cache
from .interface import File, Waiter

HELPER_THREADS = 4
"""Threads that wait for the disk: libuv's default for the same purpose."""

SCRATCH_BYTES = 262144
"""Read at once, and thrown away, to see whether a range is in memory."""

TRUST_S = 1.0
"""So long a part of a file that was wholly resident is taken to be so still."""


class FileAccess(ABC):
    """How a model reads regular files."""

    @abstractmethod
    def read(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        """Up to `count` bytes; fewer only at the end of the file."""

    @abstractmethod
    def until_resident(self, file: File, offset: int, count: int) -> Generator[Waiter, None, None]:
        """Wait until the range is in memory, as far as the file has it."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """End helper threads."""


class ReadInPlace(FileAccess):
    """The calling thread sleeps in the call itself."""

    def read(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        return pread_all(file.fd, offset, count)
        yield

    def until_resident(self, file: File, offset: int, count: int) -> Generator[Waiter, None, None]:
        return
        yield


class TryAgain(FileAccess):
    """RWF_NOWAIT until it succeeds, one try per round of the model."""

    def __init__(self, next_round: Callable[[], Waiter]) -> None:
        self._next_round = next_round

    def read(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        yield from self.until_resident(file, offset, count)
        return pread_all(file.fd, offset, count)

    def until_resident(self, file: File, offset: int, count: int) -> Generator[Waiter, None, None]:
        scratch = bytearray(min(count, SCRATCH_BYTES) or 1)
        end = min(offset + count, file.size)
        while offset < end:
            try:
                done = page_cache.read_cached(file.fd, offset, scratch)
            except BlockingIOError:
                done = -1
            if done == 0:
                return
            if done < 0:
                yield self._next_round()  # not in the handler, which would keep the exception
            else:
                offset += done


class Helped(FileAccess):
    """Resident pages at once; for the others a helper thread takes the wait.

    `wake` must end the model's wait and let it resume the waiters by `resume`.
    """

    def __init__(self, resume: Callable[[Waiter], None]) -> None:
        self._resume = resume
        self._threads: ThreadPoolExecutor | None = None

    def read(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        buffer = bytearray(count)
        try:
            done = page_cache.read_cached(file.fd, offset, buffer)
        except BlockingIOError:
            done = 0
        if done == count or offset + done >= file.size:
            return bytes(buffer[:done])
        return (yield from self._by_helper(file.fd, offset, count))

    def until_resident(self, file: File, offset: int, count: int) -> Generator[Waiter, None, None]:
        now, end = monotonic(), offset + count
        # A second of trust for an answer of 1 to 2 us: most parts of a file in memory cost no call.
        if file.resident_from <= offset and end <= file.resident_to and now < file.resident_until:
            return
        if not is_resident(file, offset, count):
            yield from self._by_helper(file.fd, offset, count)
        else:
            file.resident_from, file.resident_to = offset, end
            file.resident_until = now + TRUST_S

    def _by_helper(self, fd: int, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(HELPER_THREADS, "fivefold-file")
        waiter = Waiter()
        # A descriptor of its own: the connection may be gone, and the file closed and
        # its number reused, before the helper comes to read.
        own: list[int] = []
        try:
            own.append(os.dup(fd))
            job = self._threads.submit(read_and_close, own, offset, count)
        except (OSError, RuntimeError):
            # No descriptor is left, or no thread: all connections wait for this read.
            if own:
                os.close(own.pop())
            return pread_all(fd, offset, count)
        job.add_done_callback(lambda _: self._resume(waiter))
        while not job.done():
            yield waiter
        return job.result()

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True)


def pread_all(fd: int, offset: int, count: int) -> bytes:
    """pread(2) until `count` bytes or the end of the file: it may return less at a signal."""
    data = os.pread(fd, count, offset)
    while 0 < len(data) < count:
        more = os.pread(fd, count - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def read_and_close(own: list[int], offset: int, count: int) -> bytes:
    """`own` is emptied: the caller that takes the descriptor out of it closes it."""
    fd = own.pop()
    try:
        return pread_all(fd, offset, count)
    finally:
        os.close(fd)


def is_resident(file: File, offset: int, count: int) -> bool:
    """Whether sendfile of the range would not sleep."""
    count = min(count, file.size - offset)
    try:
        return page_cache.cached_pages(file.fd, offset, count) >= page_cache.pages_of(offset, count)
    except OSError:  # `page_cache.REFUSALS`
        return can_be_read(file, offset, count)


def can_be_read(file: File, offset: int, count: int) -> bool:
    """Whether a read of the range would not sleep, found out by reading it: it costs the copy."""
    if not page_cache.CAN_TELL:
        return False
    try:
        return os.preadv(file.fd, [bytearray(count)], offset, os.RWF_NOWAIT) == count
    except OSError:  # EAGAIN; EOPNOTSUPP on a file system that does not know RWF_NOWAIT
        return False


def pages_in_memory(file: File) -> dict[str, int | str]:
    """How many pages the file has, and how many of them are in memory, or why that is not said."""
    pages: dict[str, int | str] = {"pages": page_cache.pages_of(0, file.size)}
    try:
        pages["cached"] = page_cache.cached_pages(file.fd, 0, file.size)
    except OSError as error:
        pages["refused"] = page_cache.refusal(error)
    return pages
