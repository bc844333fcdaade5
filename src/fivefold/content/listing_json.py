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


class Json:
    """Names that are not UTF-8 have U+FFFD in them, as in every other JSON."""

    media_type = b"application/json"

    def __init__(self) -> None:
        self._separator = b"\n"

    def opening(self) -> bytes:
        return b"["

    def row(self, item: Listed) -> bytes:
        modified = datetime.fromtimestamp(item.modified_s, UTC).isoformat(timespec="seconds")
        about = {
            "name": item.name.decode("utf-8", "replace"),
            "type": "directory" if item.is_folder else "file",
            "mtime": modified.replace("+00:00", "Z"),
        }
        if not item.is_folder:
            about["size"] = item.size  # type: ignore[assignment]
        separator, self._separator = self._separator, b",\n"
        return separator + json.dumps(about).encode()

    def closing(self) -> bytes:
        return b"\n]\n"
