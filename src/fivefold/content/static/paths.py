"""From a request target to a path inside the folder, or nowhere; and from a path to a target.

The rule is syntactic and complete before the file system is asked: percent-decode once,
then no segment may be `..`, and no byte may be NUL or a backslash.  What is left can
leave the folder only through a symbolic link, and opening refuses those.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

SAFE = "/!$'()*+,=:@"
"""In a path, besides letters, digits and `-._~` (RFC 3986, section 3.3)."""


def segments(target: bytes) -> list[bytes]:
    """The named segments of a target's path, decoded; any of them may be `..`."""
    path = unquote_to_bytes(target.partition(b"?")[0])
    return [s for s in path.split(b"/") if s not in (b"", b".")]


def is_hidden(name: bytes) -> bool:
    return name.startswith(b".") and name != b".well-known"


def relative_path(target: bytes) -> bytes | None:
    """The path of `target` relative to the folder, `b""` for the folder itself.

    None if it can name no file here: a broken escape, NUL, a backslash (a separator to
    some clients), a segment `..`, or a hidden `.name` other than `.well-known`.
    A trailing slash is kept: it says that a folder is meant.
    """
    raw = target.partition(b"?")[0]
    if BAD_ESCAPE.search(raw):
        return None
    path = unquote_to_bytes(raw)
    if b"\0" in path or b"\\" in path:
        return None
    kept = segments(raw)
    if any(map(is_hidden, kept)):
        return None
    trailing = path.rpartition(b"/")[2] in (b"", b".")
    return b"/".join(kept) + (b"/" if trailing and kept else b"")


def quoted(path: bytes) -> bytes:
    """A path as it may stand in a URL."""
    return quote_from_bytes(path, SAFE).encode()


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
