"""What workers have recorded, put together again to exchanges on the tracer's side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...inspection.phrases import counted
from ...isolation.foreign_documents import object_of
from ..control.pipe import LineReader
from ..model import Observation

COUNTED = ("accounting", "cachestat")
"""Events that are counters, not moments of our clock."""


@dataclass(frozen=True)
class Recorded:
    """An exchange that is over."""

    seen: list[Observation]
    done: dict[str, Any]
    """What it was; see `recording.written`; and `pid`, the process that served it."""


SHARED = (
    "HTTP/2: reads, writes and the keys of TLS are the connection's, shared by its streams;"
    " what is shown of them was seen while this stream was served; {}"
)
ALONE = "no other one was seen meanwhile"


def shared_notes(done: dict[str, Any]) -> list[str]:
    """What must be known of an exchange that had its connection not for itself."""
    shared = done.get("shared")
    if shared is None:
        return []
    others, found = shared["others"], shared["found"]
    were = counted(others, "other one was open", "other ones were open")
    said = f"{were} meanwhile ({found} when it began)" if others else ALONE
    return [SHARED.format(said), *parts_sent(shared["sent"])]


PARTS = (
    "HTTP/2: of {whole:,} bytes sent meanwhile {own:,} were this stream's, {share:.3g} %: of the"
    " copies and of the waits for room the rest belongs to other streams ({others:,} bytes) and to"
    " the connection ({connection:,})"
)


def parts_sent(sent: dict[str, int]) -> list[str]:
    """Whose bytes the sends were; nothing where they were all of one stream."""
    whole = sum(sent.values())
    if not sent.get("others") or not whole:
        return []
    return [PARTS.format(whole=whole, share=100 * sent["own"] / whole, **sent)]


class Exchanges:
    """Those that are not over yet."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self._seen: dict[str, list[Observation]] = {}

    def take(self, data: bytes) -> tuple[list[Recorded], list[dict[str, Any]]]:
        """The exchanges that are over by what was read, and messages about something else.

        Raises ValueError for what is no message.
        """
        over: list[Recorded] = []
        others: list[dict[str, Any]] = []
        for message in map(object_of, self._lines.lines(data)):
            if "x" not in message:
                others.append(message)
                continue
            seen = self._seen.setdefault(message["x"], [])
            process = {"pid": int(message["x"].partition(".")[0])}
            for at_ns, event, detail in message.get("seen", ()):
                source = "accounting" if event in COUNTED else "clock"
                seen.append(Observation(at_ns, source, event, {**detail, **process}))
            if "done" in message:
                del self._seen[message["x"]]
                if seen:  # else all of it was lost: it came too fast
                    over.append(Recorded(seen, message["done"] | process))
        return over, others
