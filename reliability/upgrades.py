"""SIGUSR2: the server is replaced by a new one on the same sockets, again and again."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

from fivefold.compare.measure.servers import Running

from .outcome import Outcome, Trial
from .servers import PATIENCE_S, root, up, wait_until
from .steady import accounted, each, loaded, refused

UPGRADES = 10
LINES = 1000
"""Of the log: all."""

TAKEN_BACK = 3
"""Before this one, one is begun and taken back."""


class Generations:
    """The supervisors, each a child of the one before."""

    def __init__(self, running: Running, wanted: int) -> None:
        self._running, self.wanted = running, wanted
        self.pids = [root(running)]
        self._begun_so_far: list[str] = []
        self.taken_back = 0

    def replace(self) -> None:
        """One more, unless there were enough."""
        if len(self.pids) == min(TAKEN_BACK, self.wanted) and not self.taken_back:
            end(self._begun())
            self.taken_back = 1
        elif len(self.pids) <= self.wanted:
            new = self._begun()
            os.kill(self.pids[-1], signal.SIGTERM)
            self.pids.append(new)

    def _begun(self) -> int:
        os.kill(self.pids[-1], signal.SIGUSR2)

        def serving() -> list[str]:
            return re.findall(r"supervisor (\d+) serves as well", self._running.last_words(LINES))

        wait_until(lambda: set(serving()) - set(self._begun_so_far), "a new server")
        self._begun_so_far = serving()
        return int(self._begun_so_far[-1])

    def close(self) -> None:
        for pid in self.pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "its end")


def upgrade(trial: Trial) -> Outcome:
    """SIGUSR2, then SIGTERM to the old one; once to the new one instead."""
    outcome = Outcome()
    with up(trial.server) as running:
        generations = Generations(running, max(1, round(UPGRADES * trial.share)))
        try:
            pause_s = trial.seconds / (generations.wanted + 2)
            tally = loaded(running.address, trial.seconds, each(pause_s, generations.replace))
            accounted(tally, outcome)
            upgrades = len(generations.pids) - 1
            outcome.figures["upgrades"] = str(upgrades)
            outcome.must(upgrades == generations.wanted, f"{upgrades} of {generations.wanted}")
            outcome.figures["taken back"] = str(generations.taken_back)
            lost = tally.lost + refused(tally)
            outcome.must(not lost, f"{tally.lost} lost, {dict(tally.errors)}")
            outcome.must(generations.taken_back == 1, "none was taken back")
            end(generations.pids[-1])
            outcome.must(running.process.wait(PATIENCE_S) == 0, "the first one has not ended well")
        finally:
            generations.close()
    return outcome
