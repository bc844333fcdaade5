"""A server around a folder of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from fivefold import Server, Settings

Serve = Callable[..., AbstractContextManager[tuple[str, int]]]


SIZES = {
    "0.bin": 0,
    "1.bin": 1,
    "1k.bin": 1024,
    "64k.bin": 65536,
    "64k+1.bin": 65537,
    "1m.bin": 1_048_576,
    "12m.bin": 12_582_912,
}
"""Around the bound between files kept in memory and files sent from the page cache, and more than
the buffers of both ends keep."""

LARGEST = {"50m.bin": 52_428_800}
"""For those who leave a download, or resume it: what arrives whole in every pair is shorter."""


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[tuple[str, int]]:
    values = {"target": str(folder), "bind": "127.0.0.1:0", "grace_s": 10.0, **settings}
    with Server(Settings.of(values)) as server:
        host, _, port = server.addresses[0].partition("://")[2].rpartition(":")
        yield host, int(port)
