"""gunicorn's words."""

from __future__ import annotations

from .word import (
    CERTIFICATES,
    CIPHERS,
    DAEMON,
    FIELDS_OF_LOG,
    HTTP2,
    HTTP3,
    LOG_LEVELS,
    LOOP,
    NO_CONFIG,
    QUEUE,
    STATSD,
    Ours,
    Program,
    Word,
    each,
    fixed,
    one_of,
    unless_zero,
)

THREADS = "threads call the application at the same time"
SAFE = (
    "a sync worker runs one call after the other; here threads call the application at the same"
    " time: if it is not safe for threads, add --serving process"
)
FREE = "no monkey patching is needed, nor possible: remove it from the application"
KNOWN = "an ASGI application is recognised"

CLASSES = {
    "sync": Ours(note=SAFE),
    "gthread": Ours(
        ("--serving", "async"),
        "without --threads, gunicorn's worker has 1 thread that calls the application, ours has 32",
    ),
    "gevent": Ours(("--serving", "thread"), f"{THREADS}; {FREE}"),
    "gevent_wsgi": Ours(("--serving", "thread"), f"{THREADS}; {FREE}"),
    "gevent_pywsgi": Ours(("--serving", "thread"), f"{THREADS}; {FREE}"),
    "eventlet": Ours(("--serving", "thread"), f"{THREADS}; {FREE}"),
    "asgi": Ours(note=KNOWN),
    "uvicorn.workers.uvicornworker": Ours(note=KNOWN),
    "uvicorn.workers.uvicornh11worker": Ours(note=KNOWN),
    "uvicorn_worker.uvicornworker": Ours(note=KNOWN),
    "uvicorn_worker.uvicornh11worker": Ours(note=KNOWN),
}

SYSLOG = "standard error is what systemd and containers collect; --log-config has other handlers"
STRICT = "requests that break HTTP get 400 (docs/security.md)"
DIRTY = "there are no processes beside the workers for slow tasks: take a task queue"
CONTROL = "fivefold stacks, top and trace speak to a running server, and need no setting"
HANDSHAKE = "handshakes never hold up other connections, and torn ones are no errors"


def worker_class(value: str) -> Ours:
    return CLASSES.get(
        value.lower().removeprefix("egg:gunicorn#"),
        Ours(note=f"{value}: a worker class is made for gunicorn alone; choose by --serving"),
    )


def environment(value: str) -> Ours:
    return Ours(variables=(value,))


def protocols(value: str) -> Ours:
    """`h1`, `h2`, `h3`, or several of them."""
    names = value.lower().replace(" ", "").split(",")
    ours = ",".join(ours for name, ours in (("h1", "1.1"), ("h2", "2")) if name in names)
    return Ours(("--http", ours) if ours else (), HTTP3 if "h3" in names else "")


def limited(value: str) -> Ours:
    return (
        Ours(note="0 is no time limit, as here")
        if value == "0"
        else Ours(("--request-timeout-s", value))
    )


WORDS = (
    Word("-c --config", "--config", NO_CONFIG, into=fixed()),
    Word("-b --bind", "--bind"),
    Word("--backlog", note=QUEUE),
    Word("-w --workers", "--workers"),
    Word("-k --worker-class", "--serving", into=worker_class),
    Word(
        "--threads",
        "--serving async --threads",
        into=lambda value: Ours(("--serving", "async", "--threads", value)),
    ),
    Word("--worker-connections", "--max-connections"),
    Word("--max-requests", "--max-requests", into=unless_zero("--max-requests", "never, as here")),
    Word(
        "--max-requests-jitter",
        "--max-requests-jitter",
        into=unless_zero("--max-requests-jitter", "none; here a tenth of --max-requests"),
    ),
    Word(
        "-t --timeout",
        "--request-timeout-s",
        "the client gets 503, and only a call that cannot be ended costs the worker",
        into=limited,
    ),
    Word("--graceful-timeout", "--grace-s"),
    Word(
        "--keep-alive",
        "--keep-alive-s",
        into=unless_zero("--keep-alive-s", "no kept connections; here they are always kept"),
    ),
    Word(
        "--limit-request-line",
        "--request-line-bytes",
        into=unless_zero("--request-line-bytes", "no limit; here there always is one"),
    ),
    Word("--limit-request-fields", "--header-count"),
    Word(
        "--limit-request-field_size",
        "--head-bytes",
        "--head-bytes is of all fields together",
        into=fixed(),
    ),
    Word("--reload", "--reload", flag=True),
    Word("--reload-engine", note="watchfiles (inotify) watches"),
    Word("--reload-extra-file", "--reload-include"),
    Word("--spew", note="fivefold stacks PID shows where every thread is", flag=True),
    Word("--check-config", "--check-config", flag=True),
    Word("--print-config", "--print-config", flag=True),
    Word(
        "--preload",
        note="each worker imports the application itself, so that a reload can replace it",
        flag=True,
    ),
    Word("--no-sendfile", note="sendfile is used only where it is right", flag=True),
    Word("--reuse-port", note="each worker has a queue of its own anyway", flag=True),
    Word("--chdir", "--chdir"),
    Word("-D --daemon", note=DAEMON, flag=True),
    Word("-e --env", "NAME=VALUE fivefold serve", into=environment),
    Word("-p --pid", "--pid-file"),
    Word("--worker-tmp-dir", note="workers show that they live without files"),
    Word("-u --user", "--user"),
    Word("-g --group", "--group"),
    Word("-m --umask", "--umask"),
    Word("--initgroups", note="--user has the user's groups anyway", flag=True),
    Word("--forwarded-allow-ips", "--trusted-proxies", into=each("--trusted-proxies")),
    Word("--access-logfile", "--access-log"),
    Word("--disable-redirect-access-to-syslog", note=SYSLOG, flag=True),
    Word("--access-logformat", "--access-log-format", FIELDS_OF_LOG, into=fixed()),
    Word(
        "--error-logfile --log-file",
        "--log-config",
        "the server's own log is standard error; --log-config sends it elsewhere",
        into=fixed(),
    ),
    Word(
        "--log-level",
        "--log-level",
        into=one_of("--log-level", LOG_LEVELS, "there is no such level"),
    ),
    Word("--capture-output", note="what the application prints goes where it prints it", flag=True),
    Word("--logger-class", "--log-config", "a file for logging.config.dictConfig", into=fixed()),
    Word("--log-config", "--log-config", "TOML or JSON, for dictConfig", into=fixed()),
    Word("--log-config-json", "--log-config"),
    Word("--log-syslog-to", note=SYSLOG),
    Word("--log-syslog", note=SYSLOG, flag=True),
    Word("--log-syslog-prefix", note=SYSLOG),
    Word("--log-syslog-facility", note=SYSLOG),
    Word("-R --enable-stdio-inheritance", note="standard output is inherited anyway", flag=True),
    Word("--statsd-host", "--status", STATSD, into=fixed()),
    Word("--dogstatsd-tags", "--status", STATSD, into=fixed()),
    Word("--statsd-prefix", "--status", STATSD, into=fixed()),
    Word("--enable-backlog-metric", "--status", STATSD, flag=True, into=fixed()),
    Word("-n --name", note="titles of processes name the application and the address"),
    Word(
        "--pythonpath",
        "--chdir",
        "variables stand before the command",
        into=lambda value: Ours(variables=(f"PYTHONPATH={value.replace(',', ':')}",)),
    ),
    Word("--paste --paster", note="name a factory instead: module:factory()"),
    Word("--paste-global", note="name a factory instead: module:factory()"),
    Word("--proxy-protocol", "--proxy-protocol", flag=True),
    Word("--proxy-allow-from", "--trusted-proxies", into=each("--trusted-proxies")),
    Word("--protocol", note="HTTP is spoken; uwsgi is not"),
    Word("--uwsgi-allow-from", note="HTTP is spoken; uwsgi is not"),
    Word("--keyfile", "--tls-key"),
    Word("--certfile", "--tls-cert"),
    Word("--ssl-version", "--tls-min", "TLS 1.2 and 1.3 are spoken", into=fixed()),
    Word(
        "--cert-reqs",
        "--tls-client-auth",
        into=one_of("--tls-client-auth", CERTIFICATES, "none, optional or required"),
    ),
    Word("--ca-certs", "--tls-client-ca"),
    Word("--suppress-ragged-eofs", note=HANDSHAKE, flag=True),
    Word("--do-handshake-on-connect", note=HANDSHAKE, flag=True),
    Word("--ciphers", note=CIPHERS),
    Word("--http-protocols", "--http", into=protocols),
    Word("--http2-cleartext", "--h2c", into=fixed("--h2c")),
    Word("--http2-max-concurrent-streams", "--http2-streams"),
    Word("--http2-initial-window-size", note=HTTP2),
    Word("--http2-max-frame-size", note=HTTP2),
    Word("--http2-max-header-list-size", note=HTTP2),
    Word("--permit-obsolete-folding", note=STRICT, flag=True),
    Word("--strip-header-spaces", note=STRICT, flag=True),
    Word("--permit-unconventional-http-method", note=STRICT, flag=True),
    Word("--permit-unconventional-http-version", note=STRICT, flag=True),
    Word("--casefold-http-method", note=STRICT, flag=True),
    Word("--forwarder-headers", "--forwarded-fields", "by --trusted-proxies", into=fixed()),
    Word("--header-map", note="fields whose names hold an underscore do not reach an application"),
    Word("--asgi-loop", note=LOOP),
    Word("--asgi-lifespan", "--lifespan"),
    Word("--asgi-disconnect-grace-period", note="the application hears at once that a client left"),
    Word("--websocket-max-message-size", "--websocket-message-bytes"),
    Word("--http-parser", note="one parser, llhttp, with checks of our own"),
    Word("--root-path", "--root-path"),
    Word("--dirty-app", note=DIRTY),
    Word("--dirty-workers", note=DIRTY),
    Word("--dirty-timeout", note=DIRTY),
    Word("--dirty-threads", note=DIRTY),
    Word("--dirty-graceful-timeout", note=DIRTY),
    Word("--control-socket", note=CONTROL),
    Word("--control-socket-mode", note=CONTROL),
    Word("--no-control-socket", note=CONTROL, flag=True),
)

GUNICORN = Program(
    "gunicorn", WORDS, default_note=SAFE, unless=("--worker-class", "--threads", "--config")
)
