"""What the log says of the end of a call of an application."""

from __future__ import annotations

import asyncio

from ...http1.escaping import as_text
from ...http1.exchange import Exchange
from ...isolation.reporting import is_a, logger, report
from ..request_ids import about

log = logger("fivefold.asgi")


def report_end(error: BaseException, exchange: Exchange) -> bool:
    """Say in the log what has ended a call; whether that was its own failure."""
    at = path_of(exchange)
    if is_a(error, asyncio.CancelledError) and exchange.conn.closing:
        with about(exchange.request_id):
            log.warning("the application was cancelled at %s: the server stops", at)
        return False
    with about(exchange.request_id):
        report(log, "the application failed at %s", at, error=error)
    if exchange.span is not None:
        exchange.span.failed(error)
    return True


def path_of(exchange: Exchange) -> str:
    """What was asked for, for a line of the log."""
    return as_text(exchange.request.target.partition(b"?")[0])


def unfinished(exchange: Exchange) -> str:
    """How far the response of an application has come that has ended too early."""
    if exchange.started:
        return "in the middle of its response"
    return "without a body" if exchange.head else "without a response"
