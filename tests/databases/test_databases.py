"""Real clients of real databases on the loop of every engine: what asyncio offers must hold.

The same tests run against uvicorn, on asyncio's own epoll: what fails there is no fault of
ours, but of a test.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import httpx
import pytest
from websockets.sync.client import connect

from applications.databases.libraries import CONNECTIONS
from applications.databases.service import app
from support.servers.embedded import new_gate, open_gate
from support.servers.every_loop import Place, every_place, placed
from support.servers.postgres_and_redis import Postgres, Redis, wait_until

LIBRARIES = ["asyncpg", "psycopg", "psycopg-sync", "sqlalchemy", "redis", "httpx"]

USERS = 20
"""More than a connection's requests take, and than a pool has connections."""

CANCELLABLE = ["asyncpg", "psycopg", "sqlalchemy", "redis", "httpx"]
"""A thread cannot be."""

VISIBLE = ["asyncpg", "psycopg", "sqlalchemy"]
"""Their queries are in PostgreSQL's table."""

LEFT = [(name, "watched") for name in CANCELLABLE] + [
    # anyio, by which Starlette ends streams, also cancels what psycopg and SQLAlchemy do in
    # order to cancel a query: those last to their end, under every server.
    (name, "stream")
    for name in ("asyncpg", "redis", "httpx")
]

MESSAGES = 10

DEADLINE_S = 60.0
"""It bounds a hang, it measures nothing."""


@pytest.fixture(scope="module", params=every_place())
def place(
    request: pytest.FixtureRequest, postgres: Postgres, redis: Redis, neighbour: str
) -> Iterator[Place]:
    with placed(app, "applications.databases.service:app", request.param) as running:
        yield running


@pytest.fixture
def mark() -> str:
    """What a query is known by."""
    return f"mark-{uuid.uuid4().hex}"


def client(place: Place) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=place.clients)
    return httpx.AsyncClient(
        base_url=place.url,
        limits=limits,
        timeout=DEADLINE_S,
        trust_env=False,
        verify=False,
    )


async def ask_all(place: Place, names: Sequence[str] = LIBRARIES, *, again: bool = False) -> None:
    """Every library, each for all clients at once, gives everybody the own answer.

    `again`: those that are refused ask until they are not.
    """
    async with client(place) as asking:

        async def ask(name: str, number: int) -> None:
            answer = await asking.get(f"/double/{name}/{number}")
            while again and answer.status_code == 503:
                answer = await asking.get(f"/double/{name}/{number}")
            assert (name, answer.status_code, answer.text) == (name, 200, str(2 * number))

        numbers = range(place.clients)
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(ask(name, number) for number in numbers for name in names))


def asked(place: Place, path: str) -> socket.socket:
    """A client of its own that has asked for this."""
    sock = socket.create_connection(place.address, timeout=DEADLINE_S)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    return sock


def to_the_end(sock: socket.socket) -> bytes:
    with sock.makefile("rb") as stream:
        return stream.read()


def working(mark: str) -> str:
    """On how many queries of this mark PostgreSQL works, in its language."""
    table = "pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
    return f"(SELECT count(*) FROM {table} AND query LIKE '%{mark}%')"


def until_begun(postgres: Postgres, redis: Redis, library: str, mark: str, number: int = 1) -> None:
    """Until the other server works for so many; of httpx' it does not matter."""
    if library in VISIBLE:
        postgres.wait_for(f"{working(mark)} = {number}")
    elif library == "redis":
        wait_until(
            lambda: redis.ask("CLIENT", "LIST").count("cmd=blpop") == number, "BLPOP is to begin"
        )


def test_everybody_gets_the_own_answer(place: Place) -> None:
    asyncio.run(ask_all(place))


def test_one_request_asks_all_at_once(place: Place) -> None:
    async def ask() -> None:
        async with client(place) as asking:
            answers = await asyncio.gather(
                *(asking.get(f"/all/{number}") for number in range(place.clients))
            )
        for number, answer in enumerate(answers):
            assert answer.json() == dict.fromkeys(LIBRARIES, 2 * number)

    asyncio.run(ask())


def test_a_session_of_the_task_is_of_one_request(place: Place) -> None:
    """SQLAlchemy's `async_scoped_session(scopefunc=current_task)`, left to whoever comes next."""

    async def ask() -> None:
        async with client(place) as asking:
            for wait in ("waits", "at-once"):
                paths = [f"/session/{wait}/user-{number}" for number in range(USERS)]
                answers = await asyncio.gather(*(asking.get(path) for path in paths))
                assert [answer.text for answer in answers] == [
                    f'"user-{number}"' for number in range(USERS)
                ]

    asyncio.run(ask())


@pytest.mark.parametrize("library", CANCELLABLE)
def test_timeouts_end_queries(
    place: Place, postgres: Postgres, redis: Redis, library: str, mark: str
) -> None:
    """Queries are given up in their middle, two ways; the pool is whole afterwards."""
    number = min(place.clients, CONNECTIONS)
    for ways in (["late", "waited-for"] * number)[:number], ["waited-for"]:
        gates = [new_gate(place.folder / f"gate-{index}") for index in range(len(ways))]
        with ExitStack() as opened:
            asking = [
                opened.enter_context(asked(place, f"/{way}/{library}/{mark}/{gate.name}"))
                for way, gate in zip(ways, gates, strict=True)
            ]
            until_begun(postgres, redis, library, mark, len(ways))
            for gate in gates:
                open_gate(gate)
            assert [to_the_end(one)[-10:] for one in asking] == [b'"given up"'] * len(ways)
        asyncio.run(ask_all(place, [library]))
    if library in VISIBLE:
        postgres.wait_for(f"{working(mark)} = 0")


@pytest.mark.parametrize(("library", "way"), LEFT)
def test_leavers_end_queries(
    place: Place, postgres: Postgres, redis: Redis, library: str, way: str, mark: str
) -> None:
    with asked(place, f"/{way}/{library}/{mark}") as leaver:
        if way == "stream":
            assert leaver.recv(4096).startswith(b"HTTP/1.1 200")
        until_begun(postgres, redis, library, mark)
    place.notes.until(f"{mark} cancelled True")
    if library in VISIBLE:
        postgres.wait_for(f"{working(mark)} = 0")
    asyncio.run(ask_all(place, [library]))


def test_published_messages_become_events(place: Place, redis: Redis, mark: str) -> None:
    """Each subscriber hears all of them in order; who leaves is no subscriber any more."""
    subscribers = min(place.clients, 3)
    listening = []
    for _ in range(subscribers):
        sock = socket.create_connection(place.address, timeout=DEADLINE_S)
        sock.sendall(f"GET /events/{mark} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        listening.append(sock)
    heard = [sock.makefile("rb") for sock in listening]
    for lines in heard:
        assert any(line == b": subscribed\n" for line in lines)
    with httpx.Client(
        base_url=place.url, timeout=DEADLINE_S, trust_env=False, verify=False
    ) as asking:
        for number in range(MESSAGES):
            if place.clients > subscribers:
                answer = asking.post(f"/events/{mark}", content=b"%d" % number)
                assert answer.json() == subscribers
            else:
                assert redis.ask("PUBLISH", mark, str(number)) == str(subscribers)
    for lines in heard:
        events = (line for line in lines if line.startswith(b"data: "))
        assert [next(events) for _ in range(MESSAGES)] == [
            b"data: %d\n" % number for number in range(MESSAGES)
        ]
    for lines, sock in zip(heard, listening, strict=True):
        lines.close()
        sock.close()
    gone = f"{mark}\n0"
    wait_until(lambda: redis.ask("PUBSUB", "NUMSUB", mark) == gone, "the subscribers are to go")


def test_notifications_reach_websockets(place: Place, postgres: Postgres, mark: str) -> None:
    url = place.url.replace("http:", "ws:")
    with connect(f"{url}/notifications/{mark}", open_timeout=DEADLINE_S) as socket:
        assert socket.recv(DEADLINE_S) == "listening"
        for number in range(10):
            socket.send(str(number))
            assert socket.recv(DEADLINE_S) == str(number)
        postgres.ask(f"""NOTIFY "{mark}", 'from outside'""")
        assert socket.recv(DEADLINE_S) == "from outside"
    asyncio.run(ask_all(place))


def test_a_restart_of_the_databases_under_load(
    place: Place, postgres: Postgres, redis: Redis
) -> None:
    """Answers are right, or 503 while they are away; nobody waits for ever, and all is well again.

    A server's end closes all connections at once, and the pools open others, whose
    descriptors have the numbers of those that were closed.
    """
    restarted = asyncio.Event()

    async def load(number: int, asking: httpx.AsyncClient) -> int:
        refused = right = 0
        while right < 2 * len(LIBRARIES):
            name = LIBRARIES[(number + right + refused) % len(LIBRARIES)]
            answer = await asking.get(f"/double/{name}/{number}")
            if answer.status_code == 200:
                assert answer.text == str(2 * number)
                right += restarted.is_set()
            else:
                assert answer.status_code == 503, answer.text
                refused += 1
                await asyncio.sleep(0.01)
        return refused

    async def restart() -> None:
        for server in (postgres, redis):
            await asyncio.to_thread(server.stop)
        for server in (postgres, redis):
            server.launch()
            await asyncio.to_thread(server.wait_until_up)
        restarted.set()

    async def main() -> None:
        async with client(place) as asking, asyncio.timeout(DEADLINE_S):
            restarting = asyncio.create_task(restart())
            refused = await asyncio.gather(*(load(n, asking) for n in range(place.clients)))
            await restarting
        assert sum(refused) > 0, "no database was ever away"
        # Each process has its pools, and may find a connection in them that is over.
        await ask_all(place, again=True)

    asyncio.run(ask_all(place, again=True))  # as after a restart that went before
    try:
        asyncio.run(main())
    finally:
        postgres.ensure()
        redis.ensure()
