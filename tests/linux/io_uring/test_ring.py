"""The two queues of io_uring by themselves: full ones, the ring's edge, time, foreign threads."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux.io_uring import abi, queues
from fivefold.linux.io_uring.queues import (
    BYTES_HEADER,
    BufferRing,
    Ring,
    address_of,
    bytes_are_where_expected,
)
from support.ring_features import DETECTED, needs, needs_a_ring

pytestmark = needs_a_ring

FLAGS = DETECTED.setup_flags()
SMALL = 4


@pytest.fixture
def ring() -> Iterator[Ring]:
    """As small as can be, so that its edges are near."""
    made = Ring(SMALL, 2 * SMALL, FLAGS)
    yield made
    made.close()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "data").write_bytes(bytes(range(256)))
    fd = os.open(tmp_path / "data", os.O_RDONLY)
    yield fd
    os.close(fd)


def read(ring: Ring, fd: int, user_data: int, into: bytearray, offset: int) -> None:
    ring.push(
        abi.sqe_word(abi.OP_READ, fd),
        user_data,
        address=address_of(into),
        length=len(into),
        offset=offset,
    )


def test_more_than_fits_is_submitted_on_the_way_and_completes_once(ring: Ring, data: int) -> None:
    buffers = [bytearray(8) for _ in range(50)]
    found: dict[int, int] = {}
    for number, buffer in enumerate(buffers):
        read(ring, data, number, buffer, number)
        if number % (2 * SMALL) == 0:  # so that no completion has to be kept by the kernel
            ring.enter(0, 0.0)
            found.update({user: result for user, result, _ in ring.completions()})
    while len(found) < len(buffers):
        ring.enter(1, 10.0)
        found.update({user: result for user, result, _ in ring.completions()})
    assert found == dict.fromkeys(range(50), 8)
    assert [bytes(b) for b in buffers] == [bytes(range(n, n + 8)) for n in range(50)]
    assert ring.submitted == ring.completed == ring.known == 50


def test_what_came_last_can_be_looked_at_again(ring: Ring, data: int) -> None:
    buffer = bytearray(8)  # which the kernel writes to: it must live until the completion
    read(ring, data, 7, buffer, 0)
    ring.enter(1, 10.0)
    assert list(ring.completions()) == list(ring.latest()) == [(7, 8, 0)]
    assert list(ring.completions()) == []


def test_a_wait_ends_with_its_time(ring: Ring) -> None:
    ring.enter(1, 0.001)  # nothing is pending: only the time can end it
    assert list(ring.completions()) == []


def test_errors_are_results(ring: Ring) -> None:
    buffer = bytearray(8)
    read(ring, -1, 1, buffer, 0)
    ring.enter(1, 10.0)
    assert list(ring.completions()) == [(1, -errno.EBADF, 0)]


@needs("deferred")
def test_another_thread_is_refused(ring: Ring) -> None:
    raised: list[int | None] = []

    def other() -> None:
        try:
            ring.enter(0, 0.0)
        except OSError as error:
            raised.append(error.errno)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert raised == [errno.EEXIST]


class Socket:
    """What `push_bytes` knows of a socket."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.send_word = abi.sqe_word(abi.OP_SEND, sock.fileno())
        self.send_user_data = number


def test_bytes_are_sent_from_where_they_lie(ring: Ring) -> None:
    assert bytes_are_where_expected()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        parts = [b"%d," % number * 100 for number in range(3 * SMALL)]
        ring.push_bytes([(Socket(ours, n), part) for n, part in enumerate(parts)], 0)
        found: list[tuple[int, int, int]] = []
        while len(found) < len(parts):
            ring.enter(1, 10.0)
            found += ring.completions()
        assert found == [(n, len(part), 0) for n, part in enumerate(parts)]
        whole = b"".join(parts)
        assert theirs.recv(len(whole), socket.MSG_WAITALL) == whole
    assert bytes.__basicsize__ - 1 == BYTES_HEADER


@needs("buffer_ring")
def test_the_kernel_takes_a_buffer_and_gets_it_back(ring: Ring) -> None:
    buffers = BufferRing(ring, group=3, count=2, size=16)
    ours, theirs = socket.socketpair()
    word = abi.sqe_word(abi.OP_RECV, ours.fileno(), flags=abi.SQE_BUFFER_SELECT)
    with ours, theirs:
        for number in range(10):  # more often than there are buffers
            theirs.send(b"message %d" % number)
            ring.push(word, number, length=16, group=3)
            ring.enter(1, 10.0)
            ((user, result, flags),) = ring.completions()
            which = flags >> abi.CQE_BUFFER_SHIFT
            assert user == number
            assert flags & abi.CQE_BUFFER
            assert buffers.memory[which * 16 : which * 16 + result] == b"message %d" % number
            buffers.give_back([which])
        for number in range(2):
            theirs.send(b"kept")
            ring.push(word, number, length=16, group=3)
            ring.enter(1, 10.0)
            list(ring.completions())
        theirs.send(b"none is left")
        ring.push(word, 99, length=16, group=3)
        ring.enter(1, 10.0)
        assert list(ring.completions()) == [(99, -errno.ENOBUFS, 0)]
    ring.close()
    buffers.close()


def test_closing_twice_is_closing_once() -> None:
    before = len(os.listdir("/proc/self/fd"))
    ring = Ring(SMALL, 2 * SMALL, FLAGS)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    ring.close()
    ring.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_kernel_says_what_it_can(ring: Ring) -> None:
    known = ring.supported()
    assert {abi.OP_READ, abi.OP_SEND, abi.OP_RECV, abi.OP_ACCEPT, abi.OP_POLL_ADD} <= known
    assert 255 not in known


def open_descriptors() -> set[str]:
    links = {Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
    return {str(link.readlink()) for link in links if link.is_symlink()}


def test_without_a_descriptor_there_is_no_ring() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(OSError, match="io_uring_setup: Too many open files"):
            Ring(SMALL, 2 * SMALL, FLAGS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_ring_that_cannot_be_mapped_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(open_descriptors())
    monkeypatch.setattr(queues, "_map", lambda *_: ctypes.c_void_p(-1).value)
    ctypes.set_errno(errno.ENOMEM)
    with pytest.raises(OSError, match="mmap of an io_uring: Cannot allocate memory"):
        Ring(SMALL, 2 * SMALL, FLAGS)
    assert sorted(open_descriptors()) == before


def test_what_cannot_be_registered_is_given_back(ring: Ring) -> None:
    with pytest.raises(OSError, match="io_uring_register: Invalid argument"):
        BufferRing(ring, 0, 3, 4096)  # no power of two
    with pytest.raises(OSError, match="io_uring_register: Invalid argument"):
        ring.register(10_000, 0, 0)
    ring.close()
    with pytest.raises(OSError, match="io_uring_register: "):
        ring.supported()


def test_a_closed_ring_touches_no_memory_that_is_not_mapped(ring: Ring) -> None:
    ring.close()
    with pytest.raises(ValueError, match="released memoryview"):
        ring.enter(0, 0.0)
    with pytest.raises(TypeError, match="not memoryview"):
        ring.push(0, 0)
    with pytest.raises(ValueError, match="released memoryview"):
        ring.completions()
