"""The two sides, and the one thread that does things to them.

Facts.        A server that dies with us dies when the *thread* ends that has started it (prctl(2),
              PR_SET_PDEATHSIG), and signals are handled in the main thread alone.
Choice.       The main thread starts servers and makes experiments, one at a time; the page's
              threads ask it to, and wait.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import SettingsError
from .experiments import EXPERIMENTS
from .io_options import option_of
from .side import Side

Document = dict[str, Any]
Done = TypeVar("Done")


class Laboratory:
    """What may be asked of it from any thread: `state`, `take` and `make`."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self._sides = sides
        self._asked: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue()

    def state(self) -> list[Document]:
        """Each side: its pair, as the page selects it, too, and where its pages are."""
        return [
            {
                "pair": side.pair,
                "serving": serving,
                "io": option_of(io),
                "live": side.live_page,
                "site": "http://{}:{}".format(*side.server.address),
            }
            for side in self._sides
            for serving, _, io in [side.pair.partition("+")]
        ]

    def take(self, number: int, pair: str) -> list[Document]:
        """Another pair for a side; the state then. Raises what `Side.take` raises."""
        if number not in range(len(self._sides)):
            raise SettingsError(f"side: {number} is neither 0 nor 1")

        def taken() -> list[Document]:
            self._sides[number].take(pair)
            return self.state()

        return self._done(taken)

    def make(self, word: str) -> list[list[tuple[str, str]]]:
        """What was found on each side. Raises `SettingsError` for an unknown word, `FivefoldError`
        if it cannot be made."""
        if word not in EXPERIMENTS:
            raise SettingsError(f"experiment: {word!r} is none of {', '.join(EXPERIMENTS)}")
        return self._done(lambda: self._made(word))

    def _done(self, action: Callable[[], Done]) -> Done:
        future: Future[Done] = Future()
        self._asked.put((future, action))
        return future.result()

    # runs in: the main thread

    def run(self) -> None:
        """Do what is asked for, until a signal's handler raises."""
        while True:
            future, action = self._asked.get()
            try:
                future.set_result(action())
            except Exception as error:  # noqa: BLE001 - whoever asked is told, and may ask again
                future.set_exception(error)

    def _made(self, word: str) -> list[list[tuple[str, str]]]:
        with ThreadPoolExecutor(len(self._sides)) as pool:
            return list(pool.map(EXPERIMENTS[word].act, self._sides))


@contextmanager
def opened(pairs: Sequence[str], folder: Path) -> Iterator[Laboratory]:
    """With servers that listen. Raises what `Side.take` raises."""
    with ExitStack() as ends:
        sides = []
        for number, pair in enumerate(pairs):
            side = ends.enter_context(closing(Side(folder / f"site-{number}")))
            side.take(pair)
            sides.append(side)
        yield Laboratory(sides)
