"""The fifteen pairs and all engines, from the registries and nowhere else."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from fivefold.iomodels import ENGINES, engines
from fivefold.iomodels.interface import IOModel
from fivefold.serving import MODELS


@functools.cache
def why_not(engine: type[IOModel]) -> str | None:
    """Why it cannot run here. Asked once in a process: `aio:posix` forks to find out, and hundreds
    of cases are made for it."""
    return engine.available()


def pairs(*, overlapping: bool = False, shared: bool = False) -> pytest.MarkDecorator:
    """Parametrise with `pair`: every serving model with every engine, those of packages included.

    `overlapping` leaves out the one pair that serves one client at a time by nature, as
    the traits of its two models say.  `shared` runs all such tests of a module for one pair
    before those for the next, so that a fixture of the module can keep a server for them; they can
    have no other parameters.
    """
    cases = []
    for serving, model in MODELS.items():
        for engine in engines():
            iterative = model.traits.one_thread and not engine.traits.overlaps
            if overlapping and iterative:
                continue
            reason = why_not(engine)
            marks = [pytest.mark.skip(reason=reason)] if reason else []
            settings = {"serving": serving, "io": engine.engine}
            cases.append(pytest.param(settings, id=f"{serving}-{engine.engine}", marks=marks))
    return pytest.mark.parametrize("pair", cases, scope="module" if shared else None)


def every_engine() -> pytest.MarkDecorator:
    """Parametrise with `serving` and `engine`: each engine of ours under `async`, and the other
    serving models with one that sleeps in a call and one that sleeps between calls. For what an
    engine does, whoever runs it, where a test takes long."""
    cases = [("async", engine) for engine in ENGINES]
    few = [engine for engine in ENGINES if engine.engine in {"blocking", "epoll"}]
    cases += [(serving, engine) for serving in MODELS if serving != "async" for engine in few]
    return pytest.mark.parametrize(
        ("serving", "engine"),
        [
            pytest.param(
                serving,
                engine,
                id=f"{serving}-{engine.engine}",
                marks=[pytest.mark.skip(reason=why)] if (why := why_not(engine)) else [],
            )
            for serving, engine in cases
        ],
    )


def chosen_pairs(*ids: str) -> list[Any]:
    """A few of `pairs`, by their ids, for `params` or `parametrize`: where a test takes long. Who
    chooses says why these. The parameter of a fixture of the module lets the tests have others."""
    known = {case.id: case for case in pairs().args[1]}
    return [known[each] for each in ids]
