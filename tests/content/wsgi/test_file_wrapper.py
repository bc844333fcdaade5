"""`wsgi.file_wrapper`: only what the descriptor holds is left to the kernel."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fivefold.content.wsgi.file_wrapper import FileWrapper

TEXT = b"0123456789" * 30_000


def plain(path: Path) -> Any:
    path.write_bytes(TEXT)
    return path.open("rb")


def read_ahead(path: Path) -> Any:
    """Its buffer has read more than was asked for."""
    path.write_bytes(b"abc" + TEXT)
    file = path.open("rb")
    assert file.read(3) == b"abc"
    return file


def unbuffered(path: Path) -> Any:
    path.write_bytes(b"abc" + TEXT)
    file = path.open("rb", buffering=0)
    file.seek(3)
    return file


def unwritten(path: Path) -> Any:
    """Something of it is in the process only."""
    file = path.open("w+b")
    file.write(TEXT)
    file.write(b"end")
    file.seek(0)
    file.write(b"9")
    file.seek(-len(TEXT) - 3, os.SEEK_END)
    file.write(b"0")
    file.seek(0)
    file.write(TEXT[:1])
    file.seek(0)
    return file


def named(path: Path) -> Any:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the wrapper closes it
    file.write(TEXT)
    file.seek(0)
    return file


def nameless(path: Path) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(TEXT)
    file.seek(0)
    return file


BY_DESCRIPTOR: list[Callable[[Path], Any]] = [
    *(plain, read_ahead, unbuffered, unwritten, named, nameless)
]


def gzipped(path: Path) -> Any:
    path.write_bytes(gzip.compress(TEXT))
    return gzip.open(path)


def bzipped(path: Path) -> Any:
    path.write_bytes(bz2.compress(TEXT))
    return bz2.open(path)


def xzipped(path: Path) -> Any:
    path.write_bytes(lzma.compress(TEXT))
    return lzma.open(path)


def zipped(path: Path) -> Any:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", TEXT)
    with zipfile.ZipFile(path) as archive:
        return archive.open("member")


class Upper(io.BufferedReader):
    def read(self, size: int | None = -1) -> bytes:
        return super().read(size).replace(b"x", b"0")


def derived(path: Path) -> Any:
    path.write_bytes(TEXT.replace(b"0", b"x"))
    return Upper(io.FileIO(path))


class Decrypting(io.FileIO):
    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        buffer[:count] = bytes(byte ^ 1 for byte in buffer[:count])
        return count


def over_a_derived_one(path: Path) -> Any:
    path.write_bytes(bytes(byte ^ 1 for byte in TEXT))
    return io.BufferedReader(Decrypting(path))


class Borrowed:
    """Has the descriptor of something else."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"something else")
        self._file = path.open("rb")
        self._body = io.BytesIO(TEXT)
        self.read = self._body.read

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def spooled(path: Path) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=10)  # noqa: SIM115
    file.write(TEXT)
    file.seek(0)
    return file


BY_READING: list[Callable[[Path], Any]] = [
    *(gzipped, bzipped, xzipped, zipped, derived, over_a_derived_one, Borrowed, spooled)
]


def body(wrapper: FileWrapper) -> bytes:
    """As the kernel would send it, or as it is read."""
    part = wrapper.part()
    if part is None:
        return b"".join(wrapper)
    return os.pread(part.file.fd, part.count, part.offset)


@pytest.mark.parametrize("made", [*BY_DESCRIPTOR, *BY_READING])
def test_what_is_sent_is_what_read_returns(made: Callable[[Path], Any], tmp_path: Path) -> None:
    wrapper = FileWrapper(made(tmp_path / "file"))
    try:
        assert body(wrapper).removesuffix(b"end") == TEXT
    finally:
        wrapper.close()


@pytest.mark.parametrize("made", BY_DESCRIPTOR)
def test_plain_files_are_left_to_the_kernel(made: Callable[[Path], Any], tmp_path: Path) -> None:
    wrapper = FileWrapper(made(tmp_path / "file"))
    try:
        assert wrapper.part() is not None
    finally:
        wrapper.close()


def test_a_file_whose_size_says_nothing_is_read() -> None:
    with Path("/proc/self/cmdline").open("rb") as file:
        wrapper = FileWrapper(file)
        assert wrapper.part() is None
        assert b"".join(wrapper) == Path("/proc/self/cmdline").read_bytes() != b""


def test_a_file_of_no_blocks_is_read(tmp_path: Path) -> None:
    """So are those of /sys, whose size is a page and says nothing either."""
    with (tmp_path / "sparse").open("w+b") as file:
        file.truncate(100_000)
        wrapper = FileWrapper(file)
        assert wrapper.part() is None
        assert b"".join(wrapper) == bytes(100_000)


def test_a_pipe_is_read() -> None:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"through a pipe")
    os.close(write_fd)
    wrapper = FileWrapper(os.fdopen(read_fd, "rb"))
    assert body(wrapper) == b"through a pipe"
    wrapper.close()


def test_no_more_is_read_than_was_declared() -> None:
    source = io.BytesIO(b"0123456789")
    wrapper = FileWrapper(source, 4)
    assert list(wrapper.blocks(6)) == [b"0123", b"45"]
    assert source.tell() == 6
    assert list(wrapper.blocks(100)) == [b"6789"]
