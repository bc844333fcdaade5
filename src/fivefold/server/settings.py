"""What a whole server is told, put together from groups; checked whole, then frozen.

What can be set has its default and its meaning here, or in the class of its group.  The command
line, the environment and the configuration file are generated from these fields and meet here:
`Settings.of(merged)`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from ..accesslog import formats
from ..configuration.setting import AUTO, Count, check, setting
from ..content.application.forwarded import TrustedProxies
from ..content.application.naming import named
from ..content.asgi.scope import LIFESPANS
from ..content.kinds import KINDS
from ..content.routing import mounts
from ..content.routing import virtual_hosts as hosts
from ..content.static.rules import Rules
from ..errors import SettingsError
from ..http1.limits import Limits
from ..http2.offered import Http2Settings
from ..iomodels import choices
from ..isolation.log_options import LogSettings
from ..listening.sockets import SYSTEMD, Address
from ..processes.supervision.patience import SupervisionSettings
from ..processes.supervision.recycling import RecyclingSettings
from ..serving import MODELS as SERVING_MODELS
from ..transport.tls.options import TlsSettings
from . import texts
from .identity import IdentitySettings
from .processors import usable


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a server. Raises `SettingsError`, which names the setting and the remedy."""

    target: Any = setting(  # noqa: RUF009 - a string, immutable
        ".", "What to serve: a folder, module:attribute or module:factory() (or an object)."
    )
    bind: tuple[str, ...] = setting(
        ("127.0.0.1:8000",),
        "Where to listen: HOST:PORT, :PORT (all IPv4 addresses), unix:PATH, unix:@NAME, fd://N or"
        " systemd (the sockets that it hands over); repeatable.",
        each="an address",
    )
    unix_mode: str | None = setting(
        None, "Permissions of unix:PATH, as chmod writes them: 0660; by default the umask's."
    )
    serving: str = setting(
        AUTO, "What runs a connection: process, thread or async.", choices=(AUTO, *SERVING_MODELS)
    )
    io: str = setting(
        AUTO, "How a worker waits: an I/O model, or MODEL:ENGINE.", choices=(AUTO, *choices())
    )
    workers: Count = setting(  # noqa: RUF009 - a number, immutable
        1,
        "Worker processes of the thread and async models; auto: one for each processor that the"
        " server may use.",
    )
    fresh: bool = setting(False, "A new process or thread for every connection.")
    max_connections: int | None = setting(
        None, "Connections at once, per worker; further ones wait in the kernel's queue."
    )
    supervision: SupervisionSettings = field(default_factory=SupervisionSettings)
    slow_request_s: float | None = setting(
        None,
        "Log a request that takes longer than this many seconds, once: its age, its Python stack,"
        " and the system call that it waits in. By default the server looks for none.",
    )
    lifespan: str = setting(
        AUTO,
        "An ASGI application's lifespan: on (an exception at its start is an error), off, or auto"
        " (the server logs the exception and serves the application without lifespan).",
        choices=LIFESPANS,
    )
    lifespan_s: float = setting(
        10.0, "How long an ASGI application's shutdown may take, once its connections have ended."
    )
    websocket_deflate: bool = setting(
        True, "Compress websocket messages where clients offer it: 40 to 80 KiB each while idle."
    )
    asgi_extensions: tuple[str, ...] = setting(
        (),
        "Ways to send files that an ASGI application may use, if all of its middleware knows them:"
        " pathsend,zerocopysend.",
        each="an extension",
    )
    interface: str = setting(
        AUTO, "What the target is: static, wsgi or asgi.", choices=(AUTO, *KINDS)
    )
    inline: bool = setting(
        False,
        "Call a WSGI application in the event loop; for applications that never block (async"
        " only).",
    )
    threads: int = setting(
        32, "Threads that call a WSGI application under --serving async, without --inline."
    )
    mount: tuple[str, ...] = setting(
        (),
        "A folder under a prefix beside the target: /PREFIX=FOLDER; repeatable.",
        each="/PREFIX=FOLDER",
    )
    auth: str | None = setting(
        None, "An htpasswd file (htpasswd -B): the server answers only its users."
    )
    root_path: str = setting(
        "", "The path under which an application is mounted (SCRIPT_NAME, root_path)."
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Proxies whose --forwarded-fields the server believes: addresses, networks, unix, or *;"
        " repeatable.",
        each="an address or network",
    )
    forwarded_fields: tuple[str, ...] = setting(
        ("x-forwarded",),
        "The fields that the trusted proxies set and the server believes: x-forwarded"
        " (X-Forwarded-For and"
        " -Proto), x-forwarded-for, x-forwarded-proto, x-forwarded-host, or forwarded; repeatable.",
        each="the name of a field",
    )
    proxy_protocol: bool = setting(
        False,
        "Connections begin with a header of the PROXY protocol (HAProxy's, version 1 or 2);"
        " the server cuts off a peer that is not a trusted proxy.",
    )
    chdir: str | None = setting(
        None, "The folder to enter before the application is loaded and folders are opened."
    )
    env_file: str | None = setting(
        None, "A .env file with environment variables for the application."
    )
    reload: bool = setting(
        False, "Load the application again when its files change; for development."
    )
    reload_dir: tuple[str, ...] = setting(
        (),
        "A folder to watch instead of the application's; repeatable.",
        each="a folder",
    )
    reload_include: tuple[str, ...] = setting(
        (),
        "Files to watch besides *.py and the --env-file: a glob, e.g. '*.html'; repeatable.",
        each="a glob",
    )
    reload_exclude: tuple[str, ...] = setting(
        (),
        "Files not to watch: a glob, e.g. 'tests/*'; repeatable.",
        each="a glob",
    )
    access_log: str | None = setting(
        None,
        "A file to which the server adds a line for every exchange; - is standard output, off is"
        " none. By default, `fivefold serve` writes to standard output if that is a terminal.",
    )
    access_log_format: str = setting(
        "combined",
        "What a line of the access log holds: common, combined, json, or a text with {fields}.",
    )
    log: LogSettings = field(default_factory=LogSettings)
    request_id: bool = setting(
        False,
        "Give each request an X-Request-ID, the client's if it has a harmless one: for the"
        " application, the logs and the response.",
    )
    server_timing: bool = setting(
        False,
        "Send Server-Timing with each response: how long it took to read the request and to make"
        " the response. Without it, only sampled responses have that.",
    )
    otel: bool = setting(
        False,
        "Make a span of each request, by OpenTelemetry's SDK and its OTEL_... variables; for"
        " applications, the current span.",
    )
    trace_sample: str | None = setting(
        None, "Time every Nth request (1/N), for the log, the metrics, the spans and Server-Timing."
    )
    trace_spans: str | None = setting(
        None,
        "A file to which the server adds each sampled request as a span, a line of OTLP's JSON; -"
        " is standard output.",
    )
    status: str | None = setting(
        None,
        "Where to serve a live page, metrics and health checks of the server: HOST:PORT, :PORT"
        " (127.0.0.1) or unix:PATH; by default nowhere.",
    )
    host: tuple[Any, ...] = setting(
        (), "Virtual hosts, in the configuration file only: a table [[host]] for each."
    )
    serve: tuple[Any, ...] = setting(
        (), "Services, in the configuration file only: a table [[serve]] for each."
    )
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    tls: TlsSettings = field(default_factory=TlsSettings)
    http2: Http2Settings = field(default_factory=Http2Settings)
    recycling: RecyclingSettings = field(default_factory=RecyclingSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)

    def __post_init__(self) -> None:
        if str(self.workers) == AUTO:
            object.__setattr__(self, "workers", self._usable_workers())
        check(self)
        self._check_target()
        self._check_addresses()
        mounts.parsed(self.mount)
        object.__setattr__(self, "host", hosts.parsed(self.host))
        texts.check_tables(self.serve)
        object.__setattr__(self, "asgi_extensions", texts.extensions(self.asgi_extensions))
        texts.check_root_path(self.root_path)
        if not texts.interval(self.trace_sample) and self.trace_spans is not None:
            raise SettingsError("trace_spans: nothing is sampled; add --trace-sample 1/1000")
        TrustedProxies(self.trusted_proxies, self.forwarded_fields)
        formats.compiled(self.access_log_format)
        if not (self.http2.has_1 or self.http2.h2c or self.tls.tls_cert):
            raise SettingsError("http: without TLS, HTTP/2 alone needs h2c; or name a certificate")
        if self.serving != AUTO:
            self.check_serving(self.serving)

    def _usable_workers(self) -> int:
        model = SERVING_MODELS.get(self.serving)
        return usable() if model is None or model.traits.scales_by_workers else 1

    def _check_addresses(self) -> None:
        if not self.bind:
            raise SettingsError("bind: name at least one address")
        for text in (*self.bind, *self.tls.redirect_http):
            if text != SYSTEMD:
                Address.parse(text)
        if self.status is not None:
            texts.status_address(self.status)
        if self.unix_mode is not None:
            texts.mode(self.unix_mode)
        if self.proxy_protocol and not self.trusted_proxies:
            raise SettingsError(
                "proxy_protocol: name the proxies that send it: --trusted-proxies 10.0.0.0/8"
            )

    def _check_target(self) -> None:
        if isinstance(self.target, os.PathLike):
            object.__setattr__(self, "target", os.fspath(self.target))
        if not isinstance(self.target, str) and not callable(self.target):
            raise SettingsError(f"target: {self.target!r} is not a path or an application")
        if isinstance(self.target, str):
            object.__setattr__(self, "target", named(self.target, self.chdir or ""))

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
                f"fresh: {serving} makes no process or thread for a connection; take --serving"
                " process or thread"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """From flat names, those of groups included. Raises `SettingsError` for unknown ones."""
        texts.known(values, {*FIELDS, *FILE_ONLY})
        groups = {name: group(**texts.chosen(group, values)) for name, group in GROUPS.items()}
        return cls(**texts.chosen(cls, values), **groups)


GROUPS: dict[str, Any] = {
    each.name: each.default_factory
    for each in fields(Settings)
    if isinstance(each.default_factory, type)
}
"""Settings that belong together, with a class of their own beside the code that they set; their
names are as flat as others."""

FILE_ONLY = ("host", "serve")
"""Settings that are tables, which neither a command line nor the environment can hold."""

FIELDS: dict[str, Field[Any]] = {
    each.name: each
    for own in fields(Settings)
    for each in (fields(GROUPS[own.name]) if own.name in GROUPS else (own,))
    if each.name not in FILE_ONLY
}
"""All, by name; `cli/manual/topics.py` has their order in the help."""
