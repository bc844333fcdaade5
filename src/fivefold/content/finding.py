"""From a path to what is sent for it: opened, described, in the coding that the client takes."""

from __future__ import annotations

import time
from functools import partial

from ..errors import FileChanged, FileShrank
from ..http1.exchange import Connection
from ..http1.response import head_lines, http_date
from ..iomodels.base import File
from .codings import SUFFIXES, preferred
from .compressing import LEAST_BYTES, MOST_BYTES, compressible, compressors
from .file_cache import SMALL_BYTES, Entry, FileCache
from .policy import Policy
from .threads import Threads

STALE_NS = 1_000_000_000
"""A compressed file that is older than the original by more was made of another one. Copies
and archives keep times to the second at best."""


TRIES = 3
"""To read a small file whose writer is at it."""


class Finder:
    """The files of one folder. Whoever gets an entry holds it, and drops it in the end."""

    def __init__(self, folder: int, policy: Policy, threads: Threads | None) -> None:
        """`threads` compress where one thread serves all connections."""
        self.cache = FileCache(folder, siblings=policy.precompressed)
        self._policy = policy
        self._threads = threads
        self._compressors = compressors() if policy.compress else {}
        self._under_way: set[bytes] = set()

    async def find(
        self, path: bytes, conn: Connection, accepts: bytes = b"", *, ranged: bool = False
    ) -> Entry:
        """The entry for a path, in the best coding of Accept-Encoding. Raises OSError.

        Of what is compressed on the fly nobody can promise the same bytes again, so it has
        no ranges: a request that is `ranged` gets another coding.
        """
        plain = await self._plain(path, conn)
        if not plain.varies:
            return plain
        for coding in preferred(accepts):
            found = await self._coded(plain, coding, conn, fly=not ranged)
            if found is not None:
                self.cache.drop(plain)
                found.varies = True
                return found
        return plain

    async def _plain(self, path: bytes, conn: Connection) -> Entry:
        entry = self.cache.lookup(path)
        if entry is not None:
            return entry
        for _ in range(TRIES - 1):
            try:
                return await self._opened(path, conn)
            except FileChanged:
                pass  # somebody is writing
        return await self._opened(path, conn)

    async def _opened(self, path: bytes, conn: Connection) -> Entry:
        entry = self.cache.open(path)
        kind = self._policy.media_type(path)
        entry.compressible = compressible(kind)
        if entry.compressible:
            entry.siblings = self.cache.beside.look(path)
            entry.varies = bool(entry.siblings.codings) or self._worth_compressing(entry)
        entry.etag = etag(entry)
        self._describe(entry, entry)
        await self._load(entry, conn)
        return entry

    def _worth_compressing(self, entry: Entry) -> bool:
        return bool(self._compressors) and LEAST_BYTES <= entry.size <= MOST_BYTES

    async def _load(self, entry: Entry, conn: Connection) -> None:
        try:
            if entry.size <= SMALL_BYTES:
                entry.whole = await self._content(entry, conn)
                entry.in_memory = True
                self.cache.close_file(entry)
        except BaseException:
            self.cache.drop(entry)
            raise
        self.cache.keep(entry)

    async def _content(self, entry: Entry, conn: Connection) -> bytes:
        if entry.in_memory:
            return entry.content(0, entry.size)
        assert isinstance(entry.file, File)
        body = await conn.read_file(entry.file, 0, entry.size)
        if len(body) < entry.size:
            raise FileShrank(f"{entry.path!r} while it was read")
        entry.check()
        return body

    def _describe(self, entry: Entry, original: Entry) -> None:
        """The fields of an entry: type and rules are those of the original file."""
        entry.validators = [
            # Never later than Date (RFC 9110, section 8.8.2.1), whatever the file claims.
            (b"Last-Modified", http_date(int(min(entry.mtime, time.time())))),
            (b"ETag", entry.etag),
            *self._policy.lasting(original.path),
        ]
        kind = [(b"Content-Type", self._policy.media_type(original.path))]
        if original.varies:
            entry.validators.append((b"Vary", b"Accept-Encoding"))
        if entry.coding:
            kind.append((b"Content-Encoding", entry.coding))
        entry.fields = [*kind, *entry.validators]
        if not entry.weak:
            entry.fields.append((b"Accept-Ranges", b"bytes"))
        length = (b"Content-Length", b"%d" % entry.size)
        entry.lines = head_lines(200, [*entry.fields, length])

    async def _coded(
        self, plain: Entry, coding: bytes, conn: Connection, *, fly: bool
    ) -> Entry | None:
        if coding in plain.siblings.codings:
            entry = await self._sibling(plain, coding, conn)
            if entry is not None:
                return entry
        if fly and coding in self._compressors and self._worth_compressing(plain):
            return await self._compressed(plain, coding, conn)
        return None

    async def _sibling(self, plain: Entry, coding: bytes, conn: Connection) -> Entry | None:
        """The file that somebody has compressed beforehand."""
        key = plain.path + b"\0" + coding
        entry = self.cache.lookup(key)
        if entry is not None and not is_stale(entry, plain):
            return entry
        if entry is not None:
            self.cache.drop(entry)
        try:
            entry = self.cache.open(plain.path + SUFFIXES[coding])
        except OSError:
            return None
        if is_stale(entry, plain):
            self.cache.drop(entry)
            return None
        entry.key, entry.coding = key, coding
        entry.etag = etag(entry, b"-" + coding)
        self._describe(entry, plain)
        await self._load(entry, conn)
        return entry

    async def _compressed(self, plain: Entry, coding: bytes, conn: Connection) -> Entry | None:
        """What we have compressed ourselves; None if that is no gain, or somebody is at it."""
        key = plain.path + b"\0\0" + coding
        entry = self.cache.lookup(key)
        if entry is not None:
            return entry
        if key in self._under_way or coding in plain.hopeless:
            return None
        self._under_way.add(key)
        try:
            body = await self._compress(coding, await self._content(plain, conn), conn)
        finally:
            self._under_way.discard(key)
        if len(body) >= plain.size:
            plain.hopeless.add(coding)
            return None
        entry = Entry(plain.path, plain.identity, len(body), plain.mtime)
        entry.key, entry.coding, entry.whole, entry.uses = key, coding, body, 1
        entry.in_memory = True
        entry.etag = b"W/" + etag(plain, b"-" + coding)
        self._describe(entry, plain)
        self.cache.keep(entry)
        return entry

    async def _compress(self, coding: bytes, content: bytes, conn: Connection) -> bytes:
        compress = partial(self._compressors[coding], content)
        if self._threads is None:
            return compress()
        return await self._threads.call(conn.io, compress)


def etag(entry: Entry, mark: bytes = b"") -> bytes:
    """A strong validator: modification time in nanoseconds, and size."""
    return b'"%x-%x%b"' % (entry.identity[3], entry.identity[2], mark)


def is_stale(sibling: Entry, original: Entry) -> bool:
    return sibling.identity[3] < original.identity[3] - STALE_NS
