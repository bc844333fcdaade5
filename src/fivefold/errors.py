"""Every exception that Fivefold raises on purpose.

One tree, so that an embedding program can catch `FivefoldError` and nothing else.
An error that a client should see carries its HTTP status on the class or the
instance; an error that a user should see says what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class FivefoldError(Exception):
    """The root of the tree."""


class Interruption(BaseException):
    """Raised by a handler of ours for a signal, wherever its thread is; no fault of the code
    that is interrupted, so that an edge which takes what foreign code raises must let it pass."""


class SettingsError(FivefoldError):
    """A setting is wrong; the message names it and the remedy."""


class BindError(FivefoldError):
    """A listening address cannot be had; the message names it and the remedy."""


class Unavailable(FivefoldError):
    """An I/O model cannot run here; the message is the reason."""


class WorkerFailed(FivefoldError):
    """Workers die faster than it makes sense to replace them."""


class ConnectionsCut(FivefoldError):
    """The server has ended as it was told to, but not all connections had by the end of the grace
    time."""


class ApplicationError(FivefoldError):
    """An application cannot be loaded or started; the message says which part, and why."""


class ShutdownCut(FivefoldError):
    """An application's shutdown did not end in its time; what it was about to do is undone."""


class InvalidResponse(FivefoldError):
    """An application's status or fields would break HTTP; the client gets 500."""


class TraceFailed(FivefoldError):
    """A request could not be traced; the message says why and what to do."""


class Interrupted(FivefoldError):
    """Ctrl-C came before there was a result; the message says what was waited for."""


class LoadFailed(FivefoldError):
    """Load could not be made, or told nothing; the message says why and what to do."""


class CompareFailed(FivefoldError):
    """There is nothing to compare; the message says why and what to do."""


class LimitReached(FivefoldError):
    """A limit of the chosen I/O engine or of the system is exhausted (descriptors, threads);
    a request that cannot be answered for it gets 503."""


class PeerGone(FivefoldError):
    """The peer reset the connection or stopped accepting data; no client is left to answer."""


class ClientLeft(FivefoldError, OSError):
    """What an application is told when it sends and its client has left."""


class DeadlineExceeded(FivefoldError):
    """A connection's `deadline` passed while an operation was pending."""


class FileChanged(FivefoldError):
    """A file was written to while it was sent: what the client has may be neither the old nor
    the new content; the connection cannot be kept."""


class FileShrank(FileChanged):
    """A file ended before the promised number of bytes."""


class ProtocolError(FivefoldError):
    """The client broke HTTP/1.1, or asked for what we do not do.

    `status` is the answer; the connection closes after it, because the framing of
    whatever follows is in doubt (RFC 9112, section 9.6). `fields` are added to the answer.
    """

    def __init__(
        self, status: int, detail: str, fields: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.fields = fields


class RequestTimedOut(ProtocolError):
    """An application has not answered in its time (`request_timeout_s`), and its client is not
    kept waiting any longer."""

    def __init__(self) -> None:
        super().__init__(503, "The application has not answered in time.")
