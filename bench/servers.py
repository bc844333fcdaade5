"""How each server is started: its program, its Debian package, its command.

Every server stays in the foreground as our child, and listens on 127.0.0.1 only.
Ours and the floor choose their port and print it; the peers are told one that is free.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"

# Daemons live in sbin, which an ordinary user's PATH leaves out on Debian.
SEARCH = (str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")
SEARCH_DAEMONS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

APACHE_MODULES = Path("/usr/lib/apache2/modules")


@dataclass(frozen=True)
class Server:
    """The command's {words} are filled in when the server starts (launch.py)."""

    program: str
    package: str  # what to install if the program is missing
    command: tuple[str, ...]
    template: str | None = None  # in peers/
    version: tuple[str, ...] = ("--version",)


def find(program: str) -> str | None:
    """The program's path; the environment's own folder first, so `fivefold` is this one's."""
    return shutil.which(program, path=":".join((*SEARCH, *SEARCH_DAEMONS)))


def apache(mpm: str) -> Server:
    return Server(
        program="apache2",
        package="apache2",
        command=("-d", "{folder}", "-f", "{config}", "-D", "FOREGROUND"),
        template=f"apache-{mpm}.conf",
        version=("-v",),
    )


def pair(name: str) -> Server:
    """One of ours, by the name of its row: SERVING+IO."""
    serving, io = name.split("+")
    return Server(
        program="fivefold",
        package="fivefold (this project: pip install -e .)",
        command=("serve", "{files}", "--serving", serving, "--io", io, "--bind", "127.0.0.1:0"),
    )


PEERS = {
    "floor": Server("gcc", "gcc libc6-dev", ("{files}{path}",)),
    "nginx": Server(
        "nginx",
        "nginx",
        ("-p", "{folder}", "-e", "stderr", "-c", "{config}"),
        "nginx.conf",
        ("-v",),
    ),
    "lighttpd": Server("lighttpd", "lighttpd", ("-D", "-f", "{config}"), "lighttpd.conf", ("-v",)),
    "apache-prefork": apache("prefork"),
    "apache-worker": apache("worker"),
    "apache-event": apache("event"),
}


def server(name: str) -> Server:
    return pair(name) if "+" in name else PEERS[name]


def missing(names: set[str]) -> list[str]:
    """The packages to install before these servers, and the load, can run."""
    wanted = {server(name) for name in names}
    packages = {each.package for each in wanted if find(each.program) is None}
    if find("wrk") is None:
        packages.add("wrk")
    return sorted(packages)
