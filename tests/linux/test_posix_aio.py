"""POSIX aio of glibc: blocks, results and errors, and the array that aio_suspend takes."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux import posix_aio as aio
from fivefold.linux.posix_aio import ControlBlock, WaitList

DATA = bytes(range(256)) * 16


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


def block(fd: int, buffer: ctypes.Array[ctypes.c_char], offset: int = 0) -> ControlBlock:
    made = ControlBlock()
    made.fd, made.offset = fd, offset
    made.buffer, made.count = ctypes.addressof(buffer), len(buffer)
    return made


def awaited(made: ControlBlock) -> None:
    waiting: WaitList[ControlBlock] = WaitList()
    waiting.add(made)
    while not aio.is_done(made):
        waiting.suspend(10.0)


def test_a_read_at_a_position(file: int) -> None:
    buffer = ctypes.create_string_buffer(100)
    made = block(file, buffer, offset=1000)
    aio.read(made)
    awaited(made)
    assert aio.result(made) == 100
    assert buffer.raw == DATA[1000:1100]


def test_a_read_at_the_end_is_short(file: int) -> None:
    buffer = ctypes.create_string_buffer(100)
    made = block(file, buffer, offset=len(DATA) - 30)
    aio.read(made)
    awaited(made)
    assert aio.result(made) == 30


def test_a_write(file: int) -> None:
    data = b"written"
    made = ControlBlock()
    made.fd, made.buffer, made.count, made.offset = file, aio.address_of(data), len(data), 5
    aio.write(made)
    awaited(made)
    assert aio.result(made) == len(data)
    assert os.pread(file, 12, 3) == DATA[3:5] + b"written" + DATA[12:15]


def test_an_error_is_the_operations_own(file: int) -> None:
    buffer = ctypes.create_string_buffer(10)
    reading = os.dup(file)
    made = block(reading, buffer)
    os.close(reading)
    aio.read(made)
    awaited(made)
    with pytest.raises(OSError, match="aio") as caught:
        aio.result(made)
    assert caught.value.errno == errno.EBADF


def test_a_running_operation_cannot_be_cancelled_and_goes_on() -> None:
    reader, writer = os.pipe()
    try:
        buffer = ctypes.create_string_buffer(4)
        made = block(reader, buffer)
        aio.read(made)
        waiting: WaitList[ControlBlock] = WaitList()
        waiting.add(made)
        assert not waiting.suspend(0.0)
        # Queued or running, depending on glibc's thread; a cancelled one never reads.
        cancelled = aio.cancel(made)
        os.write(writer, b"data")
        if not cancelled:
            awaited(made)
            assert aio.result(made) == 4
            assert buffer.raw == b"data"
    finally:
        os.close(writer)
        os.close(reader)


def test_the_array_holds_the_addresses_of_the_blocks_whatever_comes_and_goes() -> None:
    chance = random.Random(7)
    waiting: WaitList[ControlBlock] = WaitList()
    alive: list[ControlBlock] = []
    for _ in range(1000):
        if alive and chance.random() < 0.35:
            gone = alive.pop(chance.randrange(len(alive)))
            waiting.remove(gone)
            assert gone.place == -1
        else:
            made = ControlBlock()
            alive.append(made)
            waiting.add(made)
        pointers = waiting._pointers[: len(waiting.blocks)]
        assert pointers == [ctypes.addressof(each) for each in waiting.blocks]
        assert [each.place for each in waiting.blocks] == list(range(len(alive)))
    assert len(alive) > WaitList.BATCH  # so that the array has grown


def test_an_operation_of_a_closed_descriptor_fails_by_itself() -> None:
    """The call that begins it does not."""
    made = block(2**30, ctypes.create_string_buffer(1))
    aio.read(made)
    awaited(made)
    with pytest.raises(OSError, match="aio: Bad file descriptor"):
        aio.result(made)


def test_a_wait_ends_with_its_time_or_by_a_signal() -> None:
    reader, writer = os.pipe()
    buffer = ctypes.create_string_buffer(1)
    made = block(reader, buffer)
    aio.read(made)
    waiting: WaitList[ControlBlock] = WaitList()
    waiting.add(made)
    assert not waiting.suspend(0.0)
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)  # again, should it come too early
        assert not waiting.suspend(600.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        os.write(writer, b"x")  # or glibc's thread would read on
        awaited(made)
        assert aio.result(made) == 1
        os.close(reader)
        os.close(writer)
