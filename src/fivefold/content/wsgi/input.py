"""A request body received whole, before an application is called.

So a slow client never holds an application: it is called when everything it may read is
here.  In memory up to a bound, then in a temporary file, which has no name and vanishes
with its descriptor.

The folder is named, since `tempfile` takes the first that a process can write to when it looks:
bodies would go elsewhere, unseen, where a disk was full at that moment.

Assumption.  The folder for temporary files (`TMPDIR`) takes what it is given, and at once:
             under `async` it is the event loop that writes, 16 KiB in some 20 us as long as
             the kernel's page cache has room.  A full disk, or none, is answered with 507 or
             500; a slow one, once the page cache may not grow, holds up all clients (docs/wsgi.md).
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import IO, Any

from ...errors import ProtocolError
from ...http1.body import Body
from ...isolation.reporting import logger, report

log = logger("fivefold.wsgi")

IN_MEMORY_BYTES = 1_048_576
"""As much as fits beside a few hundred connections without being noticed."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The disk, or what this user or process may write, is exhausted (write(2))."""


NAMED, USUAL = ("TMPDIR", "TEMP", "TMP"), ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108
"""Variables that name the folder, and the folders where there is none, as `tempfile` has them."""


class NoBody(BytesIO):
    """The body of a request that has none; one for all, so it cannot be closed or written to."""

    def close(self) -> None:
        pass

    def write(self, _: Any) -> int:
        raise OSError(errno.EBADF, "wsgi.input is to be read")

    def writelines(self, _: Any) -> None:
        self.write(b"")

    def truncate(self, _: Any = None) -> int:
        return self.write(b"")


NO_BODY: Any = NoBody()


async def received(body: Body | None) -> IO[bytes]:
    """A file at its start.

    Raises `ProtocolError` (408, 413, 400; 507 if there is no room for it, 500 if it cannot be
    kept for another reason), `PeerGone`.
    """
    if body is None:
        return NO_BODY  # type: ignore[no-any-return]
    file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=spool_folder())  # noqa: SIM115
    try:
        while data := await body.read():
            kept(file.write, data)
        kept(file.seek, 0)  # which writes what is still in its buffer
    except BaseException:
        abandon(file)
        raise
    return file


@cache
def spool_folder() -> str:
    """Where bodies go, for the life of this process: full or not, there or not."""
    named = (os.environ.get(name) for name in NAMED)
    usual = (folder for folder in USUAL if os.access(folder, os.W_OK | os.X_OK))
    return next(filter(None, named), None) or next(usual, os.curdir)


def kept(operation: Callable[[Any], Any], argument: Any) -> None:
    """Raises `ProtocolError` instead of the error of a disk, and says it in the log."""
    try:
        operation(argument)
    except OSError as error:
        report(log, "the body of a request cannot be kept in a temporary file: %s", error)
        if error.errno in FULL:
            raise ProtocolError(507, "The server has no room for the body.") from None
        raise ProtocolError(500, "") from None


def abandon(file: IO[bytes]) -> None:
    try:
        file.close()
    except OSError:
        pass  # what it had not written yet, to a full disk; the descriptor is given back
