"""What applications are told of a request, remembered by its head: `environ` and `scope`."""

from __future__ import annotations

from typing import Any

from ...http1.bounded import Bounded

REMEMBERED_BYTES = 4_194_304

SHORT_BYTES = 512
"""The longest head for which that is worth while (see http1.head.reader)."""

HELD_BYTES = 20
"""By a description for each byte of its head, at most: measured with many short fields."""


class KnownHeads(Bounded[bytes, dict[str, Any]]):
    """Descriptions by heads, of which a request gets a copy."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(REMEMBERED_BYTES, SHORT_BYTES * HELD_BYTES)

    def put(self, head: bytes, described: dict[str, Any]) -> None:
        self.remember(head, described, HELD_BYTES * len(head))
