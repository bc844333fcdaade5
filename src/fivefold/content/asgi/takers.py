"""Tasks of an application that wait for a message, in the order in which they asked."""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Generator

from ...iomodels.asyncio_loop.bridge import Bridge


class Takers:
    """They are resumed from outside of asyncio, at once if no task is running (`Bridge`)."""

    def __init__(self, passed_on: Callable[[], object]) -> None:
        """`passed_on`: called when one that was resumed is cancelled: it is another's turn."""
        self._bridges: deque[Bridge] = deque()
        self._passed_on = passed_on

    def __len__(self) -> int:
        return len(self._bridges)

    @types.coroutine
    def wait(self) -> Generator[Bridge, None, None]:
        """Until it is the turn of the current task."""
        # A new one each time: one that had been used would resume the task of before, if the
        # message comes before this task waits.
        bridge = Bridge(asyncio.get_running_loop())
        bridge._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
        self._bridges.append(bridge)
        try:
            yield bridge
        except BaseException:
            if bridge in self._bridges:
                self._bridges.remove(bridge)
            else:
                self._passed_on()
            raise
        finally:
            bridge.release()

    def resume_next(self) -> None:
        self._bridges.popleft().send(None)
