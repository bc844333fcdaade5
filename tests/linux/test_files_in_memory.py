"""Descriptors 0 to 2 that were closed, a file without a name, and which pages are in memory."""

from __future__ import annotations

import fcntl
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
