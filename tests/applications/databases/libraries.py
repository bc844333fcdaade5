"""The clients of databases and of other servers, each opened in a lifespan, each asked alike."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from typing import Any

import asyncpg
import httpx
import psycopg
import redis.asyncio
import sqlalchemy
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy.ext.asyncio import (
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from starlette.concurrency import run_in_threadpool

CONNECTIONS = 4
"""Of each pool: fewer than there are clients, so they wait for each other's."""

WAIT_S = 60.0
"""For a connection of a pool; nobody waits so long unless one was lost."""


class Library(ABC):
    """A pool of connections to some other server."""

    @abstractmethod
    async def open(self) -> None:
        """In the lifespan."""

    @abstractmethod
    async def double(self, number: int) -> int:
        """Twice the number, as computed by the other server."""

    async def linger(self, mark: str) -> None:
        """A query that takes a minute, with a mark by which the server's table shows it."""
        raise NotImplementedError

    @abstractmethod
    async def close(self) -> None:
        """At the end of the lifespan."""


class Asyncpg(Library):
    async def open(self) -> None:
        url = os.environ["POSTGRES_URL"]
        self.pool = await asyncpg.create_pool(url, min_size=0, max_size=CONNECTIONS)

    async def double(self, number: int) -> int:
        async with self.pool.acquire(timeout=WAIT_S) as connection:
            return int(await connection.fetchval("SELECT $1::int * 2", number))

    async def linger(self, mark: str) -> None:
        async with self.pool.acquire(timeout=WAIT_S) as connection:
            await connection.fetchval(f"/* {mark} */ SELECT pg_sleep(60)")

    async def close(self) -> None:
        await self.pool.close()


class Psycopg(Library):
    async def open(self) -> None:
        url = os.environ["POSTGRES_URL"]
        self.pool = AsyncConnectionPool(
            url, min_size=0, max_size=CONNECTIONS, open=False, timeout=WAIT_S
        )
        await self.pool.open()

    async def double(self, number: int) -> int:
        async with self.pool.connection() as connection:
            cursor = await connection.execute("SELECT %s::int * 2", (number,))
            return _first(await cursor.fetchone())

    async def linger(self, mark: str) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(f"/* {mark} */ SELECT pg_sleep(60)")

    async def close(self) -> None:
        await self.pool.close()


class SyncPsycopg(Library):
    """In the threads of anyio, whose answers come back by `call_soon_threadsafe`."""

    async def open(self) -> None:
        url = os.environ["POSTGRES_URL"]
        self.pool = ConnectionPool(
            url, min_size=0, max_size=CONNECTIONS, open=False, timeout=WAIT_S
        )
        self.pool.open()

    async def double(self, number: int) -> int:
        doubled: int = await run_in_threadpool(self._double, number)
        return doubled

    def _double(self, number: int) -> int:
        with self.pool.connection() as connection:
            return _first(connection.execute("SELECT %s::int * 2", (number,)).fetchone())

    async def close(self) -> None:
        await run_in_threadpool(self.pool.close)


class SqlAlchemy(Library):
    async def open(self) -> None:
        url = os.environ["POSTGRES_URL"].replace("postgresql:", "postgresql+asyncpg:")
        self.engine = create_async_engine(
            url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=WAIT_S
        )
        self.sessions = async_scoped_session(async_sessionmaker(self.engine), asyncio.current_task)

    async def double(self, number: int) -> int:
        async with self.engine.connect() as connection:
            twice = sqlalchemy.text("SELECT CAST(:n AS int) * 2")
            return int((await connection.execute(twice, {"n": number})).scalar_one())

    async def linger(self, mark: str) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(sqlalchemy.text(f"/* {mark} */ SELECT pg_sleep(60)"))

    async def close(self) -> None:
        await self.engine.dispose()


class Redis(Library):
    async def open(self) -> None:
        self.client = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"])

    async def double(self, number: int) -> int:
        key = f"number-{number}"
        async with self.client.pipeline(transaction=True) as pipeline:
            pipeline.set(key, number).incrby(key, number).delete(key)
            _, doubled, _ = await pipeline.execute()
        return int(doubled)

    async def linger(self, mark: str) -> None:
        await self.client.blpop(mark, timeout=60)

    async def close(self) -> None:
        await self.client.aclose()


class Httpx(Library):
    async def open(self) -> None:
        # No small pool: httpcore loses places of those who were cancelled while they waited.
        self.client = httpx.AsyncClient(
            base_url=os.environ["NEIGHBOUR_URL"], timeout=WAIT_S, trust_env=False
        )

    async def double(self, number: int) -> int:
        return int((await self.client.get(f"/{number}")).text)

    async def linger(self, mark: str) -> None:
        await self.client.get(f"/linger/{mark}")

    async def close(self) -> None:
        await self.client.aclose()


LIBRARIES: dict[str, type[Library]] = {
    "asyncpg": Asyncpg,
    "psycopg": Psycopg,
    "psycopg-sync": SyncPsycopg,
    "sqlalchemy": SqlAlchemy,
    "redis": Redis,
    "httpx": Httpx,
}

LOST = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was lost while it was released
    psycopg.Error,
    sqlalchemy.exc.DBAPIError,
    redis.RedisError,
    httpx.HTTPError,
    OSError,
)
"""What these raise when the other server has gone."""


def _first(row: tuple[Any, ...] | None) -> int:
    assert row is not None
    return int(row[0])
