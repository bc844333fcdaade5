"""Django with PostgreSQL, WSGI and ASGI, under every serving model."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hosting import PROCESS, THREAD, WSGI_WAYS, Site, hosting
from own_servers import Postgres

from fivefold.iomodels import ENGINES

ROWS = 200
"""Of a customer: four pieces of a server-side cursor."""

CUSTOMERS = [f"{name}-{uuid.uuid4().hex}" for name in ("ada", "bob", "cy", "di")]


def ways() -> list[Any]:
    """WSGI in each way in which it is called, ASGI on the loop of every engine."""
    found = [pytest.param(("wsgi", way), id=f"wsgi-{name}") for name, way in WSGI_WAYS.items()]
    for engine in ENGINES:
        reason = engine.available()
        marks = [pytest.mark.skip(reason=reason)] if reason else []
        way = {"serving": "async", "io": engine.engine}
        found.append(pytest.param(("asgi", way), id=f"asgi-{engine.engine}", marks=marks))
    found.append(pytest.param(("asgi", THREAD), id="asgi-thread"))
    found.append(pytest.param(("asgi", PROCESS), id="asgi-process"))
    return found


@pytest.fixture(scope="module")
def orders(postgres: Postgres) -> Postgres:
    postgres.ask("CREATE TABLE orders (id bigserial PRIMARY KEY, customer text, amount int)")
    return postgres


@pytest.fixture(params=ways())
def shop(request: pytest.FixtureRequest, orders: Postgres) -> Iterator[Site]:
    interface, way = request.param
    orders.ask("TRUNCATE orders")
    with hosting(f"django_orders:{interface}()", **way) as site:
        yield site


def ask(site: Site, path: str) -> tuple[int, bytes]:
    """By a connection of its own. Raises `http.client.IncompleteRead` if it is cut short."""
    connection = http.client.HTTPConnection(*site.address, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def shopping(site: Site, customer: str) -> None:
    """Orders ten at a time, some of which are rolled back, then looks at what it has."""
    for first in range(0, ROWS, 100):
        assert ask(site, f"/buy/{customer}?from={first}&break=1")[0] == 500
        for ten in range(first, first + 100, 10):
            assert ask(site, f"/buy/{customer}?from={ten}") == (200, b'{"bought": 10}')
    status, told = ask(site, f"/total/{customer}")
    sums = {"amount__sum": sum(range(ROWS)), "id__count": ROWS}
    assert (status, json.loads(told)) == (200, sums)
    expected = "".join(f"{customer},{amount}\n" for amount in range(ROWS)).encode()
    way = "export-async" if site.is_asgi else "export"
    for _ in range(3):
        assert ask(site, f"/{way}/{customer}") == (200, expected)


def test_customers_shop_at_once(shop: Site, orders: Postgres) -> None:
    with ThreadPoolExecutor(len(CUSTOMERS)) as pool:
        for done in [pool.submit(shopping, shop, customer) for customer in CUSTOMERS]:
            done.result()
    rows = orders.ask("SELECT count(*), count(DISTINCT (customer, amount)) FROM orders")
    assert rows == f"{ROWS * len(CUSTOMERS)}|{ROWS * len(CUSTOMERS)}"
