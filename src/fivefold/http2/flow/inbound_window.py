"""How much clients may still send on a connection, where the library loses count.

Facts.        A DATA frame counts against the window as it comes, byte by byte, and ngh2 gives it to
              us when it is whole.  Where its stream ends in the middle of it (we reset what was
              answered early; the body is not as long as it said), ngh2 drops what has come of the
              frame, and nobody can give that back: up to 16 KiB for each such upload, and after 60
              of them no client could upload anything on that connection.
              libnghttp2 sends a WINDOW_UPDATE when half of the window has been read.
Choice.       What has come and is not open again is one of four: read, and less than half of the
              window; kept here until content reads it (`unread`, which we count); the beginning of
              one frame; or lost.  What exceeds the other three at their largest is certainly lost,
              and is given back: by a window that is larger by that, and at once as small as before.
Assumption.   Nobody but `Framing.came` and `read` counts; a frame has 16 KiB at most, since we
              allow no larger ones.  Where we counted too few as unread, clients could send more
              ahead than `CONNECTION_WINDOW_BYTES`, never less.
Cost.         Half of the window is open for certain, not all of it, on a connection with such
              uploads.  Nothing where none is answered early.
"""

from __future__ import annotations

from typing import Protocol

CONNECTION_WINDOW_BYTES = 1_048_576
"""What clients may send ahead on all streams of a connection: what their content has not read is
kept here."""

FRAME_BYTES = 16_384
"""The largest frame that clients may send (RFC 9113, section 6.5.2)."""

MOST_BYTES = 2**30
"""As much as may be lost on one connection, by 65,000 uploads: the library counts in 31 bits."""


class LibrarySession(Protocol):
    """Of `ngh2.Connection`."""

    @property
    def local_window_size(self) -> int: ...
    def set_local_window_size(self, window_size: int) -> None: ...
    def send_shutdown_notice(self) -> None: ...


class InboundWindow:
    """Of one connection."""

    def __init__(self, session: LibrarySession) -> None:
        self._session = session
        self._lost = 0
        self.unread = 0
        """Bytes that have come and wait for content."""

    def look(self) -> None:
        """Give back what has certainly been lost until now. Raises what the library raises."""
        session = self._session
        taken = CONNECTION_WINDOW_BYTES - session.local_window_size
        lost = taken - CONNECTION_WINDOW_BYTES // 2 - self.unread - FRAME_BYTES
        if lost <= 0:
            return
        if self._lost > MOST_BYTES:
            session.send_shutdown_notice()  # its client goes on with a new connection
        else:
            # The library keeps what a window was made smaller by, and takes that back first when
            # it is made larger: so by all that has ever been lost.
            self._lost += lost
            session.set_local_window_size(CONNECTION_WINDOW_BYTES + self._lost)
            session.set_local_window_size(CONNECTION_WINDOW_BYTES)
