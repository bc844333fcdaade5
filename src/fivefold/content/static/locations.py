"""Redirects within a folder."""

from __future__ import annotations

from .paths import segments

UNRESERVED = b"/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$'()*+,=:@"

SAFE = [bytes((byte,)) if byte in UNRESERVED else b"%%%02X" % byte for byte in range(256)]


def quoted(path: bytes) -> bytes:
    """A path as it may stand in a URL."""
    return b"".join([SAFE[byte] for byte in path])


def with_slash(target: bytes) -> bytes:
    """Where a folder is, relative to the target that has no slash at its end.

    Relative (RFC 9110, section 10.2.2), because a proxy may have taken away the beginning of
    the path; and it can name no other host, because it begins with a name. A name with a
    colon would be taken for a scheme (RFC 3986, section 4.2), hence the `./`.
    """
    path, question, query = target.partition(b"?")
    names = segments(path.rpartition(b"/")[2])  # several, where a slash was encoded
    location = quoted(b"/".join(names)) + b"/"
    start = b"./" if b":" in location else b""
    return start + location + question + query
