"""What is measured and what it shall reach, as data.

A family is a set of rows run together: its servers take turns, round after round, so a
ratio between two of its rows compares figures of the same seconds of the same machine.
Rows of different families are never compared.  A row's name is `family/server`.

Rules of this file: data only; the servers' commands are in `servers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

EPOLL = "async+multiplexing:epoll"
SIGIO = "async+sigio"
URING = "async+aio:uring"
THREAD = "thread+blocking"
PROCESS = "process+blocking"

JSON = '{"hello":"world"}'


@dataclass(frozen=True)
class Row:
    """One server under one load."""

    name: str
    server: str  # a key of servers.SERVERS
    path: str
    script: str | None  # beside this file: for wrk, or (.py) a load of our own
    answer: str | None = None  # of an application; None: the file of that path


@dataclass(frozen=True)
class Family:
    """Rows that are measured in the same rounds."""

    name: str
    title: str
    baseline: str  # the row that the table's last column divides by
    rows: tuple[Row, ...]
    connections: int | None = None  # None: as asked for
    streams: int = 0  # of HTTP/2 on each connection, by h2load; 0: HTTP/1.1, by wrk

    def clients(self, connections: int) -> str:
        """How many ask at once, in words; `connections` as they were asked for."""
        count = self.connections or connections
        if self.streams:
            return f"{count} connections of {self.streams} streams"
        return f"{count} keep-alive connections"


@dataclass(frozen=True)
class Target:
    """`row` shall take at most `limit` times the processor time per request of `other`; or
    serve at least `limit` times its requests per second."""

    row: str
    limit: float
    other: str
    throughput: bool = False


def family(  # noqa: PLR0917 - a line of the table below
    name: str,
    title: str,
    path: str,
    servers: tuple[str, ...],
    script: str | None = None,
    connections: int | None = None,
    streams: int = 0,
) -> Family:
    rows = tuple(Row(f"{name}/{server}", server, path, script) for server in servers)
    baseline = next(row.name for row in rows if row.server.startswith("nginx"))
    return Family(name, title, baseline, rows, connections, streams)


def applications(  # noqa: PLR0917 - as family()
    name: str,
    title: str,
    baseline: str,
    servers: tuple[str, ...],
    connections: int | None = None,
    script: str | None = None,
    answer: str = "Hello, World!",
    streams: int = 0,
) -> Family:
    everyone = (baseline, *servers)
    rows = tuple(Row(f"{name}/{each}", each, "/", script, answer) for each in everyone)
    return Family(name, title, f"{name}/{baseline}", rows, connections, streams)


FILES = ("nginx", EPOLL)

FAMILIES = (
    family(
        "1k",
        "1 KiB file",
        "/1k.html",
        ("floor", "nginx", "lighttpd", EPOLL, SIGIO, URING),
    ),
    family(
        "browser",
        "1 KiB file, browser-sized request fields, different each time",
        "/1k.html",
        FILES,
        script="browser.lua",
    ),
    family(
        "held",
        "1 KiB file, servers that hold a process or thread per connection",
        "/1k.html",
        ("nginx", THREAD, "apache-worker", "apache-event", PROCESS, "apache-prefork"),
    ),
    family("100k", "100 KiB file", "/100k.jpg", FILES),
    family("304", "304, 1 KiB file", "/1k.html", ("floor", *FILES), script="unmodified.lua"),
    family("files", "10,000 different files of 4 KiB", "/many.html", FILES, script="many.lua"),
    family("10m", "10 MiB file", "/10m.bin", FILES, connections=8),
    family("fresh", "1 KiB file, a connection per request", "/1k.html", FILES, script="fresh.lua"),
    family("log", "1 KiB file, access log on", "/1k.html", ("nginx-log", "epoll-log")),
    family("tls-1k", "1 KiB file, TLS, kept alive", "/1k.html", ("nginx-tls", "epoll-tls")),
    family("tls-10m", "10 MiB file, TLS", "/10m.bin", ("nginx-tls", "epoll-tls"), connections=8),
    family(
        "h2",
        "1 KiB file, HTTP/2 over TLS (epoll-h1: HTTP/1.1 over TLS, 64 connections)",
        "/1k.html",
        ("nginx-h2", "epoll-h2", "uring-h2", "sigio-h2", "epoll-h1"),
        connections=16,
        streams=16,
    ),
    applications(
        "h2-asgi",
        "ASGI, hello world, HTTP/2 over TLS",
        "asgi-granian-h2",
        ("asgi-epoll-h2", "asgi-uring-h2", "asgi-sigio-h2", "hypercorn-h2"),
        connections=16,
        streams=16,
    ),
    family("range", "64 KiB of 10 MiB", "/10m.bin", FILES, script="range.lua"),
    applications(
        "wsgi",
        "WSGI, hello world",
        "wsgi-granian",
        ("wsgi-inline", "wsgi-thread", "bjoern", "gunicorn-gthread"),
    ),
    applications(
        "sampling", "WSGI, hello world, one request in a hundred timed", "unsampled", ("sampled",)
    ),
    applications(
        "asgi",
        "ASGI, hello world",
        "asgi-granian",
        ("asgi-epoll", "asgi-uring", "uvicorn", "hypercorn"),
    ),
    applications(
        "starlette",
        "Starlette, JSON",
        "starlette-granian",
        ("starlette-epoll", "starlette-uvicorn"),
        answer=JSON,
    ),
    applications(
        "fastapi",
        "FastAPI, JSON",
        "fastapi-granian",
        ("fastapi-epoll", "fastapi-uvicorn"),
        answer=JSON,
    ),
    applications(
        "websocket",
        "ASGI, echo of a websocket message",
        "websocket-uvicorn",
        ("websocket-epoll", "websocket-granian"),
        connections=32,
        script="websocket_load.py",
    ),
    applications(
        "sleep",
        "ASGI, 10 ms of asyncio.sleep",
        "sleep-granian",
        ("sleep-epoll", "sleep-uvicorn"),
        connections=512,
    ),
)

TARGETS = (
    Target(f"1k/{EPOLL}", 0.75, "1k/nginx"),
    Target(f"1k/{EPOLL}", 1.35, "1k/floor"),
    Target(f"1k/{SIGIO}", 1.15, f"1k/{EPOLL}"),
    Target(f"1k/{URING}", 1.15, f"1k/{EPOLL}"),
    Target(f"browser/{EPOLL}", 0.90, "browser/nginx"),
    Target(f"held/{THREAD}", 0.40, "held/apache-worker"),
    Target(f"held/{PROCESS}", 0.40, "held/apache-prefork"),
    Target(f"100k/{EPOLL}", 1.00, "100k/nginx"),
    Target(f"304/{EPOLL}", 0.75, "304/nginx"),
    Target(f"range/{EPOLL}", 1.00, "range/nginx"),
    Target(f"files/{EPOLL}", 1.00, "files/nginx"),
    Target(f"10m/{EPOLL}", 0.95, "10m/nginx", throughput=True),
    Target(f"fresh/{EPOLL}", 1.15, "fresh/nginx"),
    Target("log/epoll-log", 1.00, "log/nginx-log"),
    Target("tls-1k/epoll-tls", 2.00, "tls-1k/nginx-tls"),
    Target("tls-10m/epoll-tls", 0.60, "tls-10m/nginx-tls", throughput=True),
    Target("h2/epoll-h2", 1.00, "h2/nginx-h2"),
    Target("h2/epoll-h2", 0.70, "h2/epoll-h1"),
    Target("h2/uring-h2", 1.15, "h2/epoll-h2"),
    Target("h2/sigio-h2", 1.15, "h2/epoll-h2"),
    Target("h2-asgi/asgi-epoll-h2", 0.80, "h2-asgi/asgi-granian-h2"),
    Target("h2-asgi/asgi-epoll-h2", 0.25, "h2-asgi/hypercorn-h2"),
    Target("h2-asgi/asgi-uring-h2", 1.15, "h2-asgi/asgi-epoll-h2"),
    Target("h2-asgi/asgi-sigio-h2", 1.15, "h2-asgi/asgi-epoll-h2"),
    Target("wsgi/wsgi-inline", 0.65, "wsgi/wsgi-granian"),
    Target("wsgi/wsgi-inline", 1.10, "wsgi/bjoern"),
    Target("wsgi/wsgi-thread", 1.00, "wsgi/wsgi-granian"),
    Target("wsgi/wsgi-thread", 0.20, "wsgi/gunicorn-gthread"),
    Target("sampling/sampled", 1.03, "sampling/unsampled"),
    Target("asgi/asgi-epoll", 0.75, "asgi/asgi-granian"),
    Target("asgi/asgi-epoll", 0.60, "asgi/uvicorn"),
    Target("asgi/asgi-uring", 1.15, "asgi/asgi-epoll"),
    Target("starlette/starlette-epoll", 1.00, "starlette/starlette-uvicorn"),
    Target("starlette/starlette-epoll", 1.00, "starlette/starlette-granian"),
    Target("fastapi/fastapi-epoll", 1.00, "fastapi/fastapi-uvicorn"),
    Target("fastapi/fastapi-epoll", 1.00, "fastapi/fastapi-granian"),
    Target("websocket/websocket-epoll", 1.00, "websocket/websocket-uvicorn", throughput=True),
    Target("sleep/sleep-epoll", 1.00, "sleep/sleep-granian", throughput=True),
)


def chosen(patterns: list[str]) -> list[Family]:
    """The families, reduced to the rows that one of `patterns` names; all without patterns."""
    kept = []
    for each in FAMILIES:
        rows = tuple(r for r in each.rows if any(fnmatchcase(r.name, p) for p in patterns or "*"))
        if rows:
            kept.append(replace(each, rows=rows))
    return kept
