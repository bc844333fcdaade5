"""The scenarios, as data: which clients ask how, and why models differ there.

Models only differ where something waits.  A scenario is a function from what the target
offers (`Offer`) to groups of clients; adding one is such a function and a line in
`SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...configuration.setting import one_of
from ...load.job import Ask, Group
from ...load.tally import Tally

ACTIVE = 16
"""Clients that ask while others idle, are slow or do harm."""
KEPT = 64
"""Clients that ask, where there are no others."""
SLOW = 64
FEW = 4
"""Clients that each move much."""
WRONG, LOST, LEFT = "errors", "lost", "clients_left"
"""What is held against a pair: wrong answers, requests that were never answered, clients that
were not served in a round as long as any may be.  Each is a figure of a row."""
FAULTS = (WRONG, LOST, LEFT)
UNHARMED = "rounds_unharmed"
"""Likewise, where harm is done: rounds that prove nothing, because it was not."""
COUNTED_ROUNDS = 5
"""Where harm is counted: it is the same in each round, and each needs a server of its own."""
HARM_AFTER = 0.5
"""The share of a run after which harm is done."""


@dataclass(frozen=True)
class Offer:
    """What can be asked of the target."""

    kept: tuple[Ask, ...]
    fresh: tuple[Ask, ...]
    """The same, each the last of its connection."""
    special: tuple[Ask, ...] = ()
    """What this scenario asks for, where it needs a path of its own."""
    rate: float = 0.0
    idle: int = 0
    seconds: float = 1.0


@dataclass(frozen=True)
class Scenario:
    """One way in which clients behave."""

    name: str
    why: str
    """What it shows, in one sentence."""
    groups: Callable[[Offer], tuple[Group, ...]]
    needs_path: str | None = None
    """What a path must do that has to be named for it; None if any path will do."""
    largest_file: bool = False
    """Whether a folder's largest file will do, if no path is named."""
    alone: bool = False
    """Whether every run needs a server of its own, because it harms it."""
    evicts: bool = False
    """Whether the folder's files are dropped from memory before every run."""
    grows: tuple[int, ...] = (0,)
    """The numbers of idle connections, one after the other."""
    method: str = "GET"
    body_bytes: int = 0
    known_answer: bool = True
    """Whether the special path has an answer that can be learned."""
    question: str = ""
    """What a developer asks who chooses by it; `why` says what is done to find out."""
    decides: str = "requests_per_s"
    """The figure that answers it, by its key, or one of `FAULTS`."""
    faults: tuple[str, ...] = FAULTS
    """Which of them exclude a pair: not those that the scenario is about."""
    most_rounds: int | None = None
    harm: str | None = None
    """Which count of a `Tally` shows that the harm was done; None where none is."""

    def is_unharmed(self, tally: Tally) -> bool:
        """Whether a round proves nothing, because the harm that it is about was not done."""
        return self.harm is not None and not getattr(tally, self.harm)


def steady(offer: Offer) -> tuple[Group, ...]:
    return (Group("kept", KEPT, offer.kept),)


def at_a_rate(offer: Offer) -> tuple[Group, ...]:
    return (Group("scheduled", KEPT, offer.kept, rate=offer.rate),)


def fresh(offer: Offer) -> tuple[Group, ...]:
    return (Group("fresh", ACTIVE, offer.fresh),)


def idle(offer: Offer) -> tuple[Group, ...]:
    idlers = Group("idle", offer.idle, offer.kept[:1], first=True, counted=False)
    return (Group("kept", ACTIVE, offer.kept), *([idlers] if offer.idle else []))


def slow(offer: Offer) -> tuple[Group, ...]:
    return (
        Group("slow", SLOW, offer.kept[:1], counted=False),
        Group("kept", ACTIVE, offer.kept),
    )


def few(offer: Offer) -> tuple[Group, ...]:
    return (Group("kept", FEW, offer.special),)


def special(offer: Offer) -> tuple[Group, ...]:
    return (Group("kept", ACTIVE, offer.special),)


def mixed(offer: Offer) -> tuple[Group, ...]:
    """A page that computes or waits, and clients that want a quick one meanwhile."""
    return (
        Group("kept", FEW, offer.special, counted=False),
        Group("kept", ACTIVE, offer.kept),
    )


def harmed(offer: Offer) -> tuple[Group, ...]:
    after = offer.seconds * HARM_AFTER
    return (
        Group("kept", ACTIVE, offer.kept),
        Group("once", 1, offer.special, after_s=after, counted=False),
    )


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "steady",
            f"{KEPT} clients ask without a pause on kept connections",
            steady,
            question="Many clients: which pair answers most requests?",
        ),
        Scenario(
            "rate",
            "requests come at a fixed rate, whatever the server does",
            at_a_rate,
            question="So many requests a second: with which pair do clients wait least?",
            decides="latency_ms.p99",
            faults=(WRONG, LOST),  # few requests need not reach every client
        ),
        Scenario(
            "fresh",
            f"{ACTIVE} clients, a connection for every request",
            fresh,
            question="Clients that come once: which pair answers most of them?",
        ),
        Scenario(
            "idle",
            f"{ACTIVE} clients ask beside idle connections, more and more of them",
            idle,
            grows=(0, 250, 1000),
            question="Many clients that are connected and ask little: which pair bears them?",
        ),
        Scenario(
            "slow-clients",
            f"{ACTIVE} clients ask beside {SLOW} that send ten bytes a second",
            slow,
            question="Slow clients: which pair still answers the others?",
        ),
        Scenario(
            "large",
            f"{FEW} clients download something large",
            few,
            needs_path="that answers with 1 MB or more",
            largest_file=True,
            question="Large answers: which pair sends most of them?",
        ),
        Scenario(
            "cold",
            "the files are not in memory at first",
            steady,
            alone=True,
            evicts=True,
            question="Files that the disk has to read: which pair answers most requests?",
        ),
        Scenario(
            "upload",
            f"{ACTIVE} clients send 1 MiB each, again and again",
            special,
            needs_path="that takes a POST of 1 MiB",
            method="POST",
            body_bytes=1 << 20,
            question="Uploads: which pair takes most of them?",
        ),
        Scenario(
            "blocking",
            f"{ACTIVE} clients ask for a page that sleeps or waits for a database",
            special,
            needs_path="that waits before it answers",
            question="Slow handlers: which pair answers most requests while they wait?",
            faults=(WRONG, LOST),  # who serves one after the other is slow here, and that is shown
        ),
        Scenario(
            "cpu",
            f"{ACTIVE} clients ask for a quick page while {FEW} ask for one that computes",
            mixed,
            needs_path="that computes before it answers",
            question="Handlers that compute: which pair still answers quick requests?",
        ),
        Scenario(
            "crash",
            f"{ACTIVE} clients ask, and one request kills the process that serves it",
            harmed,
            needs_path="that kills the process (os.abort)",
            alone=True,
            known_answer=False,
            question="What if one request crashes: how many of the others does it take along?",
            decides=LOST,
            faults=(UNHARMED,),
            harm="cut_off",
            most_rounds=COUNTED_ROUNDS,
        ),
        Scenario(
            "hang",
            f"{ACTIVE} clients ask, and one request never ends",
            harmed,
            needs_path="that never answers",
            alone=True,
            known_answer=False,
            question="What if one request hangs: how many of the others wait with it?",
            decides="requests_stalled",
            faults=(WRONG, LOST, UNHARMED),
            harm="kept_waiting",
            most_rounds=COUNTED_ROUNDS,
        ),
    )
}


def chosen(names: Sequence[str]) -> list[Scenario]:
    """Raises `SettingsError` for an unknown name."""
    for name in names:
        one_of("scenario", name, SCENARIOS)
    return [SCENARIOS[name] for name in dict.fromkeys(names)]
