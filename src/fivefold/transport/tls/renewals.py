"""The last renewal of the certificates, shared by all processes of a server.

Facts.        Workers are forked from a supervisor that reads no files; what a worker has read
              would be lost with it.
Choice.       Two files in memory, written in turns, and a page with a number that says which of
              them is the last: a worker that reads it later has what was read then, and a writer
              that is killed half-way leaves the last one as it was.
Assumption.   A file in memory is as private as the memory of the process: who may open it by
              /proc/PID/fd may as well trace the process (proc(5)).
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...isolation.foreign_documents import json_of
from ...linux.memory_file import MemoryFile
from .certificate_files import Material, Names

Stamps = list[tuple[int, ...] | None]


@dataclass(frozen=True)
class Renewal:
    """What was read, and of which state of the files."""

    stamps: Stamps
    material: Material
    names: tuple[Names, ...]
    complaint: str = ""
    """Why the files that are there now cannot be used; it has been said."""

    def encoded(self) -> bytes:
        names, read = [sorted(own) for own in self.names], self.material
        files = [read.pairs, read.password, read.client_ca]
        return json.dumps([self.stamps, files, names, self.complaint]).encode()

    @classmethod
    def decoded(cls, data: bytes) -> Renewal:
        stamps, (pairs, password, client_ca), names, complaint = json_of(data)
        return cls(
            [None if stamp is None else tuple(stamp) for stamp in stamps],
            Material(tuple((cert, key) for cert, key in pairs), password, client_ca),
            tuple(frozenset(own) for own in names),
            complaint,
        )


class Renewals:
    """Make it before the first fork."""

    def __init__(self) -> None:
        self._files = [MemoryFile("renewal") for _ in range(2)]
        self._page = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    @property
    def number(self) -> int:
        """How many there have been."""
        return self._page[0]

    def last(self) -> Renewal | None:
        """None if it has been overwritten meanwhile: there is a later one."""
        fd = self._files[self.number % 2].fileno()
        try:
            return Renewal.decoded(os.pread(fd, os.fstat(fd).st_size, 0))
        except ValueError:
            return None

    def add(self, renewal: Renewal) -> None:
        """Call it in `alone`."""
        data = renewal.encoded()
        following = self.number + 1
        fd = self._files[following % 2].fileno()
        os.ftruncate(fd, 0)
        os.pwrite(fd, data, 0)
        self._page[0] = following

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other process is in this block; the kernel ends it for one that dies."""
        try:
            fcntl.lockf(self._files[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._files[0], fcntl.LOCK_UN)
