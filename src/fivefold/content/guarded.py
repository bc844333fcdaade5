"""Content for those only who say who they are: Basic authentication (RFC 7617), `--auth FILE`.

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

from ..http1.connection import Ready
from ..http1.exchange import Connection, Exchange
from ..http1.request import Request
from ..http1.response import plain
from ..iomodels.base import IOModel
from .htpasswd import Passwords
from .mounts import Inner
from .threads import Threads

FIELD = re.compile(rb"\r\n(?i:authorization):[ \t]*([^\r]*)")

BASIC = re.compile(rb"(?i:basic) +([A-Za-z0-9+/]+=*)[ \t]*")

CHALLENGE = (b"WWW-Authenticate", b'Basic realm="fivefold", charset="UTF-8"')

REMEMBERED = 4096
"""Right passwords; a full table is emptied."""

LOOK_S = 1.0
"""How long a change of the file may go unnoticed."""

CHECKS = 2
"""Passwords checked at once beside an event loop: whoever guesses shall not have the machine."""


class Guarded:
    """Asks `content` for those whose password is right."""

    def __init__(self, content: Inner, passwords: Passwords, *, beside: bool) -> None:
        """`beside`: whether one thread serves all connections."""
        self._content = content
        self._passwords = passwords
        self._threads = Threads(CHECKS) if beside else None
        self._secret = os.urandom(16)
        self._right: dict[bytes, int] = {}
        self._look_at = 0.0

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        return self._content.io(engine, tick_s=tick_s, connections=connections)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.close()
        self._content.close()

    def ready(self, request: Request, head: bytes, conn: Connection, now: float) -> Ready | None:
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._passwords.look_again()
        if not self._is_known(self._digest(head)):
            return None
        return self._content.ready(request, head, conn, now)

    async def respond(self, exchange: Exchange) -> None:
        if await self._may_enter(exchange):
            await self._content.respond(exchange)
        else:
            await exchange.answer(plain(401, fields=[CHALLENGE]))

    async def _may_enter(self, exchange: Exchange) -> bool:
        digest = self._digest(exchange.request_head)
        if self._is_known(digest):
            return True
        user_and_password = credentials(exchange.request_head)
        if digest is None or user_and_password is None:
            return False
        generation = self._passwords.generation
        check = partial(self._passwords.right, *user_and_password)
        threads = self._threads
        right = check() if threads is None else await threads.call(exchange.conn.io, check)
        if right:
            if len(self._right) >= REMEMBERED:
                self._right.clear()
            self._right[digest] = generation
        return right

    def _is_known(self, digest: bytes | None) -> bool:
        return digest is not None and self._right.get(digest) == self._passwords.generation

    def _digest(self, head: bytes) -> bytes | None:
        found = FIELD.findall(head)
        if len(found) != 1:
            return None
        return blake2b(found[0], digest_size=16, key=self._secret).digest()


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
