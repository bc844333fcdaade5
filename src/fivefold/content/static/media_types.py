"""Content types by the suffix of a file's name: the same on every machine and every Python.

The table is a copy of one that others keep (`media_types.txt`, with its source), and what the Web
says otherwise than a registry does (`web_types.txt`).
"""

from __future__ import annotations

from importlib.resources import files

UNKNOWN = "application/octet-stream"


def read(name: str) -> dict[str, str]:
    """Types by suffix in small letters, without the dot."""
    text = files(__package__).joinpath(name).read_text("ascii")
    table = [line.partition("#")[0].split() for line in text.splitlines()]
    return {suffix: kind for kind, *suffixes in filter(None, table) for suffix in suffixes}


TABLE = read("media_types.txt") | read("web_types.txt")


def media_type(suffix: str) -> str:
    """Of a name that ends so, the dot included; without a charset: that is for the rules of a
    folder to say."""
    return TABLE.get(suffix.lower().removeprefix("."), UNKNOWN)
