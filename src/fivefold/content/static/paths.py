"""From a request target to a path inside the folder, or nowhere.

The rule is syntactic and complete before the file system is asked: percent-decode once,
then no segment may be `..`, and no byte may be NUL or a backslash.  What is left can
leave the folder only through a symbolic link, and opening refuses those.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


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
