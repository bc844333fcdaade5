"""How many requests the processes and threads of one worker have begun to answer.

Facts.        Adding to a word is a read, an addition and a write: two processes that add to one
              word lose requests.  A kernel's counter (eventfd(2)) loses none, but costs a system
              call as long as all of this; and where an application closes all descriptors, its
              number may come to be that of a client's socket, and the count would be sent there.
Choice.       Shared memory, made before the fork, with a word for each thread, which is found by
              the thread's number (gettid(2)): no two threads of a system have the same one.  It
              outlives whoever has counted, and the next thread with such a number adds on.
Assumption.   Two processes of one worker whose numbers differ by a multiple of `WORDS` share a
              word, and lose a request where both add in the same 100 ns; for two threads of one
              process the GIL prevents that.  So the sum may be a little low, and is never high.
Cost.         0.3 us for each request, 32 KiB for each worker, of which pages take memory once they
              are used; nothing where the worker does not count.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from threading import get_native_id
from typing import Any

WORDS = 4096
"""More than threads or processes of one worker, whose numbers mostly follow each other."""

WORD_BYTES = 8


class RequestCount:
    """Both sides have it. Raises OSError (no memory)."""

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, WORDS * WORD_BYTES)).cast("Q")

    # runs in: the worker, and what it forks

    def in_front(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        """The same, counted: what `Overlay` puts in front of what is called for each request."""
        words = self._words

        def counted(*given: Any) -> Any:
            words[get_native_id() % WORDS] += 1
            return answer(*given)

        return counted

    # runs in: the supervisor

    @property
    def total(self) -> int:
        return sum(self._words)

    def close(self) -> None:
        self._words.release()  # and nothing else refers to the memory
