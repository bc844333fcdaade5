"""Content types by the suffix of a file's name: the same on every machine and every Python.

The table is a copy of one that others keep (`media_types.txt`, with its source); here stands
what the Web says otherwise than a registry does.
"""

from __future__ import annotations

from importlib.resources import files

UNKNOWN = "application/octet-stream"

OURS = {
    "text/javascript": "js mjs cjs",  # RFC 9239; a script of another type is not run
    "text/xml": "xml xsl xsd",  # with a charset, as it has always been
    "text/plain": "c h cc cpp hpp pl ksh bat rs go rb lua conf ini log srt ass glsl",  # to be read
    "text/x-python": "py",
    "text/x-rst": "rst",
    "video/mp4": "mp4",  # registered for whatever is in it, and played as video
    "video/mp2t": "ts mts m2ts",
    "audio/flac": "flac",  # RFC 9639
    "audio/mpeg": "mp3",
    "application/vnd.apple.mpegurl": "m3u m3u8",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "jsonl",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.file": "arrow",
    "application/x-hdf5": "h5",
    "image/vnd.microsoft.icon": "ico cur",
    "image/avif": "avif avifs",
    # A compressed file is offered as what it is: nobody asked us to decode it.
    "application/gzip": "gz tgz",
    "application/x-brotli": "br",
    "application/zstd": "zst",
    "application/x-xz": "xz txz",
    "application/x-bzip2": "bz2 tbz2",
    "application/x-compress": "Z z",
}
"""Suffixes by type; before the table."""


def read() -> dict[str, str]:
    """Types by suffix in small letters, without the dot."""
    lines = files(__package__).joinpath("media_types.txt").read_text("ascii").splitlines()
    table = [line.split() for line in lines if line and not line.startswith("#")]
    found = {suffix: kind for kind, *suffixes in table for suffix in suffixes}
    return found | {suffix: kind for kind, names in OURS.items() for suffix in names.split()}


TABLE = read()


def media_type(suffix: str) -> str:
    """Of a name that ends so, the dot included; without a charset: that is for the rules of a
    folder to say."""
    return TABLE.get(suffix.lower().removeprefix("."), UNKNOWN)
