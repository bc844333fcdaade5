"""What a row of the table is, what it is given, and what it found. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """One row with one server."""

    server: str
    """A key of `servers.SERVERS`."""
    seconds: float
    """How long the fault lasts."""
    share: float
    """`seconds` as a share of the full length: counts of a target shrink with it."""
    folder: Path
    """Empty, and gone afterwards."""


@dataclass
class Outcome:
    """What was found: figures with their units, and the targets that were missed."""

    figures: dict[str, str] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)

    def must(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - must(x < y, "...") reads
        if not holds:
            self.missed.append(otherwise)


@dataclass(frozen=True)
class Row:
    """One line of the table: what is done, to whom, for how long."""

    name: str
    title: str
    target: str
    act: Callable[[Trial], Outcome]
    seconds: float
    ours: tuple[str, ...]
    peers: tuple[str, ...] = ()
    peer_seconds: float = 10.0
    """Peers are there to compare: they need not hold out as long."""
    long: bool = False
    """Counts to what takes too long for the table: part of `make soak`, or asked for by name."""
