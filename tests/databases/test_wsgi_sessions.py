"""SQLAlchemy's sessions of threads, under WSGI in each way that gives a call its thread.

`--inline` does not: its calls share one (docs/wsgi.md)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.servers.embedded import MODELS, Site, hosting
from support.servers.postgres_and_redis import Postgres

CLIENTS = 4
"""More than the pool has connections."""

REQUESTS = 5

LINES = 40
"""As the application has them."""


@pytest.fixture(params=MODELS)
def site(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Site]:
    way: dict[str, Any] = MODELS[request.param]
    with hosting("applications.databases.scoped_sessions:app", **way) as running:
        yield running


def ask(site: Site, client: int) -> None:
    """On one connection, then leaves another in the middle."""
    with site.wire() as wire:
        for number in range(REQUESTS):
            path = f"/{client}-{number}"
            assert wire.ask(path).body == f"{path}\n".encode() * LINES
    leaver = site.wire()
    leaver.put(f"/{client}-leaves")
    leaver.head()
    leaver.leave()


def test_a_session_is_of_one_call_and_its_thread(site: Site, postgres: Postgres) -> None:
    for _ in range(2):  # after those who left, too
        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(ask, site, client) for client in range(CLIENTS)]:
                done.result()
    busy = "pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
    postgres.wait_for(f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE {busy})")
