"""A path beneath a folder, without symbolic links: `current -> /srv/site/releases/5`.

Relative links are followed as the kernel would, and may never rise above the folder, not
even to come back.  An absolute link counts as inside if what it leads to lies there, by the
kernel's own record (proc_pid_fd(5)), reached by whatever other path.

Assumption.   None: the result is a proposal.  The caller opens it beneath the folder
              and without trust, so a link that is swapped meanwhile leads nowhere.
"""

from __future__ import annotations

import errno
import os

MOST_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


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
        raise leads_out() from None  # and what is there is nobody's business
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
