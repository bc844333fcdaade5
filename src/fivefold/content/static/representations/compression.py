"""Compressing on the fly: `--compress`.

Each coding is here if its library is: gzip always, br and zstd with `fivefold[compress]`.
The levels are those at which a library is about as fast as gzip at 6, so that the first
client waits no longer for the better result.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from importlib import import_module

Compress = Callable[[bytes], bytes]

LEAST_BYTES = 256
"""Below, the head outweighs what is saved."""

MOST_BYTES = 8_388_608
"""Above, a file is sent as it is: the first client would wait for too long, and the
result would push everything else out of memory."""

COMPRESSIBLE = frozenset(
    {
        b"application/javascript",
        b"application/jsonl",
        b"application/json5",
        b"application/postscript",
        b"application/sql",
        b"application/toml",
        b"application/vnd.apple.mpegurl",
        b"application/x-ndjson",
        b"application/x-sh",
        b"application/x-tex",
        b"model/gltf-binary",
        b"model/obj",
        b"model/stl",
        b"application/json",
        b"application/ld+json",
        b"application/manifest+json",
        b"application/rtf",
        b"application/vnd.ms-fontobject",
        b"application/wasm",
        b"application/xhtml+xml",
        b"application/xml",
        b"font/otf",
        b"font/ttf",
        b"image/bmp",
        b"image/svg+xml",
        b"image/vnd.microsoft.icon",
        b"image/x-icon",
    }
)


def compressible(media_type: bytes) -> bool:
    """Whether files of this type shrink; `media_type` may have parameters."""
    kind = media_type.partition(b";")[0]
    return kind.startswith(b"text/") or kind in COMPRESSIBLE or kind.endswith((b"+xml", b"+json"))


def is_worth_it(size: int) -> bool:
    """Whether a file of so many bytes is compressed on the fly, if its type shrinks."""
    return LEAST_BYTES <= size <= MOST_BYTES


def brotli() -> Compress:
    compress: Compress = partial(import_module("brotli").compress, quality=5)
    return compress


def zstandard() -> Compress:
    library = import_module("zstandard")
    # One compressor each: they are not for several threads at once.
    return lambda data: library.ZstdCompressor(level=6).compress(data)


def zlib() -> Compress:
    return partial(gzip.compress, compresslevel=6, mtime=0)


LIBRARIES: dict[bytes, Callable[[], Compress]] = {
    b"br": brotli,
    b"zstd": zstandard,
    b"gzip": zlib,
}


def compressors() -> dict[bytes, Compress]:
    """What can compress here, by coding."""
    found = {}
    for coding, library in LIBRARIES.items():
        try:
            found[coding] = library()
        except ImportError:
            pass  # the extra is not installed
    return found
