"""The rules of a folder, as the user writes them; checked when they are read.

What they mean for a path is in `policy`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote

from ...configuration.setting import Lines, check, setting
from ...errors import SettingsError
from .media_types import UNKNOWN, media_type
from .paths import relative_path
from .representations.codings import SUFFIXES

ERROR_STATUSES = (403, 404, 405, 412, 416, 500, 503)
"""What a folder answers besides files."""

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\x20-\x7e]*")
MEDIA_TYPE = re.compile(rf"{TOKEN.pattern}/{TOKEN.pattern}(; ?{TOKEN.pattern}=[\x21-\x7e]+)*")
ORIGIN = re.compile(
    r"\*|null|[a-z][a-z0-9+.-]*://[a-z0-9.-]+(:\d{1,5})?|[a-z]+://\[[0-9a-f:]+\](:\d{1,5})?"
)

FRAMING = frozenset(
    {"connection", "content-encoding", "content-length", "content-range", "content-type"}
    | {"date", "server", "transfer-encoding", "upgrade", "trailer", "etag", "last-modified"}
)
"""Fields that are ours: a second one, or a wrong one, would break the response."""

PIECES = re.compile(r"\*\*|\*|\?|[^*?]+")

MEANING = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


class Glob:
    """A pattern for paths.

        *.css          every file of that name, in whatever folder
        /assets/*      the files of one folder
        /assets/**     all below it

    One with a slash is matched against the whole path, one without against the name.
    """

    def __init__(self, pattern: str) -> None:
        """Raises ValueError for a pattern that could match nothing."""
        if not pattern or ("/" in pattern and not pattern.startswith(("/", "**"))):
            raise ValueError(f"a pattern that matches nothing: {pattern!r}")
        pieces = (MEANING.get(piece) or re.escape(piece) for piece in PIECES.findall(pattern))
        self._expression = re.compile(os.fsencode("".join(pieces)), re.DOTALL)
        self._whole = "/" in pattern

    def matches(self, path: bytes) -> bool:
        """`path` begins with a slash."""
        subject = path if self._whole else path.rpartition(b"/")[2]
        return self._expression.fullmatch(subject) is not None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How folders are served. Raises `SettingsError`."""

    listing: bool = setting(False, "List a folder that has no index.html: HTML, or JSON by Accept.")
    spa: str | None = setting(
        None, "The file for paths without a suffix that lead to no file, e.g. index.html."
    )
    error_page: tuple[str, ...] = setting(
        (), "The file for an error: STATUS=FILE, e.g. 404=404.html; repeatable."
    )
    header: Lines = setting(  # noqa: RUF009 - a tuple, immutable
        (),
        "A header field of some files: 'GLOB: NAME: VALUE', e.g. '*.pdf: X-Robots-Tag: noindex'.",
    )
    cache_control: Lines = setting(  # noqa: RUF009
        (), "Cache-Control for some files: 'GLOB: VALUE'; the first that matches counts."
    )
    immutable_hashed: bool = setting(
        False,
        "Let clients cache for ever the files whose names hold a hash of their content"
        " (app.3f2a9c1b.js).",
    )
    cors: str | None = setting(None, "The origin whose pages may read files: https://HOST, or *.")
    mime: tuple[str, ...] = setting(
        (),
        "A media type for a suffix or for names: .EXT=TYPE/SUBTYPE, 'GLOB=TYPE/SUBTYPE';"
        " repeatable.",
    )
    content_encoding: tuple[str, ...] = setting(
        (),
        "Content-Encoding of files that are asked for by a compressed name: '*.br=br'; repeatable.",
    )
    clean_urls: bool = setting(False, "Serve guide.html as /guide, where there is no file guide.")
    charset: str = setting("utf-8", "The charset of text files; empty: the server names none.")
    nosniff: bool = setting(
        True, "Send X-Content-Type-Options: nosniff with every answer of a folder."
    )
    precompressed: bool = setting(
        True, "Send FILE.br, FILE.zst or FILE.gz instead of FILE to clients that accept it."
    )
    compress: bool = setting(False, "Compress text on the fly, and keep the result in memory.")

    def __post_init__(self) -> None:
        check(self)
        self._check_pages()
        self._check_cors()
        for text in self.header:
            header_rule(text)
        for text in self.cache_control:
            cache_rule(text)
        for text in self.mime:
            mime_rule(text)
        for text in self.content_encoding:
            coding_rule(text)
        if self.charset and not TOKEN.fullmatch(self.charset):
            raise SettingsError(f"charset: {self.charset!r} is not the name of a charset")

    @property
    def pages(self) -> list[str]:
        """The settings that name a file of the folder, as far as they are given."""
        return [name for name in ("spa", "error_page") if getattr(self, name)]

    def _check_pages(self) -> None:
        if self.spa is not None:
            inner_path("spa", self.spa)
        for text in self.error_page:
            error_rule(text)

    def _check_cors(self) -> None:
        if self.cors is not None and not ORIGIN.fullmatch(self.cors):
            raise SettingsError(
                f"cors: {self.cors!r} is not an origin: https://HOST, in small letters and without"
                " a path, or *"
            )


DEFAULT = Rules()


def header_rule(text: str) -> tuple[Glob, bytes, bytes]:
    """Pattern, name and value. Raises `SettingsError`."""
    pattern, colon, rest = text.partition(": ")
    name, second, value = rest.partition(":")
    if not colon or not second or not TOKEN.fullmatch(name) or not VALUE.fullmatch(value.strip()):
        raise SettingsError(
            f"header: {text!r} is not 'GLOB: NAME: VALUE', e.g. '*.pdf: X-Robots-Tag: noindex'"
        )
    if name.lower() in FRAMING:
        raise SettingsError(
            f"header: {name} is set by the server itself; --mime sets Content-Type,"
            " --content-encoding"
            " Content-Encoding"
        )
    return glob("header", pattern), name.encode(), value.strip().encode()


def cache_rule(text: str) -> tuple[Glob, bytes]:
    """Pattern and value. Raises `SettingsError`."""
    pattern, colon, value = text.partition(": ")
    if not colon or not value.strip() or not VALUE.fullmatch(value):
        raise SettingsError(
            f"cache_control: {text!r} is not 'GLOB: VALUE', e.g. '/assets/**: max-age=3600'"
        )
    return glob("cache_control", pattern), value.strip().encode()


def mime_rule(text: str) -> tuple[str | Glob, str]:
    """Suffix or pattern, and media type. Raises `SettingsError`."""
    name, equals, kind = text.partition("=")
    if not equals or not name or not MEDIA_TYPE.fullmatch(kind):
        raise SettingsError(
            f"mime: {text!r} is not .EXT=TYPE/SUBTYPE or GLOB=TYPE/SUBTYPE, e.g."
            " .gltf=model/gltf+json"
        )
    if not name.startswith(".") and media_type(name) != UNKNOWN:
        raise SettingsError(
            f"mime: {text!r} is not .EXT=TYPE/SUBTYPE: a suffix begins with a dot (and a file of"
            f" that name is **/{name})"
        )
    if re.fullmatch(r"\.[^./\s*?]+", name):
        return name.lower(), kind
    return glob("mime", f"*{name}" if name.startswith(".") else name), kind


def coding_rule(text: str) -> tuple[Glob, bytes]:
    """Pattern and content coding. Raises `SettingsError`."""
    pattern, equals, coding = text.partition("=")
    if not equals or coding.encode() not in SUFFIXES:
        raise SettingsError(
            f"content_encoding: {text!r} is not GLOB=CODING with a CODING of br, zstd, gzip, e.g."
            " '*.br=br'"
        )
    return glob("content_encoding", pattern), coding.encode()


def error_rule(text: str) -> tuple[int, bytes]:
    """Status and path within the folder. Raises `SettingsError`."""
    status, equals, file = text.partition("=")
    if not equals or status not in map(str, ERROR_STATUSES):
        raise SettingsError(
            f"error_page: {text!r} is not STATUS=FILE with a STATUS of"
            f" {', '.join(map(str, ERROR_STATUSES))}"
        )
    return int(status), inner_path("error_page", file)


def inner_path(name: str, file: str) -> bytes:
    """A file within the folder. Raises `SettingsError`."""
    path = relative_path(b"/" + quote(file).encode())
    if not path or path.endswith(b"/"):
        raise SettingsError(f"{name}: {file!r} is not the path of a file within the folder")
    return path


def glob(name: str, pattern: str) -> Glob:
    try:
        return Glob(pattern)
    except ValueError:
        raise SettingsError(
            f"{name}: {pattern!r} matches nothing: a pattern is a name (*.css) or begins with a"
            " slash (/assets/**)"
        ) from None
