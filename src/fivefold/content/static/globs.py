"""Patterns for paths, as the rules of a folder write them.

    *.css          every file of that name, in whatever folder
    /assets/*      the files of one folder
    /assets/**     all below it

A pattern with a slash is matched against the whole path, one without against the name.
"""

from __future__ import annotations

import os
import re

PIECES = re.compile(r"\*\*|\*|\?|[^*?]+")

MEANING = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


class Glob:
    """One pattern; true for the paths that it matches."""

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
