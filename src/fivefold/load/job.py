"""What the generator is told to do: groups of clients, and what they ask for.

Data only: a job crosses a pipe to the processes that do it.
"""

from __future__ import annotations

from dataclasses import dataclass

KEEP, CLOSE = "keep-alive", "close"


@dataclass(frozen=True)
class Expected:
    """The answer that is right. None: that part differs from answer to answer."""

    status: int
    length: int | None = None
    digest: bytes | None = None
    """SHA-256 of the body."""


@dataclass(frozen=True, eq=False)  # known by identity: it is looked up for every request
class Ask:
    """One request, ready to be sent, and its right answer (None: none is expected)."""

    data: bytes
    expected: Expected | None


@dataclass(frozen=True)
class Group:
    """Clients that behave alike; `kind` is a word of `client_kinds.KINDS`."""

    kind: str
    count: int
    asks: tuple[Ask, ...]
    rate: float = 0.0
    """Requests a second of the whole group, for those that keep to a rate."""
    after_s: float = 0.0
    """When they begin, for those that act once."""
    first: bool = False
    """Whether it begins, and is answered, before the clock does."""
    counted: bool = True
    """Whether its answers count; clients that are there to be a burden do not."""


@dataclass(frozen=True)
class Job:
    """One run: which clients ask which server, for how long."""

    address: tuple[str, int]
    seconds: float
    groups: tuple[Group, ...]


def request(
    path: str, *, host: str, connection: str = KEEP, method: str = "GET", body: bytes = b""
) -> bytes:
    """The bytes of a request. `path` is as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Connection: {connection}"]
    if body:
        lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
