"""A listing for programs: an array of objects, one a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Protocol


class Listed(Protocol):
    """What there is to say of a file or folder."""

    name: bytes
    is_folder: bool
    size: int
    modified_s: float


def moment(seconds: float) -> datetime | None:
    """In UTC; None outside of the years 1 to 9999: a file has whatever time somebody gave it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


class Json:
    """Names that are not UTF-8 have U+FFFD in them, as in every other JSON; a time that has no
    ISO form is null."""

    media_type = b"application/json"

    def __init__(self) -> None:
        self._separator = b"\n"

    def opening(self) -> bytes:
        return b"["

    def row(self, item: Listed) -> bytes:
        modified = moment(item.modified_s)
        about = {
            "name": item.name.decode("utf-8", "replace"),
            "type": "directory" if item.is_folder else "file",
            "mtime": modified and f"{modified.isoformat(timespec='seconds')}Z",
        }
        if not item.is_folder:
            about["size"] = item.size  # type: ignore[assignment]
        separator, self._separator = self._separator, b",\n"
        return separator + json.dumps(about).encode()

    def closing(self) -> bytes:
        return b"\n]\n"
