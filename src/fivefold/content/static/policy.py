"""What the rules of a folder mean for one path in it.

Asked when a file is read, not when it is sent: rules cost nothing per request.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...http1.response import Fields
from .media_types import media_type
from .representations.codings import SUFFIXES
from .rules import (
    Glob,
    Rules,
    cache_rule,
    coding_rule,
    error_rule,
    header_rule,
    inner_path,
    mime_rule,
)

IMMUTABLE = b"public, max-age=31536000, immutable"
"""A year: the longest that caches believe (RFC 2616 said so, and they still do)."""

HASH = re.compile(rb"[.-]([0-9A-Za-z_]{8,64})(?=\.)")
MIXED = re.compile(rb"(?=.*[a-z])(?:[0-9a-f]*\d[0-9a-f]*|(?=.*[A-Z]).*\d.*[A-Za-z].*)")
"""Hexadecimal digits with a number and a letter among them; or small letters, capitals and,
not at the end, a number. Words and dates are neither."""


EXPOSED = b"Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag"


class FileMetadata(NamedTuple):
    """What the rules say of one file."""

    media_type: bytes
    """The value of Content-Type."""
    coding: bytes
    """The content coding that it has by its name; empty for none."""
    lasting: Fields
    """What its 200 and its 304 both say, but for the validators."""


class Policy:
    """The rules, ready to be asked; `prefix` is the path that leads to the folder."""

    def __init__(self, rules: Rules, prefix: bytes = b"") -> None:
        self.prefix = prefix
        self._prefix = b"/" + prefix
        self._headers = [header_rule(text) for text in rules.header]
        self._caching = [cache_rule(text) for text in rules.cache_control]
        self._hashed = rules.immutable_hashed
        types = [mime_rule(text) for text in rules.mime]
        self._types = {suffix: kind for suffix, kind in types if isinstance(suffix, str)}
        self._named_types = [(glob, kind) for glob, kind in types if isinstance(glob, Glob)]
        self._codings = [coding_rule(text) for text in rules.content_encoding]
        self._charset = rules.charset
        self.listing = rules.listing
        self.clean_urls = rules.clean_urls
        self.precompressed = rules.precompressed
        self.compress = rules.compress
        self.cors = rules.cors is not None
        self.spa = None if rules.spa is None else inner_path("spa", rules.spa)
        self.error_pages = dict(error_rule(text) for text in rules.error_page)
        self.always = always(rules)
        """Fields of every answer."""

    def pages(self) -> list[tuple[str, bytes]]:
        """Settings and the files that they name."""
        found = [("error_page", path) for path in self.error_pages.values()]
        return found if self.spa is None else [("spa", self.spa), *found]

    # Each by the name of a field of `FileMetadata`.

    def metadata(self, path: bytes) -> FileMetadata:
        return FileMetadata(self.media_type(path), self.coding(path), self.lasting(path))

    def media_type(self, path: bytes) -> bytes:
        for pattern, kind in self._named_types:
            if pattern.matches(self._prefix + path):
                return self._described(kind)
        coding = self.coding(path)
        if coding:
            path = path.removesuffix(SUFFIXES[coding])
        return self._by_suffix(path)

    def _by_suffix(self, path: bytes) -> bytes:
        name = path.rpartition(b"/")[2]
        end = name[name.rfind(b".") :] if b"." in name else b""
        suffix = end.decode("utf-8", "surrogateescape")
        return self._described(self._types.get(suffix.lower()) or media_type(suffix))

    def _described(self, kind: str) -> bytes:
        if kind.startswith("text/") and self._charset and "charset=" not in kind:
            kind += f"; charset={self._charset}"
        return kind.encode("ascii")

    def coding(self, path: bytes) -> bytes:
        for pattern, coding in self._codings:
            if pattern.matches(self._prefix + path):
                return coding
        return b"gzip" if path.lower().endswith(b".svgz") else b""

    def lasting(self, path: bytes) -> Fields:
        path = self._prefix + path
        found = list(self.always)
        caching = self._cache_control(path)
        if caching is not None:
            found.append((b"Cache-Control", caching))
        found += [(name, value) for glob, name, value in self._headers if glob.matches(path)]
        return found

    def _cache_control(self, path: bytes) -> bytes | None:
        for glob, value in self._caching:
            if glob.matches(path):
                return value
        return IMMUTABLE if self._hashed and is_hashed(path) else None


def always(rules: Rules) -> Fields:
    found: Fields = []
    if rules.nosniff:
        found.append((b"X-Content-Type-Options", b"nosniff"))
    if rules.cors is not None:
        found.append((b"Access-Control-Allow-Origin", rules.cors.encode()))
        found.append((b"Access-Control-Expose-Headers", EXPOSED))
    return found


def is_hashed(path: bytes) -> bool:
    """Whether a name holds what a bundler calls a hash."""
    name = path.rpartition(b"/")[2]
    return any(MIXED.fullmatch(text) for text in HASH.findall(name))
