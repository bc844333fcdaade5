"""A folder of files.

The hot path is `ready`: what was asked for within this second is in memory as one
bytes object, head and body.  Everything else goes through `respond`: find the file,
check it, read it (small) or have it sent from the page cache (large).
"""

from __future__ import annotations

from time import monotonic

from ..errors import FileChanged
from ..http1.connection import Ready
from ..http1.exchange import Connection, Exchange
from ..http1.request import Request
from ..http1.response import Response, plain
from ..iomodels.base import File, IOModel
from ..iomodels.files import pages_in_memory
from ..iomodels.telling import Tell
from .answers import Answers
from .byte_ranges import ByteRanges
from .codings import accepted
from .entry import Entry
from .file_cache import FileCache
from .finding import Finder
from .hot import Hot
from .listing import Listing
from .locations import with_slash
from .paths import relative_path
from .policy import Policy
from .preflight import preflight
from .refusals import (
    BUSY,
    FORBIDDEN,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    RETRY,
    status_of,
)
from .root import Root
from .rules import DEFAULT, Rules
from .shared import ALONE, Shared
from .threads import Threads

INDEX = b"index.html"

UNWANTED_BYTES = 65536
"""Of a body that a folder has no use for, so much is read before the answer: most clients
send all of it before they look at one."""

Field = tuple[bytes, bytes]

Outcome = Response | ByteRanges | Listing

ALLOW = (b"Allow", b"GET, HEAD")

LONG_TASKS = 2
"""Files that are compressed and folders that are read at once beside an event loop; more would
take its processor. The threads are made when they are needed."""


class Static:
    """Content that is a folder; shared by all connections of a worker."""

    def __init__(
        self, folder: str, prefix: bytes = b"", rules: Rules = DEFAULT, shared: Shared = ALONE
    ) -> None:
        """`prefix`: the path that leads to the folder, with a slash at its end."""
        self._root = Root(shared.path(folder))
        self._look_at = 0.0
        """Monotonic seconds from which `folder` must be looked at again."""
        self._prefix = prefix
        self._policy = policy = Policy(rules, prefix)
        self._threads = Threads(LONG_TASKS) if shared.beside else None
        self._hot = Hot()
        forget, siblings = self._hot.forget_entry, policy.precompressed
        self._cache = FileCache(self._root.fd, shared.kept, forget, siblings=siblings)
        self._finder = Finder(self._cache, policy, self._threads)
        self._answers = Answers(self._cache, policy.always)
        self._plainly_hot = self._hot.plain.get

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        return engine(tick_s=tick_s, connections=connections)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.close()
        self._cache.clear()
        self._root.close()

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
        target = request.plain_target
        entry = self._plainly_hot(target)
        if entry is None:
            if target is None:
                return self._again(request, head, now)
            entry = self._hot.of(target, head, now)
            if entry is None:
                return None
        if now >= entry.fresh_until and not self._renewed(entry, now):
            self._hot.forget(target)
            return None
        if not entry.in_memory:
            if not self._cache.hold(entry):
                return None
            return entry.whole, self._answers.part(entry, (0, entry.size))
        return entry.whole

    def _look(self, now: float) -> None:
        """Once a second: whether the path of the folder leads to another one."""
        self._look_at = self._answers.second_of(now)
        self._cache.beside.clear()
        if self._root.moved():
            self._cache.clear()

    def _renewed(self, entry: Entry, now: float) -> bool:
        """The first request of another second: whether the file is still the same."""
        if now >= self._look_at:
            self._look(now)
        if entry.varies or not self._cache.renewed(entry):
            return False
        self._answers.freshen(entry, now)
        return True

    def _again(self, request: Request, head: bytes, now: float) -> Ready | None:
        """What a request that selects was answered with in this second."""
        target = request.selective_target
        if target is None:
            return None
        entry = self._plainly_hot(target) or self._hot.of(target, head, now)
        if entry is None or (now >= entry.fresh_until and not self._renewed(entry, now)):
            return None
        return self._answers.again(request, entry, now)

    async def respond(self, exchange: Exchange) -> None:
        body = exchange.body
        if body is not None and not body.awaits_permission:
            await body.skip(UNWANTED_BYTES)
        response = await self._response(exchange)
        if isinstance(response, Response):
            await exchange.answer(response)
        else:
            try:
                await response.answer(exchange)
            finally:
                response.close()

    async def _response(self, exchange: Exchange) -> Outcome:
        request = exchange.request
        if request.method not in ("GET", "HEAD"):
            if request.method == "OPTIONS" and self._policy.cors:
                return preflight(self._policy.always)
            return await self._refused(METHOD_NOT_ALLOWED, exchange, ALLOW)
        path = relative_path(request.target)
        if path is None:
            return await self._refused(NOT_FOUND, exchange)
        return await self._found(path, exchange)

    async def _found(self, path: bytes, exchange: Exchange) -> Outcome:
        now = monotonic()
        if now >= self._look_at:
            self._look(now)
        if self._root.away:
            return await self._refused(BUSY, exchange)
        try:
            return await self._file(path, exchange)
        except IsADirectoryError:
            return await self._folder_without_slash(path, exchange)
        except OSError as error:
            return await self._missing(path, status_of(path, error), exchange)
        except FileChanged:
            return await self._refused(BUSY, exchange)  # it changes all the time

    async def _file(self, path: bytes, exchange: Exchange, *, instead: bool = False) -> Outcome:
        """`instead`: of a file that the target names and that is not there."""
        if not path.startswith(self._prefix):
            raise IsADirectoryError(path)  # the prefix without its slash
        path = path[len(self._prefix) :]
        if not path or path.endswith(b"/"):
            path += INDEX
        request, accepts = exchange.request, accepted(exchange.request_head)
        ranged = b"range" in request.obeyed
        entry = await self._finder.find(path, exchange.conn, accepts, ranged=ranged)
        self._answers.freshen(entry, monotonic())
        if not (ranged and entry.varies and self._policy.compress):  # others get another coding
            if instead:
                self._hot.remember_for_now(request, entry, accepts, entry.fresh_until)
            else:
                self._hot.remember(request, entry, accepts)
        return self._answers.to(request, entry)

    async def _folder_without_slash(self, path: bytes, exchange: Exchange) -> Response:
        if not path or path.endswith(b"/"):
            return await self._refused(NOT_FOUND, exchange)  # its index.html is a folder
        location = (b"Location", with_slash(exchange.request.target))
        return plain(301, fields=[location, *self._policy.always])

    async def _missing(self, path: bytes, status: int, exchange: Exchange) -> Outcome:
        if status == NOT_FOUND and self._policy.listing and (not path or path.endswith(b"/")):
            try:
                inner = path[len(self._prefix) :]
                fields = self._policy.lasting(inner)
                return Listing(self._root.fd, inner, path, fields, self._threads)
            except PermissionError:
                status = FORBIDDEN
            except OSError:
                pass  # there is no such folder
        spa = self._policy.spa
        if status == NOT_FOUND and spa is not None and b"." not in path.rpartition(b"/")[2]:
            try:
                return await self._file(self._prefix + spa, exchange, instead=True)
            except (OSError, FileChanged):
                pass  # it was there when the server started
        return await self._refused(status, exchange)

    async def _refused(self, status: int, exchange: Exchange, *fields: Field) -> Response:
        """An error, with the page that the rules have for it."""
        told = [*fields, *self._policy.always]
        if status == BUSY:
            told.append(RETRY)
        page = self._policy.error_pages.get(status)
        if page is not None:
            try:
                entry = await self._finder.find(page, exchange.conn)
            except (OSError, FileChanged):
                pass  # it was there when the server started
            else:
                told.append(entry.fields[0])  # its type
                return self._answers.slice(status, told, entry, (0, entry.size))
        return plain(status, fields=told)
