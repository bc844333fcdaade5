"""Whether finished answers may wait for each other: only while whatever else runs is quick.

Facts.        Answers that leave together cost less (`connection`, `aio/uring/sender`).  But between
              two of them a coroutine runs, and that may be an application that takes half a
              second.  A thread that was kept from its processor looks the same.
Consequence.  A finished answer would wait for another client's handler: no code can know
              beforehand how long that takes.
Choice.       Begin without waiting.  When `QUICK_STEPS` steps in a row have each taken less
              than `QUICK_S`, answers may be held, for `HELD_S`.  Some that were held for
              longer than that and a step end the time of holding, until quick steps have
              taken as much time as was lost: a slow handler is paid for in full, a busy
              machine at its own small rate.
Assumption.   A handler that has been quick lately is so now.  What breaks it (one slow handler
              among many quick ones) delays the answers of one turn by one handler, and then none
              for at least as long (`tests/contract/test_pace.py`).
Cost.         Reading the clock once for each answer, 40 ns.
"""

from __future__ import annotations

HELD_S = 0.0007
"""How long an answer waits for others: as long as 64 small ones take, so that these leave
together."""

QUICK_S = 0.0003
"""A step that takes longer is noticed: with it an answer is held for a millisecond at most."""

QUICK_STEPS = 64
"""So many quick steps in a row are trusted."""

MOST_OWED_S = 10.0
"""A handler of a minute is forgotten after so much quick work."""


class Pace:
    """Of the coroutines of one thread."""

    def __init__(self) -> None:
        self.cautious = True
        """Whether every answer has to leave before anything else runs."""
        self.since = 0.0
        """When the first of the answers that are held was ready; set by the holder."""
        self._last = 0.0
        self._quick = 0
        self._owed_s = 0.0

    def step_begins(self, now: float) -> None:
        """While `cautious`; 0.0 if it is not known when."""
        self._last = now

    def step_ends(self, now: float) -> None:
        """While `cautious`."""
        took = now - self._last
        # What was resumed after a wait: its beginning is not known, and the wait is none of its
        # doing.
        if not self._last:
            return
        if took > QUICK_S:
            self._lose(took)
            return
        self._quick += 1
        self._owed_s -= took
        if self._quick >= QUICK_STEPS and self._owed_s <= 0.0:
            self.cautious = False

    def _lose(self, seconds: float) -> None:
        self._quick = 0
        self._owed_s = min(max(self._owed_s, 0.0) + seconds, MOST_OWED_S)
        self.cautious = True

    def released(self, now: float) -> None:
        """What was held leaves, after `HELD_S` at the latest."""
        if now - self.since > HELD_S + QUICK_S:
            self._lose(now - self.since)
