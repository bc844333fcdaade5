"""A regular file, as connections send it and models read it."""

from __future__ import annotations


class File:
    """An open regular file, and what a model remembers about its pages.

    `resident_until` is monotonic seconds: so long a model may assume that the bytes from
    `resident_from` to `resident_to` are still in memory, because it has just seen them there.
    """

    __slots__ = ("fd", "resident_from", "resident_to", "resident_until", "size")

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        self.resident_from = self.resident_to = 0
        self.resident_until = 0.0
