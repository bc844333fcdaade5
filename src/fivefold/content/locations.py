"""Redirects within a folder."""

from __future__ import annotations

UNRESERVED = b"/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$'()*+,=:@"

SAFE = [bytes((byte,)) if byte in UNRESERVED else b"%%%02X" % byte for byte in range(256)]


def quoted(path: bytes) -> bytes:
    """A path as it may stand in a URL."""
    return b"".join([SAFE[byte] for byte in path])


def with_slash(path: bytes, target: bytes) -> bytes:
    """Where a folder is, on this host: the path was cleaned, so it cannot name another one."""
    _, question, query = target.partition(b"?")
    return b"/" + quoted(path) + b"/" + question + query
