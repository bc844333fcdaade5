"""The five I/O models and their engines, in Stevens' order (UNP 6.2).

Adding a sixth is one file and one line in `ENGINES`; the command line, the tests and
the reports read this table and nothing else.
"""

from __future__ import annotations

from ..errors import SettingsError, Unavailable
from .aio.posix import Posix
from .aio.uring import Uring
from .blocking import Blocking
from .interface import IOModel
from .multiplexing import Epoll, Poll, Select
from .nonblocking import Nonblocking
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


def choices() -> list[str]:
    """Everything that `resolve` understands."""
    both = [f"{e.name}:{e.engine}" for e in ENGINES if e.name != e.engine]
    bare = [e.engine for e in ENGINES if e.name != e.engine]
    return [*MODELS, *both, *bare]


def resolve(choice: str) -> tuple[type[IOModel], list[str]]:
    """The engine for `choice`, and a sentence for each better one that cannot run here.

    `choice` is a model ("aio"), a model with an engine ("aio:posix") or an engine ("posix").
    Raises `SettingsError` for an unknown word, `Unavailable` if nothing of it runs here.
    """
    model, _, engine = choice.partition(":")
    wanted = [
        e
        for e in ENGINES
        if (engine and (e.name, e.engine) == (model, engine))
        or (not engine and choice in (e.name, e.engine))
    ]
    if not wanted:
        raise SettingsError(f"io: unknown I/O model {choice!r}; choose from {', '.join(choices())}")
    passed_over: list[str] = []
    for candidate in wanted:
        reason = candidate.available()
        if reason is None:
            return candidate, passed_over
        passed_over.append(f"{candidate.engine} is not available: {reason}")
    raise Unavailable(f"io: {choice} cannot run here: {'; '.join(passed_over)}")
