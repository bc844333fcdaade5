"""Content that asks one of several contents, by something in the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ...http1.answer import Answer
from ...http1.bounded import Bounded
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...http1.stream import HttpConnection
from ..base import Around, Content

REMEMBERED_BYTES = 1_048_576
"""Of keys whose owner is remembered."""


class Router(Around):
    """Its connections run on what the main content wants; the others must do with any I/O model.

    Finding an owner may be slow: those of the last keys are remembered.
    """

    def __init__(
        self,
        main: Content,
        others: Sequence[Content],
        key: Callable[[Request], bytes],
        longest_key_bytes: int,
    ) -> None:
        """`key`: what of a request decides its content; longer ones are looked at each time."""
        super().__init__(main)
        self._others = others
        self.nests = main.nests or any(content.nests for content in others)
        self._key = key
        self._owners: Bounded[bytes, Content] = Bounded(REMEMBERED_BYTES, longest_key_bytes)
        self._known_owner = self._owners.get

    def close(self) -> None:
        for content in self._others:
            content.close()
        super().close()

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        key = self._key(request)
        owner = self._known_owner(key) or self._remembered(key)
        return owner.answer_at_once(request, head, conn, now)

    def at_hand(self, exchange: Exchange) -> Answer | None:
        return self._owner_for(exchange).at_hand(exchange)

    def respond(self, exchange: Exchange) -> Awaitable[None]:
        return self._owner_for(exchange).respond(exchange)

    def _owner_for(self, exchange: Exchange) -> Content:
        key = self._key(exchange.request)
        return self._known_owner(key) or self._remembered(key)

    def _remembered(self, key: bytes) -> Content:
        owner = self._owner(key)
        self._owners.remember(key, owner, len(key))
        return owner

    def _owner(self, key: bytes) -> Content:
        """The content that answers requests with this key."""
        raise NotImplementedError
