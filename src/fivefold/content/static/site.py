"""A folder of files.

The hot path is `answer_at_once`: what was asked for within this second is in memory as one
bytes object, head and body.  Everything else goes through `respond` (see `responses`): find
the file, check it, read it (small) or have it sent from the page cache (large).
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from ...http1.answer import Answer, HeadAndFile
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...http1.response import Response
from ...http1.stream import HttpConnection
from ...iomodels.files import pages_in_memory
from ...iomodels.overlay import Overlay
from ...iomodels.probes import Probe
from ..application.thread_pool import Threads
from ..base import Content
from .file_responses import FileResponses
from .files.entry import Entry
from .files.file_cache import FileCache
from .files.kept import ALONE, Shared
from .files.open_file import OpenFile
from .files.recent import Recent
from .files.root import Root
from .policy import Policy
from .representations.variants import Variants
from .responses import Responses
from .rules import DEFAULT, Rules

UNWANTED_BYTES = 65536
"""Of a body that a folder has no use for, so much is read before the answer: most clients
send all of it before they look at one."""

LONG_TASKS = 2
"""Files that are compressed and folders that are read at once beside an event loop; more would
take its processor. The threads are made when they are needed."""


class Static(Content):
    """Content that is a folder; shared by all connections of a worker."""

    def __init__(
        self, folder: str, prefix: bytes = b"", rules: Rules = DEFAULT, shared: Shared = ALONE
    ) -> None:
        """`prefix`: the path that leads to the folder, with a slash at its end."""
        self._root = Root(shared.path(folder))
        self._look_at = 0.0
        """Monotonic seconds from which `folder` must be looked at again."""
        policy = Policy(rules, prefix)
        self._threads = Threads(LONG_TASKS) if shared.in_event_loop else None
        self._recent = Recent()
        forget, siblings = self._recent.forget_entry, policy.precompressed
        self._cache = FileCache(self._root.fd, shared.kept, forget, siblings=siblings)
        self._file_responses = FileResponses(policy.always)
        self._responses = Responses(
            self._root,
            policy,
            Variants(self._cache, policy, self._threads),
            self._file_responses,
            self._recent,
            self._threads,
        )
        self._recent_plain = self._recent.plain.get

    def forget(self) -> None:
        """Know no file any more: the next request has it found, opened and read anew."""
        self._cache.clear()

    def close(self) -> None:
        if self._threads is not None:
            self._threads.close()
        self._cache.clear()
        self._root.close()

    def observe(self, emit: Probe) -> Overlay:
        """Emit an event for each file that is opened until the overlay is lifted; for tracing."""

        def around(open_file: Callable[[bytes], OpenFile]) -> Callable[[bytes], OpenFile]:
            def reporting(path: bytes) -> OpenFile:
                emit("open.enter", {"name": path.decode("utf-8", "backslashreplace")})
                try:
                    file = open_file(path)
                except Exception as error:
                    emit("open.exit", {"error": type(error).__name__})
                    raise
                emit("open.exit", {"bytes": file.size})
                emit("cachestat", pages_in_memory(file))
                return file

            return reporting

        return Overlay(self._cache, open=around)

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        target = request.plain_target
        entry = self._recent_plain(target)
        if entry is None:
            if target is None:
                return self._again(request, head, now)
            entry = self._recent.of(target, head, now)
            if entry is None:
                return None
        if now >= entry.fresh_until and not self._renewed(entry, now):
            self._recent.plain.lose(target)
            return None
        if not entry.in_memory:
            if not entry.hold():
                return None
            return HeadAndFile(entry.head, entry.file_part(0, entry.size), entry.as_http1)
        return entry.answer

    def at_hand(self, exchange: Exchange) -> Answer | None:
        if exchange.body is not None:
            return None
        return self.answer_at_once(
            exchange.request, exchange.request_head, exchange.conn, monotonic()
        )

    def _look(self, now: float) -> None:
        """Once a second: whether the path of the folder leads to another one."""
        self._look_at = self._file_responses.second_of(now)
        self._cache.precompressed.clear()
        if self._root.moved():
            self._cache.clear()

    def _renewed(self, entry: Entry, now: float) -> bool:
        """The first request of another second: whether the file is still the same."""
        if now >= self._look_at:
            self._look(now)
        if entry.varies or not self._cache.renewed(entry):
            return False
        self._file_responses.freshen(entry, now)
        return True

    def _again(self, request: Request, head: bytes, now: float) -> Answer | None:
        """What a request that selects was answered with in this second."""
        target = request.selective_target
        if target is None:
            return None
        entry = self._recent_plain(target) or self._recent.of(target, head, now)
        if entry is None or (now >= entry.fresh_until and not self._renewed(entry, now)):
            return None
        return self._file_responses.again(request, entry, now)

    async def respond(self, exchange: Exchange) -> None:
        body = exchange.body
        if body is not None and not body.awaits_permission:
            await body.skip(UNWANTED_BYTES)
        now = monotonic()
        if now >= self._look_at:
            self._look(now)
        response = await self._responses.to(exchange)
        if isinstance(response, Response):
            await exchange.answer(response)
        else:
            try:
                await response.answer(exchange)
            finally:
                response.close()
