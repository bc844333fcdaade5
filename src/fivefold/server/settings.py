"""What can be set, with its default and its meaning; read once, checked whole, then frozen.

The command line, the environment and the configuration file are generated from these
fields and meet here: `Settings(**merged)`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..accesslog import formats
from ..content.application.forwarded import TrustedProxies
from ..content.asgi.scope import FILES, LIFESPANS
from ..content.kinds import KINDS
from ..content.routing import mounts
from ..content.routing import virtual_hosts as hosts
from ..content.static.rules import Rules
from ..errors import SettingsError
from ..http1.limits import HELP, Limits
from ..iomodels import choices
from ..listening.sockets import Address
from ..serving import MODELS as SERVING_MODELS
from ..transport.tls.options import TlsSettings
from .sample_rate import interval

AUTO = "auto"

SYSTEMD = "systemd"
"""An address: whatever sockets systemd hands over."""

LEAST_STUCK_S = 1.0
"""A worker shows that it lives once in a tick, which is up to a second (`sizing.tick`)."""

LONGEST_S = 366 * 86400.0
"""The kernel's timers end somewhere beyond; whoever means "never" is served by a year."""


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={HELP: text})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a server. Raises `SettingsError`, which names the setting and the remedy."""

    target: Any = _setting(  # noqa: RUF009 - a string, immutable
        ".", "What to serve: a folder, module:attribute or module:factory() (or an object)."
    )
    bind: tuple[str, ...] = _setting(
        ("127.0.0.1:8000",),
        "Where to listen: HOST:PORT, :PORT (all IPv4 addresses), unix:PATH, unix:@NAME, fd://N or"
        " systemd (the sockets that it hands over); repeatable.",
    )
    unix_mode: str | None = _setting(
        None, "Permissions of unix:PATH, as chmod writes them: 0660; by default the umask's."
    )
    serving: str = _setting(AUTO, "Who runs a connection: process, thread or async.")
    io: str = _setting(AUTO, "How a worker waits: an I/O model, or MODEL:ENGINE.")
    workers: int = _setting(1, "Worker processes of the thread and async models.")
    fresh: bool = _setting(False, "A new process or thread for every connection.")
    max_connections: int | None = _setting(
        None, "Connections at once, per worker; further ones wait in the kernel's queue."
    )
    grace_s: float = _setting(30.0, "How long connections may finish when the server stops.")
    startup_s: float | None = _setting(
        None,
        "How long a worker may take until it is ready, its import included; without it as long as"
        " it takes, and the log says what is waited for.",
    )
    stuck_s: float | None = _setting(
        None,
        "Kill a worker none of whose threads and processes has waited for clients for so long, and"
        " start another; where one thread runs all connections no handler may take so long."
        " Without it no worker is killed for that.",
    )
    lifespan: str = _setting(
        AUTO,
        "An ASGI application's lifespan: on (an exception at its start is an error), off, or auto"
        " (the exception is said, and the application served without).",
    )
    lifespan_s: float = _setting(
        10.0, "How long an ASGI application's shutdown may take, after its connections."
    )
    websocket_deflate: bool = _setting(
        True, "Compress websocket messages where clients offer it: 40 to 80 KiB each while idle."
    )
    asgi_extensions: tuple[str, ...] = _setting(
        (),
        "Ways to send files that an ASGI application may use, if all of its middleware knows them:"
        " pathsend,zerocopysend.",
    )
    interface: str = _setting(AUTO, "What the target is: static, wsgi or asgi.")
    inline: bool = _setting(
        False, "Call a WSGI application in the event loop: it never blocks (async only)."
    )
    threads: int = _setting(
        32, "Threads for a WSGI application that is served async, and not --inline."
    )
    mount: tuple[str, ...] = _setting(
        (), "A folder under a prefix beside the target: /PREFIX=FOLDER; repeatable."
    )
    auth: str | None = _setting(
        None, "An htpasswd file (htpasswd -B): only its users are answered."
    )
    root_path: str = _setting(
        "", "The path under which an application is mounted (SCRIPT_NAME, root_path)."
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "Peers whose --forwarded-fields are believed: addresses, networks, unix, or *; repeatable.",
    )
    forwarded_fields: tuple[str, ...] = _setting(
        ("x-forwarded",),
        "What the trusted proxies set, and is believed of them: x-forwarded (X-Forwarded-For and"
        " -Proto), x-forwarded-for, x-forwarded-proto, x-forwarded-host, or forwarded; repeatable.",
    )
    proxy_protocol: bool = _setting(
        False,
        "Connections begin with a header of the PROXY protocol (HAProxy's, version 1 or 2);"
        " who is no trusted proxy is cut off.",
    )
    chdir: str | None = _setting(
        None, "The folder to enter before the application is loaded and folders are opened."
    )
    env_file: str | None = _setting(
        None, "A .env file with environment variables for the application."
    )
    reload: bool = _setting(
        False, "Load the application again when its files change; for development."
    )
    reload_dir: tuple[str, ...] = _setting(
        (), "A folder to watch instead of the application's; repeatable."
    )
    reload_include: tuple[str, ...] = _setting(
        (), "Files to watch besides *.py and the --env-file: a glob, e.g. '*.html'; repeatable."
    )
    reload_exclude: tuple[str, ...] = _setting(
        (), "Files not to watch: a glob, e.g. 'tests/*'; repeatable."
    )
    access_log: str | None = _setting(
        None, "A file to which a line is added for every exchange; - is standard output."
    )
    access_log_format: str = _setting(
        "combined", "What is in such a line: common, combined, json, or a text with {fields}."
    )
    trace_sample: str | None = _setting(
        None, "Time every Nth request (1/N): into log, metrics, spans and Server-Timing."
    )
    trace_spans: str | None = _setting(
        None,
        "A file to which sampled requests are added as spans, lines of OTLP's JSON; - is standard"
        " output.",
    )
    host: tuple[Any, ...] = _setting(
        (), "Virtual hosts, in the configuration file only: a table [[host]] for each."
    )
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    tls: TlsSettings = field(default_factory=TlsSettings)

    def __post_init__(self) -> None:
        self._check_types()
        if isinstance(self.target, os.PathLike):
            object.__setattr__(self, "target", os.fspath(self.target))
        self._check_addresses()
        mounts.parsed(self.mount)
        object.__setattr__(self, "host", hosts.parsed(self.host))
        _one_of("serving", self.serving, [AUTO, *SERVING_MODELS])
        _one_of("io", self.io, [AUTO, *choices()])
        _one_of("interface", self.interface, [AUTO, *KINDS])
        _one_of("lifespan", self.lifespan, list(LIFESPANS))
        for name in self.asgi_extensions:
            _one_of("asgi_extensions", name, list(FILES))
        _positive("lifespan_s", self.lifespan_s)
        _positive("workers", self.workers)
        _positive("threads", self.threads)
        _positive("grace_s", self.grace_s)
        for name in ("max_connections", "startup_s"):
            if getattr(self, name) is not None:
                _positive(name, getattr(self, name))
        if self.stuck_s is not None and not self.stuck_s >= LEAST_STUCK_S:  # NaN is neither
            raise SettingsError(
                f"stuck_s: {self.stuck_s:g} is too short: a worker that does nothing shows that it"
                f" lives once a second; at least {LEAST_STUCK_S:g}"
            )
        if self.stuck_s is not None:
            _positive("stuck_s", self.stuck_s)
        for each in fields(Limits):
            _positive(each.name, getattr(self.limits, each.name))
        self._check_root_path()
        if not interval(self.trace_sample) and self.trace_spans is not None:
            raise SettingsError("trace_spans: nothing is sampled; add --trace-sample 1/1000")
        TrustedProxies(self.trusted_proxies, self.forwarded_fields)
        self._check_access_log()
        if self.serving != AUTO:
            self.check_serving(self.serving)

    def _check_addresses(self) -> None:
        if not self.bind:
            raise SettingsError("bind: name at least one address")
        for text in (*self.bind, *self.tls.redirect_http):
            if text != SYSTEMD:
                Address.parse(text)
        if self.unix_mode is not None:
            mode(self.unix_mode)
        if self.proxy_protocol and not self.trusted_proxies:
            raise SettingsError(
                "proxy_protocol: whose word counts? Name them: --trusted-proxies 10.0.0.0/8"
            )

    def _check_types(self) -> None:
        """A TOML file may hold anything."""
        if not isinstance(self.target, str | os.PathLike) and not callable(self.target):
            raise SettingsError(f"target: {self.target!r} is not a path or an application")
        self._make_tuple("bind", "an address")
        self._make_tuple("mount", "/PREFIX=FOLDER")
        self._make_tuple("trusted_proxies", "an address or network")
        self._make_tuple("forwarded_fields", "the name of a field")
        self._make_tuple("asgi_extensions", "an extension")
        extensions = [name for text in self.asgi_extensions for name in text.split(",")]
        object.__setattr__(self, "asgi_extensions", tuple(extensions))
        self._make_tuple("reload_dir", "a folder")
        self._make_tuple("reload_include", "a glob")
        self._make_tuple("reload_exclude", "a glob")
        self._check_texts()
        for name in ("fresh", "inline", "reload", "proxy_protocol", "websocket_deflate"):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name}: {getattr(self, name)!r} is not true or false")
        for name, group in GROUPS.items():
            if not isinstance(getattr(self, name), group):
                raise SettingsError(f"{name}: {getattr(self, name)!r} is not {group.__name__}(...)")
        names = ("workers", "max_connections", "threads")
        counts = {name: getattr(self, name) for name in names}
        for each in fields(Limits):
            if each.type == "int":
                counts[each.name] = getattr(self.limits, each.name)
        for name, value in counts.items():
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise SettingsError(f"{name}: {value!r} is not a whole number")

    def _check_texts(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None and each.type == "str | None":
                continue
            if each.type in ("str", "str | None") and not isinstance(value, str | os.PathLike):
                raise SettingsError(f"{each.name}: {value!r} is not a text: put it in quotes")

    def _make_tuple(self, name: str, what: str) -> None:
        """Of a setting that is repeatable; one text stands for a list of one."""
        value = getattr(self, name)
        texts = (value,) if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not all(isinstance(t, str) for t in texts):
            raise SettingsError(f"{name}: {value!r} is not {what} or a list of them")
        object.__setattr__(self, name, tuple(texts))

    def _check_access_log(self) -> None:
        if not isinstance(self.access_log, str | None):
            raise SettingsError(f"access_log: {self.access_log!r} is not a path or -")
        formats.compiled(str(self.access_log_format))

    def _check_root_path(self) -> None:
        path = self.root_path
        if path and (not path.startswith("/") or path.endswith("/")):
            raise SettingsError(f"root_path: {path!r} must begin with a slash and not end with one")

    def check_serving(self, serving: str) -> None:
        """Whether the other settings suit this serving model. Raises `SettingsError`."""
        traits = SERVING_MODELS[serving].traits
        if self.workers > 1 and not traits.scales_by_workers:
            raise SettingsError(
                f"workers: {serving} runs each connection in a process of its own;"
                " --workers is for thread and async, --max-connections bounds the processes"
            )
        if self.fresh and not traits.can_be_fresh:
            raise SettingsError(
                f"fresh: {serving} has nothing to renew; take --serving process or thread"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """From flat names, those of groups included. Raises `SettingsError` for unknown ones."""
        _known(values, {*TYPES, *FILE_ONLY})
        chosen = {
            name: group(**{f.name: values[f.name] for f in fields(group) if f.name in values})
            for name, group in GROUPS.items()
        }
        own = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in own}, **chosen)


def from_text(name: str, text: str) -> Any:
    """A setting written as text, in its type. Raises `SettingsError`."""
    kind = TYPES.get(name)
    if kind is None:
        _known({name: text}, TYPES)
    try:
        return PARSERS[str(kind)](text)
    except ValueError:
        raise SettingsError(f"{name}: {text!r} is not {EXPECTED[str(kind)]}") from None


def _parse_bool(text: str) -> bool:
    if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
        raise ValueError(text)
    return text.lower() in ("1", "true", "yes")


GROUPS: dict[str, Any] = {"limits": Limits, "rules": Rules, "tls": TlsSettings}
"""Settings that belong together, with a class of their own; their names are as flat as others."""

FILE_ONLY = ("host",)
"""Settings that are tables, which neither a command line nor the environment can hold."""

TYPES: dict[str, Any] = {
    f.name: f.type
    for group in (Settings, *GROUPS.values())
    for f in fields(group)
    if f.name not in (*GROUPS, *FILE_ONLY)
}

PARSERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "str | None": str,
    "Any": str,
    "int": int,
    "int | None": int,
    "float": float,
    "float | None": float,
    "bool": _parse_bool,
    "tuple[str, ...]": str.split,
    "Lines": str.splitlines,
}
EXPECTED = {
    "int": "a whole number",
    "int | None": "a whole number",
    "float": "a number",
    "float | None": "a number",
    "bool": "true or false",
}


def _known(names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            there = f"do you mean {' or '.join(near)}?" if near else "`fivefold serve --help`"
            raise SettingsError(f"{name}: there is no such setting; {there}")


def mode(text: str) -> int:
    """Permissions, written in octal. Raises `SettingsError`."""
    digits = text.removeprefix("0o")
    if not digits or set(digits) - set("01234567") or int(digits, 8) > 0o777:  # noqa: PLR2004
        raise SettingsError(f"unix_mode: {text!r} is not a mode such as 0660")
    return int(digits, 8)


def _one_of(name: str, value: str, choices: list[str]) -> None:
    if value not in choices:
        raise SettingsError(f"{name}: {value!r} is unknown; choose from {', '.join(choices)}")


def _positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SettingsError(f"{name}: {value!r} must be a number greater than zero")
    if name.endswith("_s") and value > LONGEST_S:
        raise SettingsError(f"{name}: {value!r} seconds are more than a year")
