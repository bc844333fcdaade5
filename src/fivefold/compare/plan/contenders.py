"""What is compared: our pairs, from the registries, and other servers, from `peers`.

A contender is a command; what distinguishes one from another is written down beside it.
A pair that cannot run here stays in the list, with the reason.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ...configuration.setting import one_of
from ...errors import Unavailable
from ...iomodels import models as io_models
from ...iomodels import resolve
from ...iomodels.interface import IOModel
from ...server.settings import Settings
from ...serving import MODELS as SERVING_MODELS

ANY_PORT = "127.0.0.1:0"
GRACE_S = 1.0


@dataclass(frozen=True)
class Contender:
    """One server to be measured. Its command's {words} are filled in when it starts."""

    name: str
    command: tuple[str, ...] = ()
    serving: str | None = None
    """None for other people's servers, as `io` and `engine`."""
    io: str | None = None
    engine: str | None = None
    workers: int = 1
    reason: str | None = None
    """Why it cannot run here; None if it can."""
    note: str | None = None
    options: tuple[str, ...] = ()
    """What to write behind `fivefold serve TARGET` to have it."""
    announces: bool = True
    """Whether it says on which port it listens, rather than being told one."""
    address: tuple[str, int] | None = None
    """Where it runs already; None: it is started for the comparison."""
    configuration: str | None = None
    """The text of its configuration file; the @words@ left in it are filled in when it starts."""

    @property
    def available(self) -> bool:
        return self.reason is None


def pairs(
    settings: Settings,
    serving: Sequence[str] = (),
    io: Sequence[str] = (),
    workers: Sequence[int] = (1,),
) -> list[Contender]:
    """The chosen serving models times the chosen I/O models; nothing chosen means all.

    Raises `SettingsError` for an unknown word.
    """
    for name in serving:
        one_of("serving", name, SERVING_MODELS)
    return [
        pair(settings, model, choice, count)
        for model in serving or SERVING_MODELS
        for choice in io or io_models()
        for count in workers
        if count == min(workers) or SERVING_MODELS[model].traits.scales_by_workers
    ]


def with_usual(ours: list[Contender], usual: Contender) -> tuple[list[Contender], str]:
    """The pairs, the usual one among them, and its name there: another word for its engine may
    have been chosen (`epoll` for `multiplexing`).  Without it nothing could be said against it."""
    for each in ours:
        if (each.serving, each.engine) == (usual.serving, usual.engine):
            return ours, each.name
    return [usual, *ours], usual.name


def pair(settings: Settings, serving: str, io: str, workers: int) -> Contender:
    """One of ours, available or not. Raises `SettingsError`."""
    scales = SERVING_MODELS[serving].traits.scales_by_workers
    count = workers if scales else 1
    name = f"{serving}+{io}" + (f" x{count}" if count > 1 else "")
    try:
        engine, _ = resolve(io)
    except Unavailable as error:
        model = io.partition(":")[0]
        return Contender(name, (), serving, model, None, count, reason=str(error))
    several = ("--workers", str(count)) if count > 1 else ()
    newer = ("--h2c",) if settings.http2.h2c else ()
    options = ("--serving", serving, "--io", io, *several, *newer)
    return Contender(
        name,
        command(settings, options),
        serving,
        engine.name,
        engine.engine,
        count,
        note=note(serving, engine),
        options=options,
    )


def note(serving: str, engine: type[IOModel]) -> str | None:
    iterative = SERVING_MODELS[serving].traits.one_thread and not engine.traits.overlaps
    return "iterative: one client at a time" if iterative else None


def command(settings: Settings, options: tuple[str, ...]) -> tuple[str, ...]:
    """Fivefold itself, from this interpreter."""
    given = ["--bind", ANY_PORT, "--grace-s", str(GRACE_S), "--interface", settings.interface]
    if settings.chdir:
        given += ["--chdir", settings.chdir]
    target = literal(settings.target)
    return (sys.executable, "-m", "fivefold", "serve", target, *options, *given)


def literal(text: str) -> str:
    """For a template in which {words} are filled in."""
    return text.replace("{", "{{").replace("}", "}}")
