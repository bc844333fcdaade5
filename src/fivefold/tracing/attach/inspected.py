"""The processes of a running server and what they do: the asker's side of the control socket."""

from __future__ import annotations

import json
from typing import Any

from ...errors import TraceFailed
from ...isolation.foreign_documents import json_of
from ..control.pipe import READ_BYTES
from ..control.rendezvous import connected


def asked(pid: int, what: dict[str, Any]) -> bytes:
    """All that the control process of a server answers. Raises `TraceFailed`."""
    sock, _ = connected(pid)
    with sock:
        try:
            sock.sendall(json.dumps(what).encode() + b"\n")
            return b"".join(iter(lambda: sock.recv(READ_BYTES), b""))
        except OSError as error:
            raise TraceFailed(f"process {pid} does not answer: {error}") from None


def inspected(pid: int) -> list[dict[str, Any]]:
    """What all processes of a server do (`inspection.merging`). Raises `TraceFailed`."""
    line = asked(pid, {"do": "inspect"})
    if not line.endswith(b"\n"):
        raise TraceFailed(f"process {pid} has ended, or is an older server")
    try:
        processes: list[dict[str, Any]] = json_of(line)
    except ValueError as error:
        raise TraceFailed(f"process {pid} answers what cannot be read: {error}") from None
    return processes
