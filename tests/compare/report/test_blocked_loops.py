"""A handler that blocks the event loop: seen in the figures, and said once for all pairs."""

from __future__ import annotations

from typing import Any

import pytest

from fivefold.compare.report.advice import advice
from fivefold.compare.report.html.page import as_html
from fivefold.compare.report.terminal_table import text
from support.hand_made.rows import document, figure, row

USUAL = "async+multiplexing"
IO_MODELS = ("blocking", "nonblocking", "multiplexing", "sigio", "aio")


def only(*rows: dict[str, Any], interface: str) -> dict[str, Any]:
    """The answer to the scenario's question; that of memory comes behind it."""
    return advice(rows, "./site", USUAL, interface)[0]


def test_a_handler_that_blocks_the_loop_is_named() -> None:
    """It answers 17 of 277, and the processor has nothing to do."""
    blocked = row(USUAL, 500, requests_per_s=figure(17))
    rows = [blocked, row("thread+multiplexing", 600, requests_per_s=figure(277))]
    found = only(*rows, interface="asgi")

    assert found["take"] == "thread+multiplexing"
    (reason,) = found["excluded"]
    assert reason.startswith(f"{USUAL}: the handler blocks the event loop: 17.0 instead of 277 re")
    assert "write it as `def`" in reason
    assert "or take thread+multiplexing" in reason


def test_a_loop_that_is_blocked_in_every_row_is_named() -> None:
    """Threads share the loop of an ASGI application, so they are no better: nothing to compare
    with, but one request alone takes as long as each of those that are asked together."""
    names = (USUAL, "thread+multiplexing")
    blocked = [row(name, 500, requests_per_s=figure(19.6), alone_ms=51.0) for name in names]
    found = only(*blocked, interface="asgi")

    assert found["take"] is None
    (reason,) = found["excluded"]
    assert reason.startswith(f"{', '.join(names)}: the handler blocks the event loop: 19.6 reques")
    assert " for all clients, one after the other, as one alone is answered in 51.0 ms" in reason
    assert reason.endswith("or take --serving process.")

    left = only(blocked[0] | {"clients_left": 12}, interface="asgi")
    few, blocks = left["excluded"]
    assert few == f"{USUAL}: 12 clients got no answer in 5 s."
    assert blocks.startswith(f"{USUAL}: the handler blocks the event loop")

    freed = row("process+multiplexing", 900, requests_per_s=figure(900), alone_ms=51.0)
    found = only(*blocked, freed, interface="asgi")
    assert found["take"] == "process+multiplexing"
    (reason,) = found["excluded"]
    assert "19.6 instead of 900 requests/s" in reason


def test_the_remedy_of_a_blocked_loop_is_said_once_for_all_pairs() -> None:
    """The handler is the same in ten pairs: their names and how far their figures go, in both
    forms of the report."""
    names = [f"{serving}+{io}" for serving in ("async", "thread") for io in IO_MODELS]
    slow = [
        row(name, 500, requests_per_s=figure(rate), alone_ms=51.0)
        for rate, name in enumerate(names, 17)
    ]
    free = [
        row(f"process+{io}", 900, requests_per_s=figure(900), alone_ms=51.0) for io in IO_MODELS
    ]
    rows = [
        *slow,
        *free,
        row("async+epoll", 9, clients_left=3),
        row("async+poll", 9, clients_left=3),
    ]
    found = document(*rows, advice=advice(rows, "shop:app", USUAL, "asgi"))

    printed = text(found)
    assert max(map(len, printed.splitlines())) <= 80
    few = "async+epoll, async+poll: 3 clients got no answer in 5 s."
    once = f"{', '.join(names)}: the handler blocks the event loop: 17.0 to 26.0 instead of 900 req"
    for seen in (" ".join(printed.split()), as_html(found)):
        assert seen.count("blocks the event loop") == 1
        assert once in seen
        assert few in seen


@pytest.mark.parametrize(
    "changed",
    [
        {"requests_per_s": figure(1250)},  # they overlap
        {"load_is_the_limit": True},
        {"scenario": "rate"},
        {"workers": 4, "requests_per_s": figure(400)},
        {"alone_ms": 2.0},
    ],
)
def test_what_overlaps_or_is_asked_for_seldom_is_not_said_to_block(
    changed: dict[str, Any],
) -> None:
    found = only(
        row(USUAL, 500, **{"requests_per_s": figure(19.6), "alone_ms": 51.0} | changed),
        interface="asgi",
    )
    assert found["take"] == USUAL


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_handler_that_computes_is_not_said_to_block(interface: str) -> None:
    """The core is busy, or the application is not run in the loop at all."""
    cost = 1e6 / 17 if interface == "asgi" else 500
    slow = row(USUAL, cost, requests_per_s=figure(17))
    rows = [slow, row("thread+multiplexing", 600, requests_per_s=figure(277))]

    assert only(*rows, interface=interface)["excluded"] == ()


@pytest.mark.parametrize(("cost", "taken"), [(500, None), (20000, "thread+multiplexing")])
def test_a_thread_that_tries_in_vain_does_not_hide_a_blocked_loop(
    cost: float, taken: str | None
) -> None:
    """Non-blocking threads need the processor while the loop is blocked; where each pair needs it
    the handler computes."""
    costs = {"thread+multiplexing": cost, "thread+nonblocking": 20000}
    rows = [row(n, c, requests_per_s=figure(44.9), alone_ms=21.3) for n, c in costs.items()]
    found = only(*rows, interface="asgi")

    assert found["take"] == taken
    if taken is None:
        assert [each.partition(":")[0] for each in found["excluded"]] == [", ".join(costs)]
