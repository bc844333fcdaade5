"""Which class lets asyncio's loop wait in an engine: the engine itself, but for one.

A thread of `blocking` waits in `recv`, for one connection; a loop has to wait for several
things at once.
"""

from __future__ import annotations

from ..blocking import Blocking
from ..interface import IOModel
from .blocking_loop import PolledBlocking
from .foreign_loop import ForeignLoopSupport

LOOP_ENGINES: dict[type[IOModel], type[ForeignLoopSupport]] = {Blocking: PolledBlocking}


def loop_engine(engine: type[IOModel]) -> type[ForeignLoopSupport]:
    """What to make instead of `engine` for a loop of asyncio. Raises `TypeError` if nothing."""
    found = LOOP_ENGINES.get(engine, engine)
    if not issubclass(found, ForeignLoopSupport):
        raise TypeError(f"no loop of asyncio can wait in {engine.__name__}")
    return found
