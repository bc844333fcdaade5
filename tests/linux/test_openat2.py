"""openat2(2): what lies outside of the folder is refused by the kernel, in the walk itself."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux.openat2 import SYS_OPENAT2, open_beneath
from support.servers.deployed import until


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """A folder with a file, links that stay and links that leave; a file by its side."""
    (tmp_path / "outside").write_text("outside")
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    (root / "file").write_text("inside")
    (root / "stays").symlink_to("below/../file")
    (root / "leaves").symlink_to("../outside")
    (root / "absolute").symlink_to(root / "file")
    (root / "loop").symlink_to("loop")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("path", [b"file", b"below/../file", b"./file", b"stays"])
def test_what_lies_inside_is_opened(folder: int, path: bytes) -> None:
    fd = open_beneath(folder, path, os.O_RDONLY)
    try:
        assert os.read(fd, 10) == b"inside"
        assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"../outside", errno.EXDEV),
        (b"below/../../outside", errno.EXDEV),
        (b"leaves", errno.EXDEV),
        (b"absolute", errno.EXDEV),
        (b"/etc/hostname", errno.EXDEV),
        (b"loop", errno.ELOOP),
        (b"file/", errno.ENOTDIR),
        (b"missing", errno.ENOENT),
        (b"a" * 256, errno.ENAMETOOLONG),
    ],
)
def test_what_does_not_is_refused(folder: int, path: bytes, number: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="openat2") as caught:
        open_beneath(folder, path, os.O_RDONLY)
    assert caught.value.errno == number
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("path", [b"exe", b"cwd", b"fd/0"])
def test_a_link_that_is_no_path_is_refused(path: bytes) -> None:
    """Those of proc(5) jump to an open file: an absolute link is refused for what it says, these
    for what they are."""
    folder = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="openat2") as caught:
            open_beneath(folder, path, os.O_RDONLY)
        assert caught.value.errno == errno.ELOOP
    finally:
        os.close(folder)


def test_a_signal_does_not_end_an_open_that_waits(tmp_path: Path) -> None:
    """PEP 475, by hand: a FIFO is opened when somebody writes to it."""
    os.mkfifo(tmp_path / "fifo")
    folder = os.open(tmp_path, os.O_RDONLY)
    came: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: came.append(number))
    opening = threading.get_native_id()

    def disturb() -> None:
        until(lambda: is_opening(opening), "an open that waits")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
        until(lambda: came and is_opening(opening), "an open that waits again")
        os.close(os.open(tmp_path / "fifo", os.O_WRONLY))

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        found = open_beneath(folder, b"fifo", os.O_RDONLY)
        assert not os.get_inheritable(found)
        os.close(found)
        assert came == [signal.SIGUSR2]
    finally:
        disturbing.join()
        signal.signal(signal.SIGUSR2, before)
        os.close(folder)


def is_opening(thread: int) -> bool:
    """Whether it is in openat2(2) now (proc(5))."""
    said = Path(f"/proc/self/task/{thread}/syscall").read_text().split()
    return said[0] == str(SYS_OPENAT2)


def test_a_refusal_leaves_no_descriptor(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        before = len(os.listdir("/proc/self/fd"))
        for path in (b"../outside", b"/etc/passwd", b"missing", b"", b"x" * 300):
            with pytest.raises(OSError, match="openat2: "):
                open_beneath(folder, path, os.O_RDONLY)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        os.close(folder)
    with pytest.raises(OSError, match="Bad file descriptor"):
        open_beneath(folder, b"missing", os.O_RDONLY)
