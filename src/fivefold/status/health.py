"""Whether the server lives, and whether clients shall be sent to it: for load balancers.

Kubernetes' words.  *Live*: it need not be killed; the status process answers only while its
supervisor lives, which replaces whatever else dies.  *Ready*: a worker accepts connections.  It
is not before the first worker is, nor while no worker is, nor from the moment when the server is
told to stop, which the supervisor writes down before it passes it on to the workers.  Two servers
of which one replaces the other (SIGUSR2) answer at one address, by chance: while one of them
starts, or drains, it is the other that clients are sent to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..http1.exchange import Exchange
from ..processes.census import Census
from .routes import answering

TEXT = b"text/plain; charset=utf-8"


async def live(exchange: Exchange) -> None:
    await exchange.answer(answering(200, TEXT, b"live\n"))


def readiness(census: Census) -> Callable[[Exchange], Awaitable[None]]:
    async def ready(exchange: Exchange) -> None:
        if census.ready:
            status, words = 200, f"ready: {census.ready} of {census.slots} workers"
        elif census.is_accompanied:
            status, words = 200, "ready: another server serves here"
        elif census.draining:
            status, words = 503, "draining"
        else:
            status, words = 503, "not ready: no worker accepts connections"
        await exchange.answer(answering(status, TEXT, f"{words}\n".encode()))

    return ready
