"""A WSGI application that raises what nobody expects, and writes, and minds its thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from applications.notes_and_gates import folder, note, wait_at
from applications.odd_exceptions import ODD
from fivefold.errors import InvalidResponse

TEXT = [("Content-Type", "text/plain")]

BLOCK = bytes(range(256)) * 256
BLOCKS = 64
"""Written by `/write-large`: four megabytes, more than the kernel takes at once."""


class Timeout(BaseException):
    """As gevent's, eventlet's and func_timeout's are."""


class Unpicklable(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("not to be sent anywhere")


def recursion() -> Any:
    return recursion()


def raised(error: BaseException) -> Callable[[], Any]:
    def now() -> Any:
        raise error

    return now


KINDS: dict[str, Callable[[], Any]] = {
    "ValueError": raised(ValueError("a bug")),
    "KeyboardInterrupt": raised(KeyboardInterrupt()),
    "SystemExit": raised(SystemExit(3)),
    "GeneratorExit": raised(GeneratorExit()),
    "asyncio.CancelledError": raised(asyncio.CancelledError()),
    "futures.CancelledError": raised(concurrent.futures.CancelledError()),
    "BaseExceptionGroup": raised(BaseExceptionGroup("several", [SystemExit(1)])),
    "Timeout": raised(Timeout()),
    "StopIteration": raised(StopIteration("of no generator")),
    "MemoryError": raised(MemoryError()),
    "RecursionError": recursion,
    **{kind.__name__: raised(kind()) for kind in ODD},
    "Unpicklable": raised(Unpicklable()),
}


class Parts:
    """An iterable that raises where it is asked to."""

    def __init__(self, where: str, trouble: Callable[[], Any]) -> None:
        self._where = where
        self._trouble = trouble
        self._given = 0

    def _perhaps(self, where: str) -> None:
        if where == self._where:
            self._trouble()

    def __iter__(self) -> Parts:
        self._perhaps("iter")
        return self

    def __next__(self) -> bytes:
        self._perhaps("next")
        self._given += 1
        if self._given > 1:
            self._perhaps("later")
            raise StopIteration
        return b"part"

    def read(self, size: int) -> bytes:
        self._perhaps("read")
        self._given += 1
        return b"part" if self._given == 1 else b""

    def close(self) -> None:
        self._perhaps("close")


def trouble(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    where, kind = environ["QUERY_STRING"].split(",")
    raising = KINDS[kind]
    if where == "call":
        raising()
    write = start_response("200 OK", TEXT)
    if where == "written":
        write(b"part")
        raising()
    parts = Parts(where, raising)
    return environ["wsgi.file_wrapper"](parts) if where == "read" else parts


def here(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return [json.dumps([os.getpid(), threading.get_ident()]).encode()]


def write_lazy(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response("200 OK", TEXT)
    for number in range(3):
        write(b"part %d" % number)
        wait_at(f"gate-{number}")
    return []


def write_large(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response("200 OK", TEXT)
    for _ in range(BLOCKS // 2):
        write(BLOCK)

    def rest() -> Iterator[bytes]:
        for _ in range(BLOCKS // 4):
            write(BLOCK)
            yield BLOCK

    return rest()


def write_left(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Writes until nobody takes it any more."""
    write = start_response("200 OK", TEXT)
    try:
        while True:
            write(BLOCK)
    except OSError as error:
        note(f"OSError {error.errno}")
        raise


def write_bodiless(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response(environ["QUERY_STRING"] + " Status", TEXT)
    write(b"must")
    return [b"not leave"]


def write_sized(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    write = start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    write(b"")
    write(b"12345")
    return [b"67890"]


def not_ready(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Yields nothing until there is a file, after a first part if it is asked for one."""
    begun, _, sized = environ["QUERY_STRING"].partition(",")
    fields = [*TEXT, ("Content-Length", "9")] if sized else TEXT
    start_response("200 OK", fields)
    try:
        if begun:
            yield b"begun"
        else:
            note("called")
        while not (folder() / "ready").exists():
            time.sleep(0.001)
            yield b""
        if not begun:  # it may still say something else
            start_response("201 Created", fields, exc_info())
        yield b"done"
    finally:
        note("closed")


def exc_info() -> Any:
    """Of an error; without one an application may not call `start_response` again."""
    try:
        raise ValueError
    except ValueError:
        return sys.exc_info()


kept: list[Any] = []


def write_kept(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Keeps `write` for later, when it must not send any more; so may another thread not."""
    write = start_response("200 OK", TEXT)
    refused = []

    def elsewhere() -> None:
        try:
            write(b"must not leave")
        except (RuntimeError, InvalidResponse) as error:
            refused.append(type(error).__name__)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    for late in kept:
        try:
            late(b"must not leave")
        except (RuntimeError, InvalidResponse) as error:
            refused.append(type(error).__name__)
    kept[:] = [write]
    return [json.dumps(refused).encode()]


user: ContextVar[str] = ContextVar("user", default="nobody")
local = threading.local()


def threads(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """What belongs to a thread or a context, from the first line to the last."""
    name = environ["QUERY_STRING"]
    seen = [threading.get_ident()]
    before = user.get()
    user.set(name)
    local.user = name
    database = sqlite3.connect(":memory:")  # refuses every other thread
    start_response("200 OK", TEXT)

    def parts() -> Iterator[bytes]:
        try:
            for number in range(5):
                seen.append(threading.get_ident())
                row = database.execute("select ?", (number,)).fetchone()
                yield json.dumps([row[0], user.get(), local.user]).encode() + b"\n"
        finally:
            seen.append(threading.get_ident())
            database.close()
            note(f"{before} {len(set(seen))} {user.get()}")

    return parts()


def mine(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Answered with one list, where the context is as much one's own."""
    before = user.get()
    user.set("somebody")
    start_response("200 OK", TEXT)
    return [before.encode()]


class Rewinding:
    """An iterable whose `__iter__` begins anew."""

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        self._start_response("200 OK", TEXT)
        return self

    def __next__(self) -> bytes:
        if hasattr(self, "given"):
            raise StopIteration
        self.given = True
        return b"once"


def rewinding(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    return Rewinding(start_response)


PATHS: dict[str, Callable[[Any, Any], Any]] = {
    f"/{function.__name__.replace('_', '-')}": function
    for function in (
        *(trouble, here, write_lazy, write_large, write_left, write_bodiless, write_sized),
        *(write_kept, threads, mine, rewinding, not_ready),
    )
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    return PATHS[environ["PATH_INFO"]](environ, start_response)
