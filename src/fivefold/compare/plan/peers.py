"""Other people's servers, as data: how each is started with the same content.

Each is set up as one would for a comparison: no access log, connections kept, as many
workers as ours.  Configuration files are in `peers/`.  Adding a server is a line.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from ...configuration.setting import one_of
from .contenders import Contender, literal

DAEMONS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""An ordinary user's PATH leaves these out on Debian."""

APACHE_MODULES = "/usr/lib/apache2/modules"
FOLDER, ANY = ("static",), ("wsgi", "asgi")


@dataclass(frozen=True)
class Peer:
    """{words} of the command are filled in when it starts, {target} and {workers} before."""

    program: str
    package: str
    """What to install if the program is missing."""
    serves: tuple[str, ...]
    command: str
    configuration: str | None = None
    """A file in `peers/`."""
    words: tuple[tuple[str, str], ...] = ()
    """For its configuration."""
    scales: bool = True
    """Whether it has a number of workers."""


def apache(mpm: str, *limits: str) -> Peer:
    command = "-d {folder} -f {config} -D FOREGROUND"
    words = (("mpm", mpm), ("limits", "\n".join(limits)))
    return Peer("apache2", "apache2", FOLDER, command, "apache.conf", words, scales=False)


APACHE_THREADS = (
    "ServerLimit 1",
    "ThreadLimit 128",
    "ThreadsPerChild 128",
    "MaxRequestWorkers 128",
)
PROCESSES = ("StartServers 64", "ServerLimit 128", "MaxRequestWorkers 128")

HTTP_SERVER = "-m http.server {port} --bind 127.0.0.1 --protocol HTTP/1.1 --directory {target}"
# --timeout 0: we pause servers that wait for their turn, which gunicorn would take for a hang.
GUNICORN = (
    "-k gthread --threads 64 --timeout 0 --keep-alive 60 -w {workers} -b 127.0.0.1:{port} {target}"
)
UVICORN = "--port {port} --workers {workers} --no-access-log --log-level warning {target}"
HYPERCORN = "-b 127.0.0.1:{port} -w {workers} {target}"
GRANIAN = "--interface {interface} --port {port} --workers {workers} --no-access-log {target}"

PEERS: dict[str, Peer] = {
    "nginx": Peer("nginx", "nginx", FOLDER, "-p {folder} -e stderr -c {config}", "nginx.conf"),
    "lighttpd": Peer(
        "lighttpd", "lighttpd", FOLDER, "-D -f {config}", "lighttpd.conf", scales=False
    ),
    "apache-prefork": apache("prefork", *PROCESSES),
    "apache-worker": apache("worker", *APACHE_THREADS),
    "apache-event": apache("event", *APACHE_THREADS),
    "http.server": Peer(sys.executable, "python3", FOLDER, HTTP_SERVER, scales=False),
    "gunicorn": Peer("gunicorn", "gunicorn", ("wsgi",), GUNICORN),
    "uvicorn": Peer("uvicorn", "uvicorn", ("asgi",), UVICORN),
    "hypercorn": Peer("hypercorn", "hypercorn", ANY, HYPERCORN),
    "granian": Peer("granian", "granian", ANY, GRANIAN),
}


def peers(
    names: Sequence[str], target: str, interface: str, workers: Sequence[int]
) -> list[Contender]:
    """The named servers; one that is not installed, or serves nothing of this kind, has a
    reason. Raises `SettingsError` for an unknown name."""
    for name in names:
        one_of("against", name, PEERS)
    return [
        contender(name, PEERS[name], target, interface, count)
        for name in dict.fromkeys(names)
        for count in workers
        if PEERS[name].scales or count == min(workers)
    ]


def contender(name: str, peer: Peer, target: str, interface: str, workers: int) -> Contender:
    named = name + (f" x{workers}" if workers > 1 and peer.scales else "")
    found = Contender(named, workers=workers, announces=False)
    program = find(peer.program)
    if interface not in peer.serves:
        return replace(found, reason=f"it serves {' and '.join(peer.serves)}, not {interface}")
    if program is None:
        return replace(found, reason=f"it is not installed: install {peer.package}")
    ready = {"target": literal(str(target)), "workers": str(workers), "interface": interface}
    command = tuple(filled(word, ready) for word in (literal(program), *peer.command.split()))
    text = configuration(peer, str(target), workers) if peer.configuration else None
    return replace(found, command=command, configuration=text)


def filled(word: str, ready: dict[str, str]) -> str:
    """What is known by now; the rest is filled in at the start."""
    for name, text in ready.items():
        word = word.replace("{" + name + "}", text)
    return word


def configuration(peer: Peer, target: str, workers: int) -> str:
    """With those of its words that are known before the start."""
    text = files(__package__).joinpath("peers", str(peer.configuration)).read_text("utf-8")
    user, group = account()
    known = {
        "files": str(Path(target).resolve()),
        "workers": str(workers),
        "user": user,
        "group": group,
        "modules": APACHE_MODULES,
    }
    return with_words(text, dict(peer.words) | known)


def with_words(text: str, known: Mapping[str, str]) -> str:
    """A configuration, its @words@ filled in as far as they are known; braces are its own."""
    for name, said in known.items():
        text = text.replace(f"@{name}@", said)
    return text


def account() -> tuple[str, str]:
    """Whom servers become when we are root: Debian's www-data, or nobody; else ourselves."""
    if os.geteuid() != 0:
        own = pwd.getpwuid(os.geteuid())
        return own.pw_name, grp.getgrgid(own.pw_gid).gr_name
    for name in ("www-data", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return name, grp.getgrgid(entry.pw_gid).gr_name
    return "root", "root"


def find(program: str) -> str | None:
    """Beside this interpreter first, where its environment's servers are."""
    own = str(Path(sys.executable).parent)
    paths = [own, *os.get_exec_path(), *DAEMONS]
    return shutil.which(program, path=os.pathsep.join(paths))
