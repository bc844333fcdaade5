"""A folder of files.

The hot path is `ready`: what was asked for within this second is in memory as one
bytes object, head and body.  Everything else goes through `respond`: find the file,
check it, read it (small) or have it sent from the page cache (large).
"""

from __future__ import annotations

import errno
import os
from functools import partial
from time import monotonic

from ..errors import FileShrank, SettingsError
from ..http1.connection import Ready
from ..http1.exchange import Connection, Exchange
from ..http1.request import Request
from ..http1.response import DateField, FilePart, Response, http_date, plain, serialized
from ..iomodels.base import File, IOModel
from ..iomodels.files import pages_in_memory
from ..iomodels.telling import Tell
from .byte_ranges import ByteRanges
from .conditions import NOT_MODIFIED
from .file_cache import SMALL_BYTES, Answer, Entry, FileCache
from .media_types import media_type
from .paths import relative_path
from .ranges import Range
from .selection import select

INDEX = b"index.html"

UNWANTED_BYTES = 65536
"""Of a body that a folder has no use for, so much is read before the answer: most clients
send all of it before they look at one."""

HOT_TARGETS = 4096
"""Request targets that lead straight to an entry; many may lead to one, so it is bounded."""

ANSWERS = 64
"""Of one file, to conditional requests and for ranges, in one second."""

STATUS_OF = {
    errno.EACCES: 403,
    errno.EPERM: 403,
    errno.EMFILE: 503,
    errno.ENFILE: 503,
    errno.ENOMEM: 503,
}
"""Why a file could not be opened; everything else is 404 (no such file, a name too long,
a symbolic link that leads out of the folder)."""


class Static:
    """Content that is a folder; shared by all connections of a worker."""

    def __init__(self, folder: str, prefix: bytes = b"") -> None:
        """`prefix`: the path that leads to the folder, with a slash at its end."""
        try:
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError:
            raise SettingsError(f"target: {folder!r} is not a folder") from None
        except FileNotFoundError:
            raise SettingsError(
                f"target: there is no folder {folder!r}, and it is not module:attribute either"
            ) from None
        except PermissionError:
            raise SettingsError(f"target: no permission to read the folder {folder!r}") from None
        self._prefix = prefix
        self._cache = FileCache(self._folder)
        self._hot: dict[bytes | None, Entry] = {}
        self._date = DateField()

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        return engine(tick_s=tick_s, connections=connections)

    def close(self) -> None:
        self._cache.clear()
        os.close(self._folder)

    def observe(self, tell: Tell) -> None:
        """Tell of each file that is opened from now on; for tracing."""
        open_file = self._cache.open

        def told(path: bytes) -> Entry:
            tell("open.enter", {})
            entry = open_file(path)
            tell("open.exit", {"bytes": entry.size})
            assert isinstance(entry.file, File)
            tell("cachestat", pages_in_memory(entry.file))
            return entry

        self._cache.open = told  # type: ignore[method-assign]

    def ready(self, request: Request, head: bytes, conn: Connection, now: float) -> Ready | None:
        entry = self._hot.get(request.plain_target)
        if entry is None:
            return None if request.selective_target is None else self._again(request, now)
        if now >= entry.fresh_until:
            # The cache may have dropped it; and another thread may be faster.
            self._hot.pop(request.plain_target, None)
            return None
        if entry.body is None:
            if not self._cache.hold(entry):
                return None
            return entry.whole, self._part(entry, 0, entry.size)
        return entry.whole

    def _again(self, request: Request, now: float) -> Ready | None:
        """What this request was answered with in this second: 304, or a part of the file."""
        entry = self._hot.get(request.selective_target)
        if entry is None or now >= entry.fresh_until:
            return None
        answer = entry.answers.get(request)
        if answer is None:
            answer = self._remembered(request, entry, now)
        if answer is None or isinstance(answer, bytes):
            return answer
        head, offset, count = answer
        return (head, self._part(entry, offset, count)) if self._cache.hold(entry) else None

    def _remembered(self, request: Request, entry: Entry, now: float) -> Answer | None:
        """None for what is not asked often enough to be kept."""
        chosen = select(request, entry)
        if chosen.status not in (NOT_MODIFIED, 206) or len(chosen.ranges) > 1:
            return None
        date = self._date.at(now)
        answer: Answer
        if not chosen.ranges:
            answer = serialized(NOT_MODIFIED, chosen.fields, date)
        else:
            offset, count = chosen.ranges[0]
            fields = [*chosen.fields, (b"Content-Length", b"%d" % count)]
            head = serialized(206, fields, date)
            small = entry.body is not None
            answer = head + part_of(entry.body or b"", (offset, count)) if small else head
            answer = answer if small else (head, offset, count)
        if len(entry.answers) >= ANSWERS:
            entry.answers.clear()
        entry.answers[request] = answer
        return answer

    def _part(self, entry: Entry, offset: int, count: int) -> FilePart:
        return FilePart(entry.file, offset, count, partial(self._cache.drop, entry))

    async def respond(self, exchange: Exchange) -> None:
        body = exchange.body
        if body is not None and not body.awaits_permission:
            await body.skip(UNWANTED_BYTES)
        response = await self._response(exchange.request, exchange.conn)
        if isinstance(response, ByteRanges):
            try:
                await response.answer(exchange)
            finally:
                self._cache.drop(response.entry)
        else:
            await exchange.answer(response)

    async def _response(self, request: Request, conn: Connection) -> Response | ByteRanges:
        if request.method not in ("GET", "HEAD"):
            return plain(405, "only GET and HEAD are allowed here", [(b"Allow", b"GET, HEAD")])
        path = relative_path(request.target)
        if path is None:
            return plain(404)
        try:
            entry = await self._entry(path, conn)
        except IsADirectoryError:
            return redirect_into(path, request.target)
        except OSError as error:
            return plain(STATUS_OF.get(error.errno or 0, 404))
        self._make_hot(entry, request.plain_target or request.selective_target, monotonic())
        return self._selected(request, entry)

    def _selected(self, request: Request, entry: Entry) -> Response | ByteRanges:
        """The answer to this request; takes over the caller's use of the entry."""
        chosen = select(request, entry)
        if len(chosen.ranges) > 1:
            return ByteRanges(entry, entry.fields[0][1], entry.fields[1:], chosen.ranges)
        if chosen.ranges and entry.body is None:
            return Response(chosen.status, chosen.fields, self._part(entry, *chosen.ranges[0]))
        self._cache.drop(entry)
        if chosen.ranges:
            assert entry.body is not None
            return Response(chosen.status, chosen.fields, part_of(entry.body, chosen.ranges[0]))
        if chosen.status == NOT_MODIFIED:
            return Response(NOT_MODIFIED, chosen.fields)
        return plain(chosen.status, fields=chosen.fields)

    async def _entry(self, path: bytes, conn: Connection) -> Entry:
        """The entry for a path, held. Raises OSError."""
        if not path.startswith(self._prefix):
            raise IsADirectoryError(path)  # the prefix without its slash
        path = path[len(self._prefix) :]
        if not path or path.endswith(b"/"):
            path += INDEX
        entry = self._cache.lookup(path)
        if entry is not None:
            return entry
        entry = self._cache.open(path)
        try:
            await self._load(entry, conn)
        except BaseException:
            self._cache.drop(entry)
            raise
        self._cache.keep(entry)
        return entry

    async def _load(self, entry: Entry, conn: Connection) -> None:
        entry.etag = etag(entry)
        entry.validators = [
            (b"Last-Modified", http_date(int(entry.mtime))),
            (b"ETag", entry.etag),
        ]
        kind = (b"Content-Type", media_type(entry.path))
        entry.fields = [kind, *entry.validators, (b"Accept-Ranges", b"bytes")]
        if entry.size > SMALL_BYTES:
            return
        assert isinstance(entry.file, File)
        body = await conn.read_file(entry.file, 0, entry.size)
        if len(body) < entry.size:
            raise FileShrank(f"{entry.path!r} while it was read")
        entry.body = body
        self._cache.close_file(entry)

    def _make_hot(self, entry: Entry, target: bytes | None, now: float) -> None:
        """Let the next plain GET of this second find it at once."""
        date = self._date.at(now)
        fields = [*entry.fields, (b"Content-Length", b"%d" % entry.size)]
        entry.whole = serialized(200, fields, date) + (entry.body or b"")
        entry.answers.clear()
        entry.fresh_until = self._date.until
        if target is not None:
            if len(self._hot) >= HOT_TARGETS:
                self._hot.clear()
            self._hot[target] = entry


def part_of(body: bytes, part: Range) -> bytes:
    offset, count = part
    return body[offset : offset + count]


def etag(entry: Entry) -> bytes:
    """A strong validator: modification time in nanoseconds, and size."""
    return b'"%x-%x"' % (entry.identity[3], entry.size)


def redirect_into(path: bytes, target: bytes) -> Response:
    """301 to the folder with its slash. The path was cleaned, so it cannot name a host."""
    if not path or path.endswith(b"/"):
        return plain(404)  # its index.html is a folder
    _, question, query = target.partition(b"?")
    quoted = b"".join(SAFE[byte] for byte in path)
    location = b"/" + quoted + b"/" + question + query
    return plain(301, fields=[(b"Location", location)])


UNRESERVED = b"/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$'()*+,=:@"

SAFE = [bytes((byte,)) if byte in UNRESERVED else b"%%%02X" % byte for byte in range(256)]
