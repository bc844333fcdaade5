"""The five I/O models and their engines, in Stevens' order (UNP 6.2).

Adding a sixth is one file and one line in `ENGINES`; the command line, the tests and
the reports read this table and nothing else.  A package of its own can add one as well, by an
entry point of the group `fivefold.iomodels` (`offers`).
"""

from __future__ import annotations

from ..errors import SettingsError, Unavailable
from .aio.posix import Posix
from .aio.uring import Uring
from .blocking import Blocking
from .interface import IOModel
from .multiplexing import Epoll, Poll, Select
from .nonblocking import Nonblocking
from .offers import EngineOffer, installed
from .sigio import Sigio

ENGINES: tuple[type[IOModel], ...] = (
    Blocking,
    Nonblocking,
    Epoll,
    Poll,
    Select,
    Sigio,
    Uring,
    Posix,
)
"""Every engine; of one model the best comes first, so that `auto` can take it."""

MODELS: tuple[str, ...] = tuple(dict.fromkeys(engine.name for engine in ENGINES))
"""The words that `--io` takes, besides the engines' own names."""

OFFERS: list[EngineOffer] = [EngineOffer.own(engine) for engine in ENGINES]
OFFERS += installed(OFFERS)
"""Ours, then those of packages that are installed."""


def models() -> list[str]:
    """`MODELS`, and those of packages that are installed."""
    return list(dict.fromkeys(offer.name for offer in OFFERS))


def engines() -> list[type[IOModel]]:
    """`ENGINES`, and those of packages that are installed and can be loaded."""
    found = []
    for offer in OFFERS:
        try:
            found.append(offer.load())
        except Unavailable:
            pass  # whoever asks for it hears why
    return found


def choices() -> list[str]:
    """Everything that `resolve` understands."""
    named = [offer for offer in OFFERS if offer.name != offer.engine]
    both = [f"{offer.name}:{offer.engine}" for offer in named]
    return [*models(), *both, *(offer.engine for offer in named)]


def resolve(choice: str) -> tuple[type[IOModel], list[str]]:
    """The engine for `choice`, and a sentence for each better one that cannot run here.

    `choice` is a model ("aio"), a model with an engine ("aio:posix") or an engine ("posix").
    Raises `SettingsError` for an unknown word, `Unavailable` if nothing of it runs here.
    """
    wanted = [offer for offer in OFFERS if offer.answers(choice)]
    if not wanted:
        raise SettingsError(f"io: unknown I/O model {choice!r}; choose from {', '.join(choices())}")
    passed_over: list[str] = []
    for offer in wanted:
        reason = why_not(offer)
        if reason is None:
            return offer.load(), passed_over
        passed_over.append(f"{offer.engine} is not available: {reason}")
    raise Unavailable(f"io: {choice} cannot run here: {'; '.join(passed_over)}")


def why_not(offer: EngineOffer) -> str | None:
    """The reason why it cannot run here; None if it can."""
    try:
        return offer.load().available()
    except Unavailable as error:
        return str(error)
