"""From a path to what is sent for it: opened, described, in the coding that the client takes."""

from __future__ import annotations

import time
from functools import partial

from ....errors import FileChanged, FileShrank
from ....http1.exchange import HttpConnection
from ....http1.response import head_lines
from ....iomodels.base import File
from ...application.thread_pool import Threads
from ..files.entry import SMALL_BYTES, Entry
from ..files.file_cache import FileCache
from ..policy import Policy
from . import validators
from .codings import SUFFIXES, preferred
from .compression import LEAST_BYTES, MOST_BYTES, compressible, compressors

STALE_NS = 1_000_000_000
"""A compressed file that is older than the original by more was made of another one. Copies
and archives keep times to the second at best."""

TRIES = 8
"""To read a small file whose writer is at it; each takes a tenth of a millisecond, and
`QUIET_S`."""

QUIET_S = 0.01
"""More than a tick of the clock by which Linux tells the time of a write (4 ms, 10 ms at most)."""


class Variants:
    """The files of one folder. A caller that gets an entry holds it, and drops it in the end."""

    def __init__(self, cache: FileCache, policy: Policy, threads: Threads | None) -> None:
        """`threads` compress where one thread serves all connections."""
        self._cache = cache
        self._policy = policy
        self._threads = threads
        self._compressors = compressors() if policy.compress else {}
        self._under_way: set[bytes] = set()

    async def find(
        self, path: bytes, conn: HttpConnection, accepts: bytes = b"", *, ranged: bool = False
    ) -> Entry:
        """The entry for a path, in the best coding of Accept-Encoding.

        Of what is compressed on the fly nobody can promise the same bytes again, so it has
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
                    found.varies = True
                    self._cache.drop(plain)
                    return found
        except BaseException:
            self._cache.drop(plain)
            raise
        return plain

    async def _plain(self, path: bytes, conn: HttpConnection) -> Entry:
        entry = self._cache.lookup(path)
        if entry is not None:
            return entry
        for _ in range(TRIES - 1):
            try:
                return await self._opened(path, conn)
            except FileChanged:
                pass  # somebody is writing
        return await self._opened(path, conn)

    async def _opened(self, path: bytes, conn: HttpConnection) -> Entry:
        entry = self._cache.open(path)
        try:
            entry.coding = self._policy.coding(path)
            kind = self._policy.media_type(path)
            entry.compressible = not entry.coding and compressible(kind)
            if entry.compressible:
                entry.siblings = self._cache.precompressed.look(path)
                entry.varies = bool(entry.siblings.codings) or self._worth_compressing(entry)
            await self._load(entry, entry, conn)
        except BaseException:
            self._cache.drop(entry)
            raise
        self._cache.keep(entry)
        return entry

    def _worth_compressing(self, entry: Entry) -> bool:
        return bool(self._compressors) and LEAST_BYTES <= entry.size <= MOST_BYTES

    async def _load(
        self, entry: Entry, original: Entry, conn: HttpConnection, mark: bytes = b""
    ) -> None:
        """Its content, if it is small, and what is said of it; `mark` tells its coding."""
        if entry.size <= SMALL_BYTES:
            content = await self._settled_content(entry, conn)
            entry.load(content)
            entry.etag = validators.of_content(content, mark)
        else:
            entry.etag = validators.of_state(entry.status, mark)
        self._describe(entry, original)

    async def _settled_content(self, entry: Entry, conn: HttpConnection) -> bytes:
        """A writer that is at it leaves states that are none (a new beginning before the old end),
        so what was written to just now must stay as it is for a moment."""
        content = await self._content(entry, conn)
        if abs(time.time() - entry.status.st_mtime) < QUIET_S:
            await conn.io.sleep(QUIET_S)
            if await self._content(entry, conn) != content:
                raise FileChanged(f"{entry.path!r} while it was read")
        return content

    async def _content(self, entry: Entry, conn: HttpConnection) -> bytes:
        if entry.in_memory:
            return entry.content(0, entry.size)
        assert isinstance(entry.file, File)
        body = await conn.read_file(entry.file, 0, entry.size)
        entry.check()
        if len(body) < entry.size:
            if not entry.size_is_made_up:
                raise FileShrank(f"{entry.path!r} while it was read")
            entry.settled = False  # nor do its times tell when it changes
        return body

    def _describe(self, entry: Entry, original: Entry) -> None:
        """The fields of an entry: type and rules are those of the original file."""
        entry.validators = [(b"ETag", entry.etag), *self._policy.lasting(original.path)]
        if entry.modified_s is not None:
            modified = (b"Last-Modified", validators.last_modified(entry.modified_s))
            entry.validators.insert(0, modified)
        kind = [(b"Content-Type", self._policy.media_type(original.path))]
        if original.varies:
            entry.validators.append((b"Vary", b"Accept-Encoding"))
        if entry.coding:
            kind.append((b"Content-Encoding", entry.coding))
        entry.fields = [*kind, *entry.validators]
        if entry.ranged:
            entry.fields.append((b"Accept-Ranges", b"bytes"))
        length = (b"Content-Length", b"%d" % entry.size)
        entry.lines = head_lines(200, [*entry.fields, length])

    async def _coded(
        self, plain: Entry, coding: bytes, conn: HttpConnection, *, fly: bool
    ) -> Entry | None:
        if coding in plain.siblings.codings:
            entry = await self._sibling(plain, coding, conn)
            if entry is not None:
                return entry
        if fly and coding in self._compressors and self._worth_compressing(plain):
            return await self._compressed(plain, coding, conn)
        return None

    async def _sibling(self, plain: Entry, coding: bytes, conn: HttpConnection) -> Entry | None:
        """The file that somebody has compressed beforehand; None if it cannot be had now."""
        key = plain.path + b"\0" + coding
        entry = self._cache.lookup(key)
        if entry is None:
            return await self._opened_sibling(plain, coding, key, conn)
        if is_stale(entry, plain):
            self._cache.drop(entry)
            return None
        return entry

    async def _opened_sibling(
        self, plain: Entry, coding: bytes, key: bytes, conn: HttpConnection
    ) -> Entry | None:
        try:
            entry = self._cache.open(plain.path + SUFFIXES[coding])
        except OSError:
            return None
        try:
            fits = not is_stale(entry, plain)
            if fits:
                entry.key, entry.coding = key, coding
                await self._load(entry, plain, conn, b"-" + coding)
        except (OSError, FileChanged):
            fits = False  # it is being written; the file itself is there
        except BaseException:
            self._cache.drop(entry)
            raise
        if not fits:
            self._cache.drop(entry)
            return None
        self._cache.keep(entry)
        return entry

    async def _compressed(self, plain: Entry, coding: bytes, conn: HttpConnection) -> Entry | None:
        """What we have compressed ourselves; None if that is no gain, or somebody is at it."""
        key = plain.path + b"\0\0" + coding
        entry = self._cache.lookup(key)
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
            plain.hopeless |= {coding}
            return None
        entry = Entry(plain.path, plain.status)
        entry.key, entry.coding, entry.ranged = key, coding, False
        entry.load(body)
        entry.etag = b"W/" + plain.etag.removeprefix(b"W/")[:-1] + b"-" + coding + b'"'
        self._describe(entry, plain)
        self._cache.keep(entry)
        return entry

    async def _compress(self, coding: bytes, content: bytes, conn: HttpConnection) -> bytes:
        compress = partial(self._compressors[coding], content)
        if self._threads is None:
            return compress()
        return await self._threads.call(conn.io, compress)


def is_stale(sibling: Entry, original: Entry) -> bool:
    return sibling.status.st_mtime_ns < original.status.st_mtime_ns - STALE_NS
