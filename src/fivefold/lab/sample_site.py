"""The site that both pairs serve: one small page, and one file that is large enough for the disk
to be seen."""

from __future__ import annotations

from pathlib import Path

SMALL = "/"
LARGE = "large.bin"

LARGE_BYTES = 32 * 1024 * 1024
"""A disk needs some hundredths of a second for it, a hundred times as long as a request takes."""

PAGE = b"<!doctype html><title>A small page</title><p>This is what the clients ask for."


def make_site(folder: Path) -> None:
    """Each pair has one of its own: what one has read from the disk is cold for the other."""
    folder.mkdir()
    (folder / "index.html").write_bytes(PAGE)
    (folder / LARGE).write_bytes(bytes(LARGE_BYTES))
