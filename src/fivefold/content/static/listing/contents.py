"""What is in a folder that has no index.html: `--listing`, as HTML or, by Accept, as JSON.

Names are read and sorted at once, beside an event loop in a thread; what each of them is (a
system call each) is looked up in batches, and each batch is sent before the next, so that a
folder of any size takes little memory and never holds up other connections for long.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from itertools import islice

from ....http1.exchange import Exchange
from ....http1.response import Fields, ResponseHead
from ...application.thread_pool import Threads, called
from ..files.beneath import open_inside
from ..paths import is_hidden
from ..representations.codings import weights
from .forms import Html, Json, ListedItem

BATCH = 256
"""Names that are looked up in one go: about half a millisecond."""

ACCEPT = re.compile(rb"\r\n(?i:accept):[ \t]*([^\r]*)")


class Listing:
    """One folder, opened; closes it."""

    def __init__(
        self, root: int, path: bytes, shown_as: bytes, fields: Fields, threads: Threads | None
    ) -> None:
        """`path` is relative to `root`, `shown_as` what the client asked for; `threads` as for
        `Variants`. Raises OSError.
        """
        self._shown_as = shown_as
        self._fields = fields
        self._threads = threads
        self._root = root
        self._path = path
        self._folder = open_inside(root, path or b".")

    def close(self) -> None:
        os.close(self._folder)

    async def answer(self, exchange: Exchange) -> None:
        form = Json() if wants_json(exchange.request_head) else Html(self._shown_as)
        fields = [(b"Content-Type", form.media_type), (b"Vary", b"Accept"), *self._fields]
        exchange.start(ResponseHead(200, fields))
        await exchange.write(form.opening(), more=True)
        if exchange.silent:
            return await exchange.write(b"", more=False)
        io = exchange.conn.io
        found = await called(self._threads, io, partial(sorted_names, self._folder))
        names = iter(found)
        while batch := list(islice(names, BATCH)):
            rows = b"".join([form.row(item) for item in self._items(batch)])
            await exchange.write(rows, more=True)
            await io.sleep(0)
        return await exchange.write(form.closing(), more=False)

    def _items(self, names: list[bytes]) -> Iterator[ListedItem]:
        for name in names:
            try:
                status = self._status(name)
            except OSError:
                continue  # it has gone meanwhile, or leads out of the folder
            kind = stat.S_IFMT(status.st_mode)
            if kind in (stat.S_IFREG, stat.S_IFDIR):
                yield ListedItem(name, kind == stat.S_IFDIR, status.st_size, status.st_mtime)

    def _status(self, name: bytes) -> os.stat_result:
        status = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return status
        fd = open_inside(self._root, self._path + name)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)


def sorted_names(folder: int) -> list[bytes]:
    """Folders first, then by name without regard to case; only what a target can name."""
    with os.scandir(folder) as found:
        names = [
            (not entry.is_dir(follow_symlinks=False), os.fsencode(entry.name)) for entry in found
        ]
    names.sort(key=lambda pair: (pair[0], pair[1].lower(), pair[1]))
    return [name for _, name in names if not is_hidden(name) and b"\\" not in name]


def wants_json(head: bytes) -> bool:
    """Whether JSON is named, and HTML is not named as more welcome."""
    given = weights(b",".join(ACCEPT.findall(head)))
    return given.get(b"application/json", 0.0) > given.get(b"text/html", 0.0)
