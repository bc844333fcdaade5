"""`wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling").

Facts.        That an object has a `fileno` says nothing of what its `read` returns: a
              gzip.GzipFile has the descriptor of the compressed file.
Consequence.  Only where every byte that `read` would return is the descriptor's can the
              kernel send it.
Choice.       The standard library's own classes, exactly, and nothing derived from them:
              io.FileIO, and io.BufferedReader or io.BufferedRandom around one; what
              `tempfile` wraps around these is taken off.  Everything else is read.
Cost.         A file that is wrapped in a class of the application's own is copied through
              the process.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from ...http1.response import FilePart
from ...iomodels.interface import File

BLOCK_BYTES = 65536
"""What is read at once where the kernel cannot send it."""

WRAPPER = tempfile._TemporaryFileWrapper  # noqa: SLF001 - what NamedTemporaryFile returns

BUFFERED = (io.BufferedReader, io.BufferedRandom)


class FileWrapper:
    """An iterable that the server may send in its own way."""

    def __init__(self, filelike: IO[bytes], block_bytes: int = BLOCK_BYTES) -> None:
        self.filelike = filelike
        self.block_bytes = block_bytes

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.block_bytes):
            yield block

    def blocks(self, length: int) -> Iterator[bytes]:
        """What the iteration gives, but no more than a declared `length`."""
        while length > 0 and (block := self.filelike.read(min(self.block_bytes, length))):
            yield block
            length -= len(block)

    def close(self) -> None:
        if hasattr(self.filelike, "close"):
            self.filelike.close()

    def part(self) -> FilePart | None:
        """What is left of it from its position; None if it has to be read."""
        file: Any = self.filelike
        if type(file) is WRAPPER:
            file = file.file
        raw = file.raw if type(file) in BUFFERED else file
        if type(raw) is not io.FileIO:
            return None
        try:
            if type(file) is io.BufferedRandom:
                file.flush()  # what is written to it, and not yet to the descriptor
            status = os.fstat(file.fileno())
            offset = file.tell()
        except OSError:
            return None  # a pipe has no position
        if not stat.S_ISREG(status.st_mode):
            return None
        count = max(0, status.st_size - offset)
        if not (count and status.st_blocks):
            return None  # in /proc and /sys the size says nothing
        return FilePart(File(file.fileno(), status.st_size), offset, count, lambda: None)
