"""From a path to a complete entry: out of the cache, or opened, read and described."""

from __future__ import annotations

from ....errors import FileChanged
from ....http1.stream import HttpConnection
from ..policy import Policy
from ..representations.codings import SUFFIXES
from ..representations.compression import compressible, is_worth_it
from ..representations.validators import validators_of
from .entry import Entry
from .file_cache import FileCache
from .open_file import OpenFile

STALE_NS = 1_000_000_000
"""A compressed file that is older than the original by more was made of another one. Copies
and archives keep times to the second at best."""

TRIES = 8
"""To read a small file whose writer is at it; each takes a tenth of a millisecond, and
`QUIET_S`."""


class Loader:
    """The files of one folder; each entry is held for the caller."""

    def __init__(self, cache: FileCache, policy: Policy, *, compresses: bool) -> None:
        """`compresses`: whether we compress some of them."""
        self._cache = cache
        self._policy = policy
        self._compresses = compresses

    async def plain(self, path: bytes, conn: HttpConnection) -> Entry:
        """A file as it is. Raises OSError, `FileChanged` (its writer is at it all the time)."""
        for _ in range(TRIES - 1):
            try:
                return await self._plain(path, conn)
            except FileChanged:
                pass  # somebody is writing
        return await self._plain(path, conn)

    async def _plain(self, path: bytes, conn: HttpConnection) -> Entry:
        kept = self._cache.lookup(path)
        if kept is not None:
            return kept
        with self._cache.open(path) as file:
            content = await file.small_content(conn)
            metadata = self._policy.metadata(path)
            siblings, varies = None, False
            if not metadata.coding and compressible(metadata.media_type):
                siblings = self._cache.precompressed.look(path)
                size = file.size if content is None else len(content)
                varies = bool(siblings.codings) or (self._compresses and is_worth_it(size))
            known = validators_of(file, content)
            entry = Entry(path, file, content, known, metadata, varies=varies, siblings=siblings)
        return self._cache.keep(entry)

    async def precompressed(
        self, original: Entry, coding: bytes, conn: HttpConnection
    ) -> Entry | None:
        """The same, compressed beforehand by somebody; None if it cannot be had now."""
        key = original.path + b"\0" + coding
        kept = self._cache.lookup(key)
        if kept is not None:
            if not is_stale(kept.origin, original.origin):
                return kept
            kept.drop()
            return None
        try:
            with self._cache.open(original.path + SUFFIXES[coding]) as file:
                if is_stale(file, original.origin):
                    return None
                content = await file.small_content(conn)
                known, metadata = validators_of(file, content, b"-" + coding), original.metadata
                entry = Entry(key, file, content, known, metadata, coding=coding, varies=True)
        except (OSError, FileChanged):
            return None  # it is being written; the file itself is there
        return self._cache.keep(entry)


def is_stale(sibling: OpenFile, original: OpenFile) -> bool:
    return sibling.state.modified_ns < original.state.modified_ns - STALE_NS
