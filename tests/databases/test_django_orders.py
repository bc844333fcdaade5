"""Django with PostgreSQL, WSGI and ASGI, under every serving model."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from fivefold.iomodels import ENGINES
from support.servers.embedded import PROCESS, THREAD, WSGI_WAYS, Site, hosting, open_gate
from support.servers.postgres_and_redis import Postgres

ROWS = 100
"""Of a customer: four pieces of a server-side cursor."""

TABLE = """
    DROP TABLE IF EXISTS orders;
    CREATE TABLE orders (id bigserial PRIMARY KEY, customer text, amount int)
"""


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


@pytest.fixture(params=ways(), scope="module")
def shop(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Site]:
    interface, way = request.param
    postgres.ask(TABLE)
    with hosting(f"applications.databases.django_orders:{interface}()", **way) as site:
        yield site


@contextmanager
def asking(site: Site, path: str) -> Iterator[http.client.HTTPResponse]:
    """By a connection of its own."""
    connection = http.client.HTTPConnection(*site.address, timeout=60)
    try:
        connection.request("GET", path)
        yield connection.getresponse()
    finally:
        connection.close()


def ask(site: Site, path: str) -> tuple[int, bytes]:
    """Raises `http.client.IncompleteRead` if it is cut short."""
    with asking(site, path) as answer:
        return answer.status, answer.read()


def customers(site: Site) -> list[str]:
    """By the database that they are with: see the settings of the project."""
    databases = ["default"] * 4 if site.is_asgi else ["default", "default", "kept", "kept"]
    return [f"{database}/{uuid.uuid4().hex}" for database in databases]


def export(site: Site) -> str:
    return "export-async" if site.is_asgi else "export"


def shopping(site: Site, customer: str) -> None:
    """Orders ten at a time, one of which is rolled back, then looks at what it has."""
    assert ask(site, f"/buy/{customer}?from=0&break=1")[0] == 500
    for ten in range(0, ROWS, 10):
        assert ask(site, f"/buy/{customer}?from={ten}") == (200, b'{"bought": 10}')
    look(site, customer)


def look(site: Site, customer: str) -> None:
    status, body = ask(site, f"/total/{customer}")
    sums = {"amount__sum": sum(range(ROWS)), "id__count": ROWS}
    assert (status, json.loads(body)) == (200, sums)
    name = customer.rpartition("/")[2]
    expected = "".join(f"{name},{amount}\n" for amount in range(ROWS)).encode()
    assert ask(site, f"/{export(site)}/{customer}") == (200, expected)


def test_customers_shop_at_once(shop: Site, postgres: Postgres) -> None:
    shoppers = customers(shop)
    with ThreadPoolExecutor(len(shoppers)) as pool:
        for done in [pool.submit(shopping, shop, customer) for customer in shoppers]:
            done.result()
    rows = postgres.ask("SELECT count(*), count(DISTINCT (customer, amount)) FROM orders")
    assert rows == f"{ROWS * len(shoppers)}|{ROWS * len(shoppers)}"


def test_a_restart_of_the_database_in_a_stream(shop: Site, postgres: Postgres) -> None:
    """Who reads it can tell that it was cut; nobody after it is harmed."""
    one_each = {name.partition("/")[0]: name for name in customers(shop)}.values()
    for customer in one_each:
        shopping(shop, customer)
    try:
        for customer in one_each:
            gate = shop.gate(uuid.uuid4().hex)
            with asking(shop, f"/{export(shop)}/{customer}?gate={gate.name}") as answer:
                assert answer.readline().endswith(b",0\n")
                postgres.restart()
                open_gate(gate)
                with pytest.raises(http.client.IncompleteRead):
                    answer.read()
            for healed in one_each:
                look(shop, healed)
    finally:
        postgres.ensure()


def test_a_client_that_leaves_a_stream_leaves_no_transaction(
    shop: Site, postgres: Postgres
) -> None:
    """Its cursor is closed, and the connection of the database is another's."""
    customer = customers(shop)[-1]
    shopping(shop, customer)
    gate = shop.gate(uuid.uuid4().hex)
    with asking(shop, f"/{export(shop)}/{customer}?gate={gate.name}") as answer:
        assert answer.readline().endswith(b",0\n")
        shop.notes.until(f"at {gate.name}")
    open_gate(gate)
    postgres.wait_for(
        "NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND state LIKE 'idle in transaction%')"
    )
    look(shop, customer)
