"""Settings that were made and have no effect in this combination, each with the reason.

They are explained instead of refused: one configuration file, or one environment, may serve
several combinations, and comparing these is what this server is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from ..accesslog.destination import OFF
from ..content.kinds import BROKEN
from ..content.static.rules import Rules
from ..server.service import Service
from ..server.settings import FIELDS, GROUPS, Settings


@dataclass(frozen=True)
class Rule:
    """When a setting has an effect; otherwise why not."""

    setting: str
    applies: Callable[[Service], bool]
    otherwise: str


def in_pool(service: Service) -> bool:
    """Whether a pool of threads calls the application."""
    shared = service.model.traits.one_thread and service.engine.traits.overlaps
    return service.interface == "wsgi" and shared


def is_application(service: Service) -> bool:
    return service.interface in ("wsgi", "asgi")


def has_folder(service: Service) -> bool:
    return not is_application(service) or bool(service.settings.mount)


def made(settings: Settings, name: str) -> bool:
    """Whether it differs from the default, in the settings or in one of their groups."""
    groups = (getattr(settings, each) for each in GROUPS)
    holder = next(group for group in (settings, *groups) if hasattr(group, name))
    return bool(getattr(holder, name) != FIELDS[name].default)


RULES = (
    Rule(
        "threads",
        lambda service: in_pool(service) and not service.settings.inline,
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
        Rule(name, lambda service: service.interface == "asgi", "it is for ASGI applications")
        for name in ("asgi_extensions", "lifespan", "lifespan_s")
    ),
    Rule(
        "env_file",
        lambda service: is_application(service) or service.settings.otel,
        "it is for applications and --otel, and a folder is served",
    ),
    *(
        Rule(
            name,
            lambda service: service.interface == "asgi",
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
        Rule(name, lambda service: bool(service.settings.tls.tls_cert), "add --tls-cert FILE")
        for name in ("tls_min", "tls_handshake_s", "tls_key_password_file")
    ),
    Rule(
        "forwarded_fields",
        lambda service: bool(service.settings.trusted_proxies),
        "no proxy is trusted; add --trusted-proxies",
    ),
    Rule(
        "unix_mode",
        lambda service: any(text.startswith("unix:") for text in service.settings.bind),
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


def without_effect(service: Service) -> Iterator[str]:
    """A sentence for each setting that was made in vain."""
    if service.interface == BROKEN.name:
        return  # under --reload it is not known yet what will be served
    for rule in RULES:
        if made(service.settings, rule.setting) and not rule.applies(service):
            yield f"{rule.setting}: it has no effect here: {rule.otherwise}"
