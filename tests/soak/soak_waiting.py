"""How long a client waits, measured by a process of its own.

The clients of the soak are threads of one interpreter: what they wait for each other is as
long as what they wait for a server.  So the load generator asks at a fixed rate, from its
own process, for a minute before and a minute after the storm, while the clients go on.
"""

from __future__ import annotations

from fivefold.load.generator import Generator
from fivefold.load.job import Ask, Expected, Group, Job, request
from fivefold.load.tally import Tally

CLIENTS, RATE = 8, 50
"""Connections, and requests a second of all: three thousand a minute, so that thirty lie above
the 99th percentile; and few enough that no queue of due requests grows."""


def waiting(address: tuple[str, int], seconds: float) -> Tally:
    """Ask the service for `seconds`; latencies count from when a request was due."""
    ask = Ask(request("/double/21", host="soak"), Expected(200, 2))
    group = Group("scheduled", CLIENTS, (ask,), rate=RATE)
    with Generator() as generator:
        return generator.run(Job(address, seconds, (group,)))


def wrong(tally: Tally, seconds: float) -> str | None:
    """What was not as it must be, in a sentence."""
    due = RATE * seconds
    if tally.errors or tally.lost or tally.requests < 0.9 * due:
        errors = dict(tally.errors)
        return (
            f"of {due:.0f} requests at a fixed rate {tally.requests} were answered rightly, "
            f"{tally.lost} were lost; errors: {errors}"
        )
    return None
