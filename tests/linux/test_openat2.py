"""openat2(2): what lies outside of the folder is refused by the kernel, in the walk itself."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux.openat2 import open_beneath


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
