"""Settings that were made and have no effect in this combination, each with the reason.

They are explained instead of refused: one configuration file, or one environment, may serve
several combinations, and comparing these is what this server is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from .. import Server
from ..accesslog.destination import OFF
from ..content.kinds import BROKEN
from ..content.static.rules import Rules
from ..server.settings import FIELDS, GROUPS, Settings


@dataclass(frozen=True)
class Rule:
    """When a setting has an effect; otherwise why not."""

    setting: str
    applies: Callable[[Server], bool]
    otherwise: str


def in_pool(server: Server) -> bool:
    """Whether a pool of threads calls the application."""
    shared = server.model.traits.one_thread and server.engine.traits.overlaps
    return server.interface == "wsgi" and shared


def is_application(server: Server) -> bool:
    return server.interface in ("wsgi", "asgi")


def has_folder(server: Server) -> bool:
    return not is_application(server) or bool(server.settings.mount)


def made(settings: Settings, name: str) -> bool:
    """Whether it differs from the default, in the settings or in one of their groups."""
    groups = (getattr(settings, each) for each in GROUPS)
    holder = next(group for group in (settings, *groups) if hasattr(group, name))
    return bool(getattr(holder, name) != FIELDS[name].default)


RULES = (
    Rule(
        "threads",
        lambda server: in_pool(server) and not server.settings.inline,
        "it is for WSGI applications whose connections share one thread (--serving async), without"
        " --inline; elsewhere --max-connections bounds processes and threads",
    ),
    Rule(
        "inline",
        in_pool,
        "it is for WSGI applications whose connections share one thread (--serving async);"
        " elsewhere the application is called in place anyway",
    ),
    *(
        Rule(name, lambda server: server.interface == "asgi", "it is for ASGI applications")
        for name in ("asgi_extensions", "lifespan", "lifespan_s")
    ),
    Rule("env_file", is_application, "it is for applications, and a folder is served"),
    *(
        Rule(
            name,
            lambda server: server.interface == "asgi",
            "it is for ASGI applications, which alone have websockets",
        )
        for name in FIELDS
        if name.startswith("websocket_")
    ),
    *(
        Rule(each.name, has_folder, "it is for folders: an application is served, without --mount")
        for each in fields(Rules)
    ),
    *(
        Rule(name, lambda server: bool(server.settings.tls.tls_cert), "add --tls-cert FILE")
        for name in ("tls_min", "tls_handshake_s", "tls_key_password_file")
    ),
    Rule(
        "forwarded_fields",
        lambda server: bool(server.settings.trusted_proxies),
        "no proxy is trusted; add --trusted-proxies",
    ),
    Rule(
        "unix_mode",
        lambda server: any(text.startswith("unix:") for text in server.settings.bind),
        "no address is unix:PATH",
    ),
    Rule(
        "access_log_format",
        lambda s: s.settings.access_log not in (None, OFF),
        "add --access-log FILE",
    ),
    *(
        Rule(name, lambda s: s.settings.reload, "add --reload")
        for name in ("reload_dir", "reload_include", "reload_exclude")
    ),
)


def without_effect(server: Server) -> Iterator[str]:
    """A sentence for each setting that was made in vain."""
    if server.interface == BROKEN.name:
        return  # under --reload it is not known yet what will be served
    for rule in RULES:
        if made(server.settings, rule.setting) and not rule.applies(server):
            yield f"{rule.setting}: it has no effect here: {rule.otherwise}"
