"""`fivefold serve`: its options are the fields of `Settings` and `Limits`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click

from .. import Server
from ..accesslog.destination import OFF
from ..content.kinds import BROKEN
from ..content.static.files.root import start_folder
from ..errors import SettingsError
from ..isolation.reporting import logger
from ..linux.standard_descriptors import STDERR, STDIN
from ..processes.titles import title
from ..server.service import Reread, Service
from ..server.service_tables import OWN, SERVER_WIDE, services
from ..server.settings import FIELDS, FILE_ONLY, GROUPS, Settings
from .manual.help_pages import HelpfulCommand
from .manual.setting_options import PATHS, of_paths, option
from .manual.topics import SERVE
from .sources import Sources
from .speaking import speak_as
from .starting import starting
from .unused import without_effect

log = logger("fivefold")

FOLDER = "static"

SHORT_FOR = {
    "no_access_log": {"access_log": OFF},
    "quiet": {"log_level": "warning", "access_log": OFF},
    "verbose": {"log_level": "debug"},
}
"""Switches that say what other options say, in one word."""


def options() -> list[click.Parameter]:
    target = click.Argument(["target"], required=False, shell_complete=of_paths("file"))
    return [target, *(option(each) for each in FIELDS.values() if each.name != "target")]


def merged(given: dict[str, Any], config: str | None) -> Sources:
    """Command line over environment over file over defaults. Raises `SettingsError`."""
    sources = Sources()
    if config:
        sources.add_file(config)
    host, port = given.pop("listen_host"), given.pop("listen_port")
    for short, meanings in SHORT_FOR.items():
        for name, value in meanings.items() if given.pop(short) else ():
            if given[name] not in (None, value):
                option = short.replace("_", "-")
                raise SettingsError(f"{name}: --{option} means {value!r} here: give one of the two")
            given[name] = value
    sources.add_environment(os.environ)
    sources.add_options(given)
    sources.add_conventions(os.environ)
    sources.add_address(host, port)
    return sources


def as_toml(settings: Settings) -> str:
    """The settings as a configuration file would give them."""
    tables = services(settings) if settings.serve else []
    lines = as_lines(settings, without=OWN if tables else ())
    for name in GROUPS:
        lines += ["", f"[{name}]", *as_lines(getattr(settings, name))]
    lines += hosts_as_lines(settings, "host")
    for each in tables:
        lines += ["", "[[serve]]", *as_lines(each, without=SERVER_WIDE)]
        for name in GROUPS:
            lines += as_lines(getattr(each, name), without=SERVER_WIDE)
        lines += hosts_as_lines(each, "serve.host")
    return "\n".join(lines)


def hosts_as_lines(settings: Settings, table: str) -> list[str]:
    lines = []
    for host in settings.host:
        lines += ["", f"[[{table}]]", *as_lines(host), *as_lines(host.rules)]
    return lines


def as_lines(group: Any, without: Collection[str] = ()) -> list[str]:
    values = {f.name: getattr(group, f.name) for f in dataclasses.fields(group)}
    return [
        f"{name} = {toml_value(value)}"
        for name, value in values.items()
        if name not in (*GROUPS, *FILE_ONLY, *without) and value is not None
    ]


def toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for one character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def run(
    config: str | None,
    check_config: bool,  # noqa: FBT001 - click calls by keyword
    print_config: bool,  # noqa: FBT001
    **given: Any,
) -> None:
    """Serve a folder or an application over HTTP until SIGTERM or Ctrl-C."""
    with starting():
        sources = merged(dict(given), config)
        if not (check_config or print_config):
            sources.add_terminal()
        settings = sources.settings()
        with sources.blamed():
            begin(settings)
            for warning in sources.warnings:
                log.warning("%s", warning)
            server = Server(settings)
            if print_config:
                click.echo(as_toml(settings))
            if check_config:
                server.check_target()
        warn_of(server)
        if check_config:
            approve(server)
        if print_config or check_config:
            return
        for service in server.services:
            for text in service.passed_over:
                log.warning("%s; taking %s", text, service.engine.engine)
        title.be("supervisor")
        with sources.blamed():
            server.run(
                lambda: announce(server),
                replaceable=True,
                reread=again(given, config) if config and not settings.reload else None,
            )


def again(given: dict[str, Any], config: str) -> Reread:
    """How SIGHUP has the same sources read again; the file by its path, as that is then."""
    path = os.path.join(start_folder(), config)  # noqa: PTH118 - links of the folder stay links

    @contextlib.contextmanager
    def reread() -> Iterator[Settings]:
        sources = merged(dict(given), path)
        sources.add_terminal()
        settings = sources.settings()
        with sources.blamed():
            yield settings

    return reread


def begin(settings: Settings) -> None:
    """This process is the server's: how it speaks, and with which umask it makes files."""
    if (umask := settings.identity.umask_bits) is not None:
        os.umask(umask)
    speak_as(settings)


def warn_of(server: Server) -> None:
    """What was asked for in vain."""
    for service in server.services:
        for text in without_effect(service):
            log.warning("%s", text)


def approve(server: Server) -> None:
    """What was checked is said: silence may have other reasons."""
    for service in server.services:
        where = ", ".join(service.settings.bind)
        log.info("the settings are right: %s, on %s", sentence(service), where)


def announce(server: Server) -> None:
    for address in server.addresses:
        log.info("listening on %s", address)
    for address in server.status.addresses:
        log.info("status on %s", address)
    for service in server.services:
        where = f", on {', '.join(service.addresses)}" if len(server.services) > 1 else ""
        log.info("%s%s", sentence(service), where)
    if os.isatty(STDERR) and os.isatty(STDIN):
        log.info("Ctrl-C stops it")


def sentence(service: Service) -> str:
    """What is served, and how."""
    settings, engine, model = service.settings, service.engine, service.model
    what = f"the {service.interface.upper()} application {settings.target}"
    if service.interface == BROKEN.name:
        what = f"{settings.target}, which cannot be loaded yet,"
    elif service.interface == FOLDER:
        what = f"the folder {Path(settings.chdir or '', settings.target).absolute()}"
    io = engine.name if engine.name == engine.engine else f"{engine.name}:{engine.engine}"
    workers = "1 worker" if settings.workers == 1 else f"{settings.workers} workers"
    if len(service.listening.slots) > int(settings.workers):
        workers += " for each address"  # a thread that sleeps in accept(2) hears of one only
    if not model.traits.scales_by_workers:
        workers = "a process for each connection"
    return f"serving {what} with {model.name} + {io}, {workers}"


serve = HelpfulCommand(
    "serve",
    manual=SERVE,
    callback=run,
    params=[
        *options(),
        click.Option(
            ["--host", "listen_host"], metavar="ADDRESS", help="With --port: short for --bind."
        ),
        click.Option(
            ["--port", "listen_port"],
            type=int,
            metavar="PORT",
            help="With --host: short for --bind.",
        ),
        click.Option(["--no-access-log"], is_flag=True, help="Short for --access-log off."),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            help="Short for --log-level warning --access-log off.",
        ),
        click.Option(["-v", "--verbose"], is_flag=True, help="Short for --log-level debug."),
        click.Option(
            ["--config"],
            metavar="FILE",
            help="Read settings from a TOML file.",
            shell_complete=PATHS["FILE"],
        ),
        click.Option(["--check-config"], is_flag=True, help="Check the settings and exit."),
        click.Option(["--print-config"], is_flag=True, help="Print the settings and exit."),
    ],
    help=run.__doc__,
    short_help="Serve a folder or an application.",
)
