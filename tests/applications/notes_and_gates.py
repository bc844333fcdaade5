"""What the sample applications share: notes to the test, and gates that it opens."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def folder() -> Path:
    """Where the test keeps its files for us."""
    return Path(os.environ["TEST_FOLDER"])


def note(text: str) -> None:
    """Tell the test that something happened."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), os.fspath(folder() / "notes"))


def wait_at(gate: str) -> None:
    """Block this thread until the test opens the gate."""
    (folder() / gate).open("rb").close()


async def pass_at(gate: str) -> None:
    """Wait at a gate without stopping the loop."""
    await asyncio.get_running_loop().run_in_executor(None, wait_at, gate)


def burn_until(gate: str) -> None:
    """Compute until the test makes a file, as an application does that has much to do."""
    path = folder() / gate
    while not path.exists():
        sum(range(1000))


def record(text: str) -> None:
    """Add a line to what the test reads at the end."""
    with (folder() / "record").open("a") as file:
        file.write(text + "\n")
