"""Why a file cannot be sent, as HTTP says it.

Only what the kernel calls "no such file" is 404: caches and search engines believe it.
What passes by itself is 503, and a disk that fails is 500, with a line in the log.
"""

from __future__ import annotations

import errno

from ...isolation.reporting import logger

log = logger("fivefold.static")

FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED = 403, 404, 405
FAILED, BUSY = 500, 503

RETRY = (b"Retry-After", b"1")
"""A second: what is written now will then have been written, descriptors are back."""

STATUS_OF = {
    errno.ENOENT: NOT_FOUND,
    errno.ENOTDIR: NOT_FOUND,
    errno.ELOOP: NOT_FOUND,
    errno.ENAMETOOLONG: NOT_FOUND,
    errno.EXDEV: NOT_FOUND,  # a symbolic link that leads out of the folder
    errno.EILSEQ: NOT_FOUND,  # a name that this file system cannot hold
    errno.EINVAL: NOT_FOUND,  # the same, on exFAT
    errno.EISDIR: NOT_FOUND,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.ENXIO: FORBIDDEN,  # a socket
    errno.ENODEV: FORBIDDEN,  # a device without a driver
    errno.EMFILE: BUSY,
    errno.ENFILE: BUSY,
    errno.ENOMEM: BUSY,
    errno.EAGAIN: BUSY,
    errno.EBUSY: BUSY,
    errno.EINTR: BUSY,
    errno.ESTALE: BUSY,  # NFS: it was replaced while we looked
    errno.ETIMEDOUT: BUSY,
}
"""Whatever else there is, is a failure of this machine."""


def status_of(path: bytes, error: OSError) -> int:
    """The status for what opening or reading `path` has raised."""
    status = STATUS_OF.get(error.errno or 0, FAILED)
    if status == FAILED:
        log.error("cannot read %r: %s", path, error)
    return status
