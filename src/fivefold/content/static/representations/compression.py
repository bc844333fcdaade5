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

COMPRESSIBLE = {
    b"application": (
        b"javascript json json5 jsonl postscript rtf sql toml "
        b"vnd.apple.mpegurl vnd.ms-fontobject wasm x-ndjson x-sh x-tex xml"
    ).split(),
    b"font": b"otf ttf".split(),
    b"image": b"bmp vnd.microsoft.icon x-icon".split(),
    b"model": b"gltf-binary obj stl".split(),
}
"""Subtypes by type; those of text, XML and JSON besides."""


def compressible(media_type: bytes) -> bool:
    """Whether files of this type shrink; `media_type` may have parameters."""
    kind, _, of = media_type.partition(b";")[0].partition(b"/")
    return kind == b"text" or of in COMPRESSIBLE.get(kind, ()) or of.endswith((b"+xml", b"+json"))


def is_worth_it(size: int) -> bool:
    """Whether a file of so many bytes is compressed on the fly, if its type shrinks."""
    return LEAST_BYTES <= size <= MOST_BYTES


def zstandard() -> Compress:
    library = import_module("zstandard")
    # One compressor each: they are not for several threads at once.
    return lambda data: library.ZstdCompressor(level=6).compress(data)


LIBRARIES: dict[bytes, Callable[[], Compress]] = {
    b"br": lambda: partial(import_module("brotli").compress, quality=5),
    b"zstd": zstandard,
    b"gzip": lambda: partial(gzip.compress, compresslevel=6, mtime=0),
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
