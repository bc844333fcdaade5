"""From a path to what is sent for it: a complete entry, out of the cache, or opened, read and
described, in the coding that the client takes."""

from __future__ import annotations

from functools import partial

from ....errors import FileChanged
from ....http1.stream import HttpConnection
from ...application.thread_pool import Threads, called
from ..files.entry import Entry
from ..files.file_cache import FileCache
from ..files.open_file import OpenFile
from ..policy import Policy
from .codings import SUFFIXES, preferred
from .compression import compressible, compressors, is_worth_it
from .validators import validators_of

STALE_NS = 1_000_000_000
"""A compressed file that is older than the original by more was made of another one. Copies
and archives keep times to the second at best."""

TRIES = 8
"""To read a small file whose writer is at it; each takes a tenth of a millisecond, and
`QUIET_S`."""


class Variants:
    """The files of one folder; each entry is held for the caller."""

    def __init__(self, cache: FileCache, policy: Policy, threads: Threads | None) -> None:
        """`threads` compress where one thread serves all connections."""
        self._cache = cache
        self._threads = threads
        self._compressors = compressors() if policy.compress else {}
        self._policy = policy
        self._under_way: set[bytes] = set()

    async def find(
        self, path: bytes, conn: HttpConnection, accepts: bytes = b"", *, ranged: bool = False
    ) -> Entry:
        """The entry for a path, in the best coding of Accept-Encoding.

        Of what is compressed on the fly no code can promise the same bytes again, so it has
        no ranges: a request that is `ranged` gets another coding.
        Raises OSError, `FileChanged` (its writer is at it all the time).
        """
        plain = await self._plain(path, conn)
        if not plain.varies:
            return plain
        try:
            for coding in preferred(accepts):
                found = await self._coded(plain, coding, conn, fly=not ranged)
                if found is not None:
                    plain.drop()
                    return found
        except BaseException:
            plain.drop()
            raise
        return plain

    async def _coded(
        self, plain: Entry, coding: bytes, conn: HttpConnection, *, fly: bool
    ) -> Entry | None:
        if plain.siblings is not None and coding in plain.siblings.codings:
            entry = await self._precompressed(plain, coding, conn)
            if entry is not None:
                return entry
        if fly and coding in self._compressors and is_worth_it(plain.size):
            return await self._compressed(plain, coding, conn)
        return None

    async def _plain(self, path: bytes, conn: HttpConnection) -> Entry:
        """A file as it is. Raises OSError, `FileChanged` (its writer is at it all the time)."""
        for _ in range(TRIES - 1):
            try:
                return await self._read(path, conn)
            except FileChanged:
                pass  # another program is writing
        return await self._read(path, conn)

    async def _read(self, path: bytes, conn: HttpConnection) -> Entry:
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
                varies = bool(siblings.codings or (self._compressors and is_worth_it(size)))
            known = validators_of(file, content)
            entry = Entry(path, file, content, known, metadata, varies=varies, siblings=siblings)
        return self._cache.keep(entry)

    async def _precompressed(
        self, original: Entry, coding: bytes, conn: HttpConnection
    ) -> Entry | None:
        """The same, compressed beforehand; None if it cannot be had now."""
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

    async def _compressed(self, plain: Entry, coding: bytes, conn: HttpConnection) -> Entry | None:
        """What we have compressed ourselves; None if that is no gain, or if it is being done."""
        key = plain.path + b"\0\0" + coding
        entry = self._cache.lookup(key)
        if entry is not None:
            return entry
        if key in self._under_way or coding in plain.not_smaller:
            return None
        self._under_way.add(key)
        try:
            body = await self._compress(coding, await plain.read(conn), conn)
        finally:
            self._under_way.discard(key)
        if len(body) >= plain.size:
            plain.add_not_smaller(coding)
            return None
        known, of, metadata = plain.validators.weakly(b"-" + coding), plain.origin, plain.metadata
        return self._cache.keep(
            Entry(key, of, body, known, metadata, coding=coding, varies=True, ranged=False)
        )

    async def _compress(self, coding: bytes, content: bytes, conn: HttpConnection) -> bytes:
        compress = partial(self._compressors[coding], content)
        return await called(self._threads, conn.io, compress)


def is_stale(sibling: OpenFile, original: OpenFile) -> bool:
    return sibling.state.modified_ns < original.state.modified_ns - STALE_NS
