"""hypercorn's words."""

from __future__ import annotations

from .word import (
    CERTIFICATES,
    CIPHERS,
    DAEMON,
    FIELDS_OF_LOG,
    HTTP3,
    LOG_LEVELS,
    LOOP,
    NO_CONFIG,
    QUEUE,
    STATSD,
    Ours,
    Program,
    Word,
    fixed,
    one_of,
)

OWN_LOG = "the server's own log is standard error; --log-config sends it elsewhere"
CLASSES = {"asyncio": Ours(note=LOOP), "uvloop": Ours(note=LOOP)}
TRIO = Ours(note="applications run on asyncio; trio's need hypercorn")

WORDS = (
    Word("--access-log --access-logfile", "--access-log"),
    Word("--access-logformat", "--access-log-format", FIELDS_OF_LOG, into=fixed()),
    Word("--backlog", note=QUEUE),
    Word("-b --bind", "--bind"),
    Word("--ca-certs", "--tls-client-ca"),
    Word("--certfile", "--tls-cert"),
    Word(
        "--cert-reqs --verify-mode",
        "--tls-client-auth",
        into=one_of("--tls-client-auth", CERTIFICATES, "none, optional or required"),
    ),
    Word("--ciphers", note=CIPHERS),
    Word("-c --config", "--config", NO_CONFIG, into=fixed()),
    Word("-D --daemon", note=DAEMON, flag=True),
    Word("--debug", "--log-level debug", flag=True, into=fixed("--log-level", "debug")),
    Word("--error-log --error-logfile --log-file", "--log-config", OWN_LOG, into=fixed()),
    Word("--graceful-timeout", "--grace-s"),
    Word("--read-timeout", "--head-s", "and --body-s for a body that pauses"),
    Word("--max-requests", "--max-requests"),
    Word("--max-requests-jitter", "--max-requests-jitter"),
    Word("-g --group", "--group"),
    Word("-k --worker-class", into=lambda value: CLASSES.get(value, TRIO)),
    Word("--keep-alive", "--keep-alive-s"),
    Word("--keyfile", "--tls-key"),
    Word(
        "--keyfile-password",
        "--tls-key-password-file",
        "a file whose first line is the password, which ps does not show",
        into=fixed(),
    ),
    Word(
        "--insecure-bind",
        "--redirect-http",
        "plain HTTP is redirected to https there; to serve it, take two [[serve]] tables",
    ),
    Word("--log-config", "--log-config", "TOML or JSON, for dictConfig"),
    Word(
        "--log-level",
        "--log-level",
        into=one_of("--log-level", LOG_LEVELS, "there is no such level"),
    ),
    Word("-p --pid", "--pid-file"),
    Word("--quic-bind", note=HTTP3),
    Word("--reload", "--reload", flag=True),
    Word("--root-path", "--root-path"),
    Word(
        "--server-name", note="[[host]] tables have a folder for each name; others have one answer"
    ),
    Word("--statsd-host --statsd-prefix", "--status", STATSD, into=fixed()),
    Word("-m --umask", "--umask"),
    Word("-u --user", "--user"),
    Word("--websocket-ping-interval", "--websocket-ping-s"),
    Word("-w --workers", "--workers"),
)

HYPERCORN = Program("hypercorn", WORDS)
