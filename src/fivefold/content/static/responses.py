"""What a request for something in a folder is answered with: a file, a redirect, a listing, or why
there is nothing.

What is looked for, in this order: the file; for a folder its slash or its `index.html`; with
`--clean-urls` the file with `.html`; with `--listing` the listing of a folder; with `--spa` the
page of the application; then the page for the error.
"""

from __future__ import annotations

import errno
from time import monotonic

from ...errors import FileChanged
from ...http1.exchange import Exchange
from ...http1.explaining.explained import moved, refusal
from ...http1.response import Fields, Response
from ..application.thread_pool import Threads
from .file_responses import ByteRanges, FileResponses
from .files.recent import Recent
from .files.root import Root
from .listing.contents import Listing
from .paths import relative_path, with_slash
from .policy import Policy
from .refusals import BUSY, METHOD_NOT_ALLOWED, NOT_FOUND, RETRY, status_of
from .representations.codings import accepted
from .representations.variants import Variants

INDEX, HTML = b"index.html", b".html"

NO_INDEX = "There is no index.html in this folder. With --listing, its files would be listed."
"""Says no more than the redirect to the folder's slash: that there is a folder."""

DAY_S = b"86400"
"""As long as any browser remembers the answer."""

Field = tuple[bytes, bytes]

Outcome = Response | ByteRanges | Listing

ALLOW = (b"Allow", b"GET, HEAD")


class Responses:
    """The responses of one folder."""

    def __init__(  # noqa: PLR0917 - the parts of a folder
        self,
        root: Root,
        policy: Policy,
        variants: Variants,
        file_responses: FileResponses,
        recent: Recent,
        threads: Threads | None,
    ) -> None:
        self._root = root
        self._policy = policy
        self._prefix = policy.prefix
        self._variants = variants
        self._file_responses = file_responses
        self._recent = recent
        self._threads = threads

    async def to(self, exchange: Exchange) -> Outcome:
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
            raise IsADirectoryError(errno.EISDIR, "the prefix without its slash")
        path = path[len(self._prefix) :]
        if not path or path.endswith(b"/"):
            path += INDEX
        request, accepts = exchange.request, accepted(exchange.request_head)
        ranged = b"range" in request.obeyed
        entry = await self._variants.find(path, exchange.conn, accepts, ranged=ranged)
        response = self._file_responses.to(request, entry, monotonic())
        if not (ranged and entry.varies and self._policy.compress):  # others get another coding
            if instead:
                self._recent.remember_for_now(request, entry, accepts, entry.fresh_until)
            else:
                self._recent.remember(request, entry, accepts)
        return response

    async def _folder_without_slash(self, path: bytes, exchange: Exchange) -> Outcome:
        if not path or path.endswith(b"/"):
            return await self._refused(NOT_FOUND, exchange)  # its index.html is a folder
        page = await self._page_of(path, exchange)
        if page is not None:
            return page
        location = with_slash(exchange.request.target)
        return moved(exchange, 301, location, self._policy.always)

    async def _page_of(self, path: bytes, exchange: Exchange) -> Outcome | None:
        """`guide.html` for `guide`."""
        if not self._policy.clean_urls or not path or path.endswith((b"/", HTML)):
            return None
        return await self._instead(path + HTML, exchange)

    async def _instead(self, path: bytes, exchange: Exchange) -> Outcome | None:
        """A file that the target does not name; None if it is not there."""
        try:
            return await self._file(path, exchange, instead=True)
        except OSError as error:
            status = status_of(path, error)
            return None if status == NOT_FOUND else await self._refused(status, exchange)
        except FileChanged:
            return await self._refused(BUSY, exchange)

    async def _missing(self, path: bytes, status: int, exchange: Exchange) -> Outcome:
        if status != NOT_FOUND:
            return await self._refused(status, exchange)
        hint = ""
        if not path or path.endswith(b"/"):
            try:
                listing = self._listed(path)
            except OSError as error:
                status = status_of(path, error)
                if self._policy.listing and status != NOT_FOUND:
                    return await self._refused(status, exchange)
            else:
                if self._policy.listing:
                    return listing
                listing.close()
                hint = NO_INDEX
        found = await self._page_of(path, exchange)
        spa = self._policy.spa
        if found is None and spa is not None and b"." not in path.rpartition(b"/")[2]:
            found = await self._instead(self._prefix + spa, exchange)
        return found or await self._refused(NOT_FOUND, exchange, hint=hint)

    def _listed(self, path: bytes) -> Listing:
        """Raises OSError."""
        inner = path[len(self._prefix) :]
        fields = self._policy.lasting(inner)
        return Listing(self._root.fd, inner, path, fields, self._threads)

    async def _refused(
        self, status: int, exchange: Exchange, *fields: Field, hint: str = ""
    ) -> Response:
        """An error, with the page that the rules have for it."""
        lines = [*fields, *self._policy.always]
        if status == BUSY:
            lines.append(RETRY)
        page = self._policy.error_pages.get(status)
        if page is not None:
            try:
                entry = await self._variants.find(page, exchange.conn)
            except (OSError, FileChanged):
                pass  # it was there when the server started
            else:
                lines.append(entry.fields[0])  # its type
                return Response(status, lines, entry.part(0, entry.size))
        return refusal(exchange, status, hint=hint, fields=lines)


def preflight(always: Fields) -> Response:
    """CORS: the answer to a browser before a page of another origin sends an unusual request.

    Every field is fine to send: a folder obeys few, and none of them can do harm.
    """
    allowed = [
        (b"Access-Control-Allow-Methods", b"GET, HEAD"),
        (b"Access-Control-Allow-Headers", b"*"),
        (b"Access-Control-Max-Age", DAY_S),
    ]
    return Response(204, [*always, *allowed])
