"""From a path to what is sent for it: the file in the coding that the client takes."""

from __future__ import annotations

from functools import partial

from ....http1.stream import HttpConnection
from ...application.thread_pool import Threads
from ..files.entry import Entry
from ..files.file_cache import FileCache
from ..files.loader import Loader
from ..policy import Policy
from .codings import preferred
from .compression import compressors, is_worth_it


class Variants:
    """The files of one folder; each entry is held for the caller."""

    def __init__(self, cache: FileCache, policy: Policy, threads: Threads | None) -> None:
        """`threads` compress where one thread serves all connections."""
        self._cache = cache
        self._threads = threads
        self._compressors = compressors() if policy.compress else {}
        self._loader = Loader(cache, policy, compresses=bool(self._compressors))
        self._under_way: set[bytes] = set()

    async def find(
        self, path: bytes, conn: HttpConnection, accepts: bytes = b"", *, ranged: bool = False
    ) -> Entry:
        """The entry for a path, in the best coding of Accept-Encoding.

        Of what is compressed on the fly nobody can promise the same bytes again, so it has
        no ranges: a request that is `ranged` gets another coding.
        Raises OSError, `FileChanged` (its writer is at it all the time).
        """
        plain = await self._loader.plain(path, conn)
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
            entry = await self._loader.precompressed(plain, coding, conn)
            if entry is not None:
                return entry
        if fly and coding in self._compressors and is_worth_it(plain.size):
            return await self._compressed(plain, coding, conn)
        return None

    async def _compressed(self, plain: Entry, coding: bytes, conn: HttpConnection) -> Entry | None:
        """What we have compressed ourselves; None if that is no gain, or somebody is at it."""
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
        known, origin, metadata = (
            plain.validators.weakly(b"-" + coding),
            plain.origin,
            plain.metadata,
        )
        return self._cache.keep(
            Entry(key, origin, body, known, metadata, coding=coding, varies=True, ranged=False)
        )

    async def _compress(self, coding: bytes, content: bytes, conn: HttpConnection) -> bytes:
        compress = partial(self._compressors[coding], content)
        if self._threads is None:
            return compress()
        return await self._threads.call(conn.io, compress)
