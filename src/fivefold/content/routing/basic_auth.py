"""Content only for users with a password: Basic authentication (RFC 7617), `--auth FILE`.

A password is checked once, in a thread beside an event loop, because bcrypt is slow on
purpose; then its keyed digest is remembered until the file changes, and costs a
microsecond per request.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from functools import partial
from hashlib import blake2b
from time import monotonic

from ...http1.answer import Answer
from ...http1.bounded import Bounded
from ...http1.exchange import Exchange
from ...http1.explaining.explained import explained, refusal
from ...http1.request import Request, fields_of
from ...http1.response import Response
from ...http1.stream import HttpConnection
from ..application.forwarded import TrustedProxies
from ..application.thread_pool import Threads, called
from ..base import Around, Content
from ..static.refusals import RETRY
from .htpasswd import Passwords
from .password_queue import CHECKS, ByLocks, InOneThread, PasswordQueue, has_left, one_client

FIELD = re.compile(rb"\r\n(?i:authorization):[ \t]*([^\r]*)")

BASIC = re.compile(rb"(?i:basic) +([A-Za-z0-9+/]+=*)[ \t]*")

CHALLENGE = (b"WWW-Authenticate", b'Basic realm="fivefold", charset="UTF-8"')

PATIENCE_S = 0.05
"""Less than a check takes: a request that waited longer was not alone, and is looked up again."""

REMEMBERED_BYTES = 1_048_576
"""Of digests of right passwords: nearly 4,000."""

PASSWORDS_CHECK_S = 1.0
"""How long a change of the file may go unnoticed."""


class Guarded(Around):
    """Asks `content` for those whose password is right."""

    def __init__(
        self,
        content: Content,
        passwords: Passwords,
        proxies: TrustedProxies,
        *,
        in_event_loop: bool,
    ) -> None:
        """`in_event_loop`: whether one thread serves all connections."""
        super().__init__(content)
        self._passwords = passwords
        self._proxies = proxies
        self._threads = Threads(CHECKS) if in_event_loop else None
        self._turns: PasswordQueue = InOneThread() if in_event_loop else ByLocks()
        self._secret = os.urandom(16)
        self._right: Bounded[bytes, int] = Bounded(REMEMBERED_BYTES)
        self._known_as = self._right.get
        self._look_at = 0.0

    def close(self) -> None:
        if self._threads is not None:
            self._threads.close()
        self._turns.close()
        super().close()

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        if now >= self._look_at:
            self._look_at = now + PASSWORDS_CHECK_S
            self._passwords.look_again()
        if not self._is_known(self._digest(head)):
            return None
        return self._content.answer_at_once(request, head, conn, now)

    def at_hand(self, exchange: Exchange) -> Answer | None:
        if not self._is_known(self._digest(exchange.request_head)):
            return None
        return self._content.at_hand(exchange)

    async def respond(self, exchange: Exchange) -> None:
        digest = self._digest(exchange.request_head)
        if self._is_known(digest):
            return await self._content.respond(exchange)
        user_and_password = credentials(exchange.request_head)
        if digest is None or user_and_password is None:
            return await exchange.answer(refused(exchange))
        return await self._in_turn(exchange, digest, user_and_password)

    async def _in_turn(
        self, exchange: Exchange, digest: bytes, user_and_password: tuple[bytes, bytes]
    ) -> None:
        forwarded = self._proxies.forwarded(exchange.conn, fields_of(exchange.request_head))
        address = one_client(forwarded.client and forwarded.client[0])
        begun = monotonic()
        turn = await self._turns.enter(exchange.conn.io, address)
        if turn < 0:
            return await exchange.answer(later(exchange))
        try:
            waited = monotonic() - begun > PATIENCE_S
            if waited and has_left(exchange.conn.fd):
                return await exchange.answer(
                    later(exchange)
                )  # it may have ended its sending side only
            right = await self._is_right(exchange, digest, user_and_password)
        finally:
            self._turns.leave(turn, address)
        if right:
            return await self._content.respond(exchange)
        return await exchange.answer(refused(exchange))

    async def _is_right(
        self, exchange: Exchange, digest: bytes, user_and_password: tuple[bytes, bytes]
    ) -> bool:
        if self._is_known(digest):
            return True  # another request of the same user was faster
        generation = self._passwords.generation
        check = partial(self._passwords.right, *user_and_password)
        right = await called(self._threads, exchange.conn.io, check)
        if right:
            self._right.remember(digest, generation, len(digest))
        return right

    def _is_known(self, digest: bytes | None) -> bool:
        return digest is not None and self._known_as(digest) == self._passwords.generation

    def _digest(self, head: bytes) -> bytes | None:
        found = FIELD.findall(head)
        if len(found) != 1:
            return None
        return blake2b(found[0], digest_size=16, key=self._secret).digest()


def refused(exchange: Exchange) -> Response:
    return refusal(exchange, 401, fields=[CHALLENGE])


def later(exchange: Exchange) -> Response:
    detail = "Too many logins at once."
    return explained(503, exchange.request_head, detail=detail, fields=[RETRY])


def credentials(head: bytes) -> tuple[bytes, bytes] | None:
    """User and password; None if there are none, or several."""
    found = FIELD.findall(head)
    basic = BASIC.fullmatch(found[0]) if len(found) == 1 else None
    if basic is None:
        return None
    try:
        user, colon, password = base64.b64decode(basic[1], validate=True).partition(b":")
    except binascii.Error:
        return None
    return (user, password) if colon else None
