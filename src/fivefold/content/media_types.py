"""Content types by file name: the standard library's table, without this machine's files."""

from __future__ import annotations

import mimetypes

TABLE = mimetypes.MimeTypes(filenames=())
for _suffix, _type in {
    # Registered with IANA, but younger than the table of Python 3.11.
    ".avif": "image/avif",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".md": "text/markdown",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".map": "application/json",
}.items():
    TABLE.add_type(_type, _suffix)

COMPRESSED = {
    "gzip": "application/gzip",
    "br": "application/x-brotli",
    "xz": "application/x-xz",
    "bzip2": "application/x-bzip2",
    "compress": "application/x-compress",
}
"""A compressed file is offered as what it is: nobody asked us to decode it."""


def media_type(name: str) -> str:
    """Without a charset: that is for the rules of a folder to say."""
    guessed, encoding = TABLE.guess_type(name)
    if encoding is not None:
        guessed = COMPRESSED.get(encoding)
    return guessed or "application/octet-stream"
