"""Which servers run here: for a person who asks about the only one, and does not know its number.

Only those of one's own user whose control socket is where it is by default are found, and what
answers there: a socket that a kill -9 has left counts for nothing.  Any other is asked for by its
number.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import TraceFailed
from ..control.rendezvous import connected, folders

LISTED = 8
"""So many are named, at most."""


def server_pids() -> list[int]:
    """The processes of the servers of this user, the youngest last."""
    own = os.getpid()
    sockets = {path for folder in folders(own, os.geteuid()) for path in folder.glob("*.sock")}
    numbers = sorted(int(path.stem) for path in sockets if path.stem.isdecimal())
    return [number for number in numbers if _answers(number)]


def only_server() -> int:
    """The one that runs. Raises `TraceFailed`, which says what to do, if there is not just one."""
    found = server_pids()
    if not found:
        raise TraceFailed(
            "no server of yours runs here: start one with `fivefold serve`, or name its PID"
        )
    if len(found) > 1:
        named = "; ".join(f"{pid} ({_title(pid)})" for pid in found[:LISTED])
        raise TraceFailed(f"{len(found)} servers run here, name the PID of one: {named}")
    return found[0]


def _answers(pid: int) -> bool:
    try:
        sock, number = connected(pid)
    except TraceFailed:
        return False
    sock.close()
    return number == pid


def _title(pid: int) -> str:
    """As `ps` shows it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").split()
    except OSError:
        return "it has just ended"
    return b" ".join(words).decode(errors="replace")
