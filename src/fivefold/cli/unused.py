"""Settings that were made and have no effect in this combination, each with the reason.

They are explained instead of refused: one configuration file, or one environment, may serve
several combinations, and comparing these is what this server is for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..content.kinds import BROKEN
from ..server import Server
from ..settings import Settings


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


def has_bind(prefix: str) -> Callable[[Server], bool]:
    return lambda server: any(text.startswith(prefix) for text in server.settings.bind)


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
    Rule("asgi_extensions", lambda s: s.interface == "asgi", "it is for ASGI applications"),
    Rule("env_file", is_application, "it is for applications, and a folder is served"),
    Rule(
        "websocket_deflate",
        lambda server: server.interface == "asgi",
        "it is for ASGI applications, which alone have websockets",
    ),
    Rule(
        "forwarded_fields",
        lambda server: bool(server.settings.trusted_proxies),
        "nobody is believed; add --trusted-proxies",
    ),
    Rule("unix_mode", has_bind("unix:"), "no address is unix:PATH"),
    Rule("access_log_format", lambda s: s.settings.access_log is not None, "add --access-log FILE"),
    Rule("reload_dir", lambda s: s.settings.reload, "add --reload"),
    Rule("reload_include", lambda s: s.settings.reload, "add --reload"),
    Rule("reload_exclude", lambda s: s.settings.reload, "add --reload"),
)

DEFAULTS = {f.name: f.default for f in dataclasses.fields(Settings)}


def without_effect(server: Server) -> Iterator[str]:
    """A sentence for each setting that was made in vain."""
    if server.interface == BROKEN.name:
        return  # under --reload it is not known yet what will be served
    for rule in RULES:
        made = getattr(server.settings, rule.setting) != DEFAULTS[rule.setting]
        if made and not rule.applies(server):
            yield f"{rule.setting}: it has no effect here: {rule.otherwise}"
