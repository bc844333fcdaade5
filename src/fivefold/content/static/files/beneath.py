"""Opening a file beneath a folder, on every kernel.

openat2(2) refuses in the kernel whatever leads out.  Where it is missing (before Linux
5.6, or forbidden by a container) we open first and look afterwards where the descriptor
really is: that cannot be outrun either, and opening alone, with O_NONBLOCK, does no harm.

openat2 also refuses every absolute link, even one that leads to another place inside.  So
what it calls "outside" is looked at once more, link by link, and the path without links is then
opened by the same call: what was looked at is never trusted, and a link that is swapped
meanwhile leads nowhere.

A path without links (`without_links`): relative links are followed as the kernel would, and may
never rise above the folder, not even to come back.  An absolute link counts as inside if what it
leads to lies there, by the kernel's own record (proc_pid_fd(5)), reached by whatever other path.
"""

from __future__ import annotations

import errno
import os

from ....linux.openat2 import open_beneath

FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

MISSING = (errno.ENOSYS, errno.EPERM)
"""openat2 itself is not there; EPERM is what a seccomp profile says. openat(2) tells apart."""

TRIES = 16
"""While anything on the machine is renamed, a walk over `..` fails with EAGAIN up to once in
five times (measured); after so many the other way decides, which does not know EAGAIN."""


MOST_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


def open_inside(folder: int, path: bytes) -> int:
    """Open the relative `path` for reading. Raises OSError; EXDEV if it leads out."""
    try:
        return opened(folder, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    return opened(folder, without_links(folder, path))


def opened(folder: int, path: bytes) -> int:
    """The same, but that every absolute link counts as leading out."""
    for _ in range(TRIES):
        try:
            return open_beneath(folder, path, FLAGS)
        except OSError as error:
            if error.errno in MISSING:
                break
            if error.errno != errno.EAGAIN:
                raise
    fd = os.open(path, FLAGS, dir_fd=folder)
    try:
        if is_beneath(place(fd), place(folder)):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    raise leads_out()


def without_links(folder: int, path: bytes) -> bytes:
    """Raises OSError; EXDEV if it leads out, ELOOP for too many links."""
    ahead, done, links = path.split(b"/")[::-1], list[bytes](), 0
    while ahead:
        name = ahead.pop()
        if name == b"..":
            if not done:
                raise leads_out()
            done.pop()  # no link: these are followed as they come
        elif name not in (b"", b"."):
            text = link(folder, b"/".join([*done, name]))
            if text is None:
                done.append(name)
                continue
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if text.startswith(b"/"):
                text, done = beneath(folder, text), []
            ahead += text.split(b"/")[::-1]
    found = b"/".join(done) or b"."
    return found + b"/" if path.endswith(b"/") else found  # which says that a folder is meant


def link(folder: int, path: bytes) -> bytes | None:
    """What a symbolic link says; None for what is none. Raises OSError."""
    try:
        return os.readlink(path, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None


def beneath(folder: int, absolute: bytes) -> bytes:
    """Where an absolute path leads to, relative to the folder. Raises OSError.

    O_PATH opens nothing: whatever lies outside does not notice (open(2)).
    """
    root = place(folder)
    try:
        fd = os.open(absolute, os.O_PATH | os.O_CLOEXEC)
    except PermissionError:
        if is_beneath(absolute, root):
            raise
        raise leads_out() from None  # and what is there is no client's business
    try:
        real = place(fd)
    finally:
        os.close(fd)
    if not is_beneath(real, root):
        raise leads_out()
    return real[len(root) :].lstrip(b"/")


def place(fd: int) -> bytes:
    """Where the kernel has found what is open. Raises OSError without /proc."""
    return os.readlink(b"/proc/self/fd/%d" % fd)  # noqa: PTH115 - a path of bytes


def is_beneath(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def leads_out() -> OSError:
    return OSError(errno.EXDEV, "leads out of the folder")
