"""A request body received whole, before an application is called.

So a slow client never holds an application: it is called when everything it may read is
here.  In memory up to a bound, then in a temporary file, which has no name and vanishes
with its descriptor.
"""

from __future__ import annotations

import tempfile
from io import BytesIO
from typing import IO, Any

from ..http1.body import Body

IN_MEMORY_BYTES = 1_048_576
"""As much as fits beside a few hundred connections without anybody noticing."""


class NoBody(BytesIO):
    """The body of a request that has none; one for all, so nobody can close it."""

    def close(self) -> None:
        pass


NO_BODY: Any = NoBody()


async def received(body: Body | None) -> IO[bytes]:
    """A file at its start. Raises `ProtocolError` (408, 413, 400), `PeerGone`."""
    if body is None:
        return NO_BODY  # type: ignore[no-any-return]
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
    try:
        while data := await body.read():
            file.write(data)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file
