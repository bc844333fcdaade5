"""Descriptors 0 to 2 that were closed, a file without a name, and which pages are in memory."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.linux import page_cache
from fivefold.linux.memory_file import MemoryFile
from fivefold.linux.page_cache import PAGE_BYTES, cached_pages, pages_of, read_cached, refusal

FILLING = """
import os
from fivefold.linux.standard_descriptors import fill_standard_descriptors, was_closed
fill_standard_descriptors()
opened = os.open("/etc/hostname", os.O_RDONLY)
where = [os.readlink(f"/proc/self/fd/{n}") for n in range(3)]
inherited = [os.get_inheritable(n) for n in range(3)]
os.write(int(os.environ["ANSWER"]), repr(
    (opened, where, inherited, [was_closed(n) for n in range(3)])
).encode())
"""


@pytest.mark.parametrize(
    ("closed", "numbers"), [("2>&-", [2]), ("<&- 2>&-", [0, 2]), ("<&- >&- 2>&-", [0, 1, 2])]
)
def test_what_was_closed_is_null_and_nothing_else_takes_its_place(
    closed: str, numbers: list[int]
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as answers:
        subprocess.run(
            ["/bin/sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, FILLING],
            env={**os.environ, "ANSWER": str(writer)},
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        os.close(writer)
        opened, where, inherited, were = eval(answers.read())
    assert opened > 2
    assert where == [os.devnull] * 3
    assert inherited == [True] * 3
    assert were == [n in numbers for n in range(3)]


def test_a_memory_file_is_closed_with_its_last_reference() -> None:
    made = MemoryFile("of-a-test")
    fd = made.fileno()
    shown = Path(f"/proc/self/fd/{fd}")
    assert str(shown.readlink()).startswith("/memfd:of-a-test")
    assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    again = made
    del made
    assert shown.is_symlink()
    del again
    gc.collect()
    assert not shown.is_symlink()


@given(st.integers(0, 20 * PAGE_BYTES), st.integers(0, 5 * PAGE_BYTES))
def test_the_pages_of_a_range(offset: int, count: int) -> None:
    assert pages_of(offset, count) == len(
        {byte // PAGE_BYTES for byte in (*range(offset, offset + count, 512), offset + count - 1)}
        if count
        else ()
    )


def test_what_was_just_written_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10 * PAGE_BYTES))
    with path.open("rb") as file:
        buffer = bytearray(100)
        assert read_cached(file.fileno(), 10 * PAGE_BYTES - 50, buffer) == 50
        assert read_cached(file.fileno(), 10 * PAGE_BYTES, buffer) == 0
        try:
            found = cached_pages(file.fileno(), PAGE_BYTES, 3 * PAGE_BYTES)
        except OSError as error:
            assert "cachestat(2)" in refusal(error)
        else:
            assert found == 3


def test_two_memory_files_of_one_name_are_two_and_a_fork_shares_them() -> None:
    first, second = MemoryFile("same"), MemoryFile("same")
    pid = os.fork()
    if pid == 0:
        os.write(first.fileno(), b"from the child")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.pread(first.fileno(), 100, 0) == b"from the child"
    assert os.pread(second.fileno(), 100, 0) == b""


def test_no_memory_file_without_a_descriptor() -> None:
    with no_descriptor_left(), pytest.raises(OSError, match="Too many open files"):
        MemoryFile("one too many")


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """The lowest number that is free is the first that is refused."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_where_a_read_cannot_be_asked_not_to_wait_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"there")
    monkeypatch.setattr(page_cache, "CAN_TELL", False)
    with path.open("rb") as file, pytest.raises(BlockingIOError, match="RWF_NOWAIT"):
        read_cached(file.fileno(), 0, bytearray(5))


def test_a_file_system_that_does_not_know_the_flag_is_read_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"there")
    plain = os.preadv

    def refused(fd: int, buffers: list[bytearray], offset: int, *flags: int) -> int:
        if flags:
            raise OSError(errno.EOPNOTSUPP, "it has no such flag")
        return plain(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", refused)
    with path.open("rb") as file:
        buffer = bytearray(5)
        assert read_cached(file.fileno(), 0, buffer) == 5
        assert buffer == b"there"


def test_other_errors_of_a_read_are_its_own() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="Illegal seek"):
            read_cached(reader, 0, bytearray(1))
        with pytest.raises(OSError, match="Bad file descriptor"):
            read_cached(2**30, 0, bytearray(1))
    finally:
        os.close(reader)
        os.close(writer)


def test_a_refusal_says_what_would_help() -> None:
    with pytest.raises(OSError, match="cachestat") as caught:
        cached_pages(2**30, 0, 1)
    said = refusal(caught.value)
    assert said.startswith("cachestat(2)")
    assert refusal(OSError(errno.ENOSYS, "")) == page_cache.REFUSALS[errno.ENOSYS]
    assert refusal(OSError(errno.EPERM, "")) == page_cache.REFUSALS[errno.EPERM]
    assert refusal(OSError(errno.EIO, "its disk is broken")) == "cachestat(2): its disk is broken"
