"""What a child says to its parent: what it does, then that it is ready or why it cannot be.

A pipe, lines of JSON that are written whole, so that several children may speak on one.  An
exit status would not do: any status may come from the application, a C library or a signal,
at any time, and means a death and nothing else.  Assumption: the sentences fit in the pipe
(64 KiB), so that a child never waits for a reader; they are cut (PIPE_BUF, pipe(7)).  An end
without a word is a death before ready.
"""

from __future__ import annotations

import json
import os
import select
import traceback
from collections.abc import Callable

from ..errors import FivefoldError
from ..isolation.foreign_documents import json_of
from .draining import Draining
from .request_count import RequestCount
from .supervision.demand import Demand
from .supervision.succession import Succession

LONGEST = 3000
"""Characters of a reason, if all of them are ASCII."""

READY, FAILED, DOING = "ready", "failed", "doing"


class Announcement:
    """The child's end. Calling it says "ready"; it is then closed, and further words go nowhere."""

    def __init__(
        self,
        pipe: int,
        alive: Callable[[], None] = lambda: None,
        draining: Draining | None = None,
        requests: RequestCount | None = None,
        *,
        succession: Succession | None = None,
        demand: Demand | None = None,
        supervisor: int | None = None,
    ) -> None:
        """`alive` is called by what shows that the child is not stuck, from "ready" on (`pulse`);
        `draining`: what the parent may see of its end; `requests`: of what it answers, if it
        wants to know; `succession`: how what is left of the child hears of its successor, if it
        will have one; `demand`: how many connections its predecessor served; `supervisor`: the
        process that forks it, if the child shall end with it."""
        self._pipe = pipe
        self.alive = alive
        self.draining = draining or Draining()
        self.requests = requests
        self.succession = succession
        self.demand = demand or Demand()
        self.supervisor = supervisor

    def __call__(self) -> None:
        self.alive()
        self._say(READY, str(os.getpid()))
        self.close()

    def doing(self, what: str) -> None:
        """What keeps it from being ready, for the parent that waits for it."""
        self._say(DOING, what)

    def failed(self, error: BaseException) -> bool:
        """Why it cannot be ready; False if it was already, or no parent listens."""
        return self._say(FAILED, reason(error))

    def close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _say(self, kind: str, text: str) -> bool:
        if self._pipe < 0:
            return False
        try:
            os.write(self._pipe, line(kind, text))
        except OSError:
            return False  # no parent listens any more: another process of ours was ready
        return True


NOBODY_LISTENS = Announcement(-1)


def line(kind: str, text: str) -> bytes:
    """No longer than what is written whole."""
    text = text[:LONGEST]
    while len(data := json.dumps([kind, text]).encode() + b"\n") > select.PIPE_BUF:
        text = text[: len(text) // 2]
    return data


class Attention:
    """The parent's end: what has been heard so far."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self.pipe = pipe
        self.ready = False
        self.ended = False
        """Whether the child will say nothing more; also after "ready"."""
        self.reason = ""
        self.doing = ""
        self._rest = b""

    def listen(self) -> None:
        """Take what is there, without waiting."""
        while not self.ended:
            try:
                data = os.read(self.pipe, 65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            *lines, rest = (self._rest + data).split(b"\n")
            self._rest = rest[-select.PIPE_BUF :]  # there is no longer line
            for line in lines:
                self._take(line)

    def wait(self) -> None:
        """Until it says whether it is ready."""
        while not (self.ended or self.reason):
            select.select([self.pipe], [], [])
            self.listen()
        self.close()

    def _take(self, line: bytes) -> None:
        """The child runs the application's code, and this process must outlive it: a line that is
        not ours says nothing."""
        try:
            kind, text = json_of(line)
        except (TypeError, ValueError):
            return
        if kind == READY:
            self.ready = True
            self.close()
        elif kind == FAILED:
            self.reason = str(text)
        else:
            self.doing = str(text)

    def close(self) -> None:
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        self.ended = True


class Attentions(Attention):
    """The same for a pipe that many children write to; it ends with its reader."""

    def __init__(self, pipe: int) -> None:
        super().__init__(pipe)
        self._ready: list[int] = []

    def _take(self, line: bytes) -> None:
        """The child runs the application's code, and this process must outlive it: a line that is
        not ours says nothing."""
        try:
            kind, text = json_of(line)
        except (TypeError, ValueError):
            return
        if kind == READY:
            self._ready.append(int(text))
        elif kind == FAILED:
            self.reason = text

    def heard(self) -> tuple[list[int], str]:
        """The ids of processes that have become ready since the last call, and why one cannot."""
        self.listen()
        found = self._ready, self.reason
        self._ready, self.reason = [], ""
        return found


def reason(error: BaseException) -> str:
    """In one line, if the error is of a kind that we know; else with its traceback."""
    if isinstance(error, FivefoldError):
        return str(error)
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.format_exception(error)).rstrip()[-LONGEST:]


def announce_ready(pipe: int) -> None:
    """For a child that has nothing else to say."""
    os.write(pipe, b"r")
    os.close(pipe)
