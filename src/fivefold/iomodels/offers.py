"""What `--io` can mean: our engines, and those that other packages offer by an entry point.

Facts.        A package offers an engine by an entry point of the group `fivefold.iomodels`: its
              name is the word for `--io`, MODEL or MODEL:ENGINE, its object a class derived from
              `IOModel`.  To read the names takes 5 ms for a hundred packages, and no foreign code.
Choice.       Names are read once, when this is imported, so that each setting knows its words; a
              class is loaded when its model is asked for, or all are listed.  Our own words stay
              ours, whatever is installed.
Assumption.   None about the package: what cannot be loaded, or is no engine, is not available, and
              the reason names it (tests/iomodels/test_offers.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from ..errors import Unavailable
from .interface import IOModel

GROUP = "fivefold.iomodels"


class EngineOffer(NamedTuple):
    """An engine that can be had, or would be if its package were right."""

    name: str
    engine: str
    load: Callable[[], type[IOModel]]
    """Raises `Unavailable`."""

    @property
    def words(self) -> str:
        """As messages name it, without doubt."""
        return self.name if self.name == self.engine else f"{self.name}:{self.engine}"

    def answers(self, choice: str) -> bool:
        """Whether `choice` is its model, its engine, or both."""
        return choice in (self.name, self.engine, f"{self.name}:{self.engine}")

    @classmethod
    def own(cls, engine: type[IOModel]) -> EngineOffer:
        return cls(engine.name, engine.engine, lambda: engine)


def installed(own: Iterable[EngineOffer]) -> list[EngineOffer]:
    """What packages offer besides `own`, by name."""
    taken = {offer.engine for offer in own}
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        name, _, engine = point.name.partition(":")
        if (engine or name) not in taken:
            taken.add(engine or name)
            found.append(EngineOffer(name, engine or name, partial(loaded, point)))
    return found


def loaded(point: EntryPoint) -> type[IOModel]:
    """Its class. Raises `Unavailable`, which names the package and what is wrong with it."""
    package = point.dist.name if point.dist else point.value
    try:
        engine = point.load()
    except Exception as error:  # noqa: BLE001 - foreign code
        raise Unavailable(f"the package {package} cannot be loaded: {error!r}") from None
    fault = fault_of(engine, point.name)
    if fault:
        raise Unavailable(f"{point.value} of the package {package} {fault}")
    found: type[IOModel] = engine
    return found


def fault_of(engine: object, words: str) -> str:
    """Why this cannot be the engine that `words` name; empty if it can."""
    if not (isinstance(engine, type) and issubclass(engine, IOModel)):
        return "is no class derived from IOModel"
    missing = [word for word in ("name", "engine", "traits") if not hasattr(engine, word)]
    missing += sorted(engine.__abstractmethods__) if inspect.isabstract(engine) else []
    if missing:
        return f"lacks {', '.join(missing)}"
    name, _, kind = words.partition(":")
    if (engine.name, engine.engine) != (name, kind or name):
        return f"calls itself {engine.name}:{engine.engine}, its entry point says {words}"
    return ""
