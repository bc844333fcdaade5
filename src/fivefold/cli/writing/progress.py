"""Progress on standard error: what is measured, how far, and the time left."""

from __future__ import annotations

import sys
import time

import click

WIDTH = 79


class Progress:
    """Told before each step; one line that is written over, or nothing but lines in a log."""

    def __init__(self, expected_s: float, steps: int = 0) -> None:
        """`steps`: about how many there will be; 0 if that is not known."""
        self._expected_s = expected_s
        self._steps = steps
        self._seen = set[str]()
        self._begun = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._last = ("", "")

    def show(self, text: str) -> None:
        passed = time.monotonic() - self._begun
        left = self._left(passed)
        self._seen.add(text)  # what is done again is no step more
        if self._terminal:
            line = f"{clock(left)} left  {text}"[:WIDTH]
            click.echo("\r" + line.ljust(WIDTH), err=True, nl=False)
            return
        stage, _, step = text.partition(":")
        if (stage, step.rpartition(":")[2]) != self._last:
            click.echo(f"{clock(left)} left  {text}", err=True)
            self._last = (stage, step.rpartition(":")[2])

    def _left(self, passed: float) -> float:
        """What was expected, or, where the machine is slower than that, what the steps until now
        say of those that are left."""
        done = len(self._seen)
        by_steps = passed / done * max(self._steps - done, 1) if done and self._steps else 0.0
        return max(self._expected_s - passed, by_steps, 0.0)

    def end(self) -> None:
        if self._terminal:
            click.echo("\r" + " " * WIDTH + "\r", err=True, nl=False)


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
