"""SQLAlchemy's `scoped_session`, the session of a thread, in a WSGI application that streams."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.orm import scoped_session, sessionmaker

URL = os.environ["POSTGRES_URL"].replace("postgresql:", "postgresql+psycopg:")

LINES = 40

sessions = scoped_session(sessionmaker(create_engine(URL, pool_size=2, pool_timeout=20)))


class Lines:
    """What a server-side cursor brings, piece by piece; `close` gives the session back."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._session = sessions()
        assert not self._session.info, "another request's session"
        self._session.info["user"] = user
        self._session.execute(text("SELECT set_config('app.user', :user, true)"), {"user": user})

    def __iter__(self) -> Iterator[bytes]:
        query = text(f"SELECT current_setting('app.user') FROM generate_series(1, {LINES})")
        for line in self._mine().execute(query, execution_options={"yield_per": 10}):
            assert self._mine().info["user"] == self._user
            yield f"{line[0]}\n".encode()

    def _mine(self) -> Any:
        assert sessions() is self._session, "another thread"
        return self._session

    def close(self) -> None:
        self._mine()
        sessions.remove()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Lines:
    lines = Lines(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return lines
