"""One file as it was when it was last looked at, and what is sent of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from ....errors import FileChanged
from ....iomodels.base import File
from ..representations import validators
from ..representations.precompressed import Siblings

SMALL_BYTES = 65536
"""Up to this size a file is kept in memory with its head; above it sendfile is cheaper."""

ENTRY_BYTES = 4096
"""Of an entry besides its content: its fields, its heads, its path, all objects counted
(measured: 3.1 KB for a file with the usual fields)."""

Answer = bytes | tuple[bytes, int, int]
"""All of a response; or its head, and offset and count of what follows from a large file."""

Identity = tuple[int, int, int, int, int]

Field = tuple[bytes, bytes]


def identity(status: os.stat_result) -> Identity:
    """Changes whenever the content may have changed."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


class Entry:
    """`file` is open for a large file, the content of a small one is `in_memory`. Of a file that
    is offered in several codings there are several entries, told apart by `key`.

    `uses` counts who may still read `file`: the cache, and each response under way.
    """

    __slots__ = (
        *(
            "answers",
            "coding",
            "compressible",
            "date_is_shared",
            "etag",
            "fields",
            "file",
            "fresh_until",
        ),
        *("hopeless", "identity", "in_memory", "key", "lines", "on_given_up", "path"),
        *("ranged", "settled", "siblings", "size", "status", "targets", "uses"),
        *("validators", "varies", "whole"),
    )

    def __init__(self, path: bytes, status: os.stat_result, fd: int | None = None) -> None:
        """Held for the caller. `fd` is open, and closed when nobody needs it any more."""
        self.path = path
        self.key = path
        self.coding = b""
        """The content coding of what is sent; empty for the file as it is."""
        self.compressible = False
        self.siblings = Siblings()
        self.varies = False
        """Whether other clients may get another coding."""
        self.hopeless: frozenset[bytes] = frozenset()
        """Codings that would not make it smaller."""
        self.status = status
        """Of the file from which it is made."""
        self.identity = identity(status)
        self.size = status.st_size
        """Of what is sent."""
        self.settled = validators.is_settled(status.st_mtime)
        """Whether the last write was long over when the file was opened. A write changes the time
        first and the bytes after it, so what is read in between looks like the final state."""
        self.date_is_shared = False
        """Whether a client may have another version with the same Last-Modified."""
        self.file = None if fd is None else File(fd, status.st_size)
        self.in_memory = False
        self.ranged = True
        """Whether the same bytes can be promised again: not of what is compressed on the fly."""
        self.etag = b""
        self.validators: list[Field] = []
        """With all that a 304 repeats."""
        self.fields: list[Field] = []
        """Content-Type first, then the validators and the rest."""
        self.lines = b""
        """The head of a response to a plain GET, but for its Date."""
        self.whole = b""
        """The response to a plain GET with the Date of this second; of a large file its head.
        What is in memory ends it, and is nowhere else."""
        self.answers: dict[object, Answer] = {}
        """By request, with the Date of this second: to conditional requests and for ranges."""
        self.fresh_until = 0.0
        """Monotonic seconds until which nothing needs to be checked."""
        self.uses = 1
        self.targets: set[tuple[int, object]] = set()
        """What leads to it in `Recent`: the number of a table, and a key there."""
        self.on_given_up: Callable[[Entry], None] | None = None

    def check(self) -> None:
        """Raises `FileChanged` if the open file is no longer what it was when it was opened.

        Removing or replacing it does not count: what is open stays.
        """
        assert self.file is not None
        status, known = os.fstat(self.file.fd), self.status
        if status.st_mtime_ns != known.st_mtime_ns or status.st_size != known.st_size:
            self.fresh_until = 0.0
            raise FileChanged(os.fsdecode(self.path))

    @property
    def modified_s(self) -> int | None:
        """Seconds since 1970, if they say when the content was made."""
        return validators.modified(self.status)

    @property
    def strongly_modified_s(self) -> int | None:
        """The same, if no other version can have had them."""
        alone = validators.only_written(self.status) and not self.date_is_shared
        return self.modified_s if alone else None

    @property
    def size_is_made_up(self) -> bool:
        """Whether the kernel makes the content when it is read, and cannot tell its size before:
        a file of sysfs has a page by its size, and no block on any disk."""
        return stat.S_ISREG(self.status.st_mode) and not self.status.st_blocks

    def content(self, offset: int, count: int) -> bytes:
        """A part of what is in memory."""
        whole = self.whole  # one look: another thread may put another head before it
        start = len(whole) - self.size + offset
        return whole[start : start + count]

    def load(self, content: bytes) -> None:
        """Have the content in memory; the file is closed."""
        self.whole, self.size, self.in_memory = content, len(content), True
        self._close()

    def dated(self, head: bytes) -> None:
        """Put this head before the content."""
        if self.in_memory:
            whole = self.whole
            head = b"".join((head, memoryview(whole)[len(whole) - self.size :]))
        self.whole = head

    def drop(self) -> None:
        """One use less."""
        self.uses -= 1
        if self.uses == 0:
            self._close()

    def _close(self) -> None:
        if self.file is not None:
            os.close(self.file.fd)
            self.file = None

    # What `kept` asks.

    @property
    def cost(self) -> int:
        return self.size + ENTRY_BYTES if self.in_memory else ENTRY_BYTES

    @property
    def is_open(self) -> bool:
        return not self.in_memory

    @property
    def is_used(self) -> bool:
        return self.uses > 1

    def give_up(self) -> None:
        self.fresh_until = 0.0
        if self.on_given_up is not None:
            self.on_given_up(self)
        self.drop()
