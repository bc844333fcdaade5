"""How what is left of a worker that has died hears that its successor serves.

Facts.        A worker may consist of several processes.  The one that its supervisor knows dies
              alone (`kill -9`, no memory): under `process` the acceptor and the connection
              processes are well, and until a successor has started, which takes as long as the
              application's import, they are all that could answer a client.
Choice.       A pipe for each worker, made before the fork.  Its writer is the supervisor's alone,
              which closes it, with a byte, when a successor serves or none will: what is left
              then stops accepting.  The end of the supervisor closes it as well.
Assumption.   No other process keeps the writer.  Whatever the supervisor forks meanwhile has a
              copy, and workers close theirs; one that is kept all the same delays only what the
              end of the supervisor says, which is why there is a byte.
Cost.         Two descriptors for a worker, one on each side.
"""

from __future__ import annotations

import contextlib
import os


class Succession:
    """Of one worker; both sides have it. Raises OSError (no descriptor)."""

    def __init__(self) -> None:
        self.heard, self._say = os.pipe2(os.O_CLOEXEC)
        """`heard`: readable in the worker as soon as no client needs what is left of it."""

    # runs in: the supervisor

    def begin(self) -> None:
        """The worker has been forked, or could not be."""
        os.close(self.heard)
        self.heard = -1

    def end(self) -> None:
        """Another one serves, or no client is to be served any more."""
        if self._say >= 0:
            with contextlib.suppress(OSError):  # nothing is left of it
                os.write(self._say, b"e")
        self.close()

    def close(self) -> None:
        """In processes that the supervisor has forked: not theirs."""
        if self._say >= 0:
            os.close(self._say)
            self._say = -1
