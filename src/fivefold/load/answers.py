"""Reading answers and checking every one: status, length, hash of the body.

The usual answer is, byte by byte, the one before (its `Date` changes once a second), and
comparing bytes checks more than a hash would, for less.  Whatever differs, or comes in
pieces, goes through llhttp and SHA-256.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import httptools

from .job import Ask

STATUS, LENGTH, BODY, FRAMING = "status", "length", "body", "framing"
"""What may be wrong with an answer."""

INTERIM = 200
"""Below it a status is not yet the answer."""


@dataclass(frozen=True)
class Finished:
    """One answer, whole."""

    wrong: str | None
    """What is wrong with it, or None."""
    keep: bool
    """Whether the connection may be used again."""


class Reader:
    """The answers of one connection, one after the other."""

    def __init__(self, known: dict[Ask, bytes], *, keeps: bool = True) -> None:
        """`known`: the usual answers; `keeps`: whether connections were asked to be kept."""
        self._known = known
        self._keeps = keeps
        self._clear()

    def _clear(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._digest = hashlib.sha256()
        self._length = 0
        self._complete = self._keep = False
        self._head_complete = self._has_length = False
        self._fed = 0

    def begin(self, ask: Ask) -> None:
        """An answer to `ask` comes next."""
        self._ask = ask
        if self._fed:
            self._clear()

    def feed(self, data: memoryview) -> Finished | None:
        """More bytes of the answer; the verdict once it is whole."""
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            return Finished(FRAMING, keep=False)
        if not self._complete:
            return None
        wrong, keep = self._wrong(), self._keep
        if wrong is None and keep == self._keeps and self._fed == len(data):
            self._known[self._ask] = bytes(data)
        return Finished(wrong, keep)

    def end(self) -> Finished | None:
        """The server closed: the end of an answer that has no length; None if it is cut off."""
        if self._has_length or not self._head_complete:
            return None
        return Finished(self._wrong(), keep=False)

    def _wrong(self) -> str | None:
        expected = self._ask.expected
        if expected is None:
            return None
        if self._parser.get_status_code() != expected.status:
            return STATUS
        if expected.length not in (None, self._length):
            return LENGTH
        if expected.digest not in (None, self._digest.digest()):
            return BODY
        return None

    # llhttp's calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self._has_length |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self._head_complete = True

    def on_body(self, data: bytes) -> None:
        self._length += len(data)
        self._digest.update(data)

    def on_message_complete(self) -> None:
        self._complete = self._parser.get_status_code() >= INTERIM
        self._keep = bool(self._parser.should_keep_alive())
