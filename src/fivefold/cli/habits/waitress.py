"""waitress's words."""

from __future__ import annotations

from .word import LOOP_OF_IO, QUEUE, SERVER_FIELD, Ours, Program, Word, each, fixed

THREADS = (
    "without --threads, 4 threads call the application there; here each connection has its own, and"
    " --serving async --threads 4 does the same as waitress"
)
FIELDS = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded")
FAMILY = "the address says it: 0.0.0.0 or [::]"
BUFFER = "there is no such buffer: who sends waits for the client"
TRUSTED = "fields of others than --trusted-proxies are never believed"
SIZES = "the I/O model chooses how much it reads and sends at once"
LEAVERS = "the access log says which clients left too early; there is no traceback of it"
TRACEBACKS = "a traceback stands in the log, and no client sees it"


def listened(value: str) -> Ours:
    """Several may stand in one word; * is every address."""
    addresses = [address.removeprefix("*") for address in value.split()]
    return Ours(tuple(word for address in addresses for word in ("--bind", address)))


def fields(value: str) -> Ours:
    asked = value.lower().replace(",", " ").split()
    words = tuple(word for name in asked if name in FIELDS for word in ("--forwarded-fields", name))
    left = [name for name in asked if name not in FIELDS]
    return Ours(words, f"{', '.join(left)}: no such field is believed" if left else "")


WORDS = (
    Word("--call", "module:factory()", "a factory is written with ()", flag=True, into=fixed()),
    Word("--host", "--host"),
    Word("--port", "--port"),
    Word("--listen", "--bind", into=listened),
    Word("--ipv4 --no-ipv4 --ipv6 --no-ipv6", note=FAMILY, flag=True),
    Word("--unix-socket", "--bind unix:PATH", into=lambda path: Ours(("--bind", f"unix:{path}"))),
    Word("--unix-socket-perms", "--unix-mode"),
    Word("--sockets", note="a socket that is open already is --bind fd://N"),
    Word("--url-scheme", note="it is that of the connection, or what --trusted-proxies say"),
    Word("--url-prefix", "--root-path"),
    Word("--server-name", note="SERVER_NAME is the address that was asked"),
    Word("--ident", note=SERVER_FIELD),
    Word(
        "--threads",
        "--serving async --threads",
        into=lambda value: Ours(("--serving", "async", "--threads", value)),
    ),
    Word("--backlog", note=QUEUE),
    Word("--recv-bytes --send-bytes", note=SIZES),
    Word("--outbuf-overflow --outbuf-high-watermark", note=BUFFER),
    Word("--inbuf-overflow", note="large bodies are kept in a temporary file"),
    Word("--connection-limit", "--max-connections"),
    Word("--cleanup-interval", note="each connection has a deadline of its own"),
    Word("--channel-timeout", "--keep-alive-s", "and --send-s, --body-s while something is sent"),
    Word("--channel-request-lookahead", note="a WSGI application is not told of who has left"),
    Word("--log-socket-errors --no-log-socket-errors", note=LEAVERS, flag=True),
    Word("--max-request-header-size", "--head-bytes"),
    Word("--max-request-body-size", "--body-bytes"),
    Word("--expose-tracebacks --no-expose-tracebacks", note=TRACEBACKS, flag=True),
    Word("--asyncore-loop-timeout", note=LOOP_OF_IO),
    Word("--asyncore-use-poll --no-asyncore-use-poll", "--io poll", flag=True, into=fixed()),
    Word("--trusted-proxy", "--trusted-proxies", into=each("--trusted-proxies")),
    Word("--trusted-proxy-count", note="proxies are known by their addresses: --trusted-proxies"),
    Word("--trusted-proxy-headers", "--forwarded-fields", into=fields),
    Word(
        "--log-untrusted-proxy-headers --no-log-untrusted-proxy-headers"
        " --clear-untrusted-proxy-headers --no-clear-untrusted-proxy-headers",
        note=TRUSTED,
        flag=True,
    ),
)

WAITRESS = Program(
    "waitress-serve",
    WORDS,
    aliases=("waitress",),
    defaults=("--host", "0.0.0.0", "--port", "8080"),  # noqa: S104 - as it has it
    default_note=THREADS,
    unless=("--threads",),
)
