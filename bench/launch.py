"""Starting and ending one server, so that nothing of it is left behind.

Each server gets a temporary folder, a port on 127.0.0.1 and its own session: Ctrl-C
reaches us alone, and we end the server and all its descendants by their process ids.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import BinaryIO

from cores import on_core
from files import certificate
from servers import APACHE_MODULES, BUILD, HERE, Server, path_of, server

from fivefold.linux.accounting import entries, tree

START_S = 15.0
STOP_S = 5.0
POLL_S = 0.02

ANNOUNCED = re.compile(r"listening on https?://127\.0\.0\.1:(\d+)")


class DidNotStart(Exception):
    """The server ended, or did not listen in time; the message has its last words."""


@dataclass
class Running:
    """A server that accepts connections."""

    process: subprocess.Popen[bytes]
    port: int


def account() -> tuple[str, str]:
    """Whom servers become when we are root: Debian's www-data, or nobody; else ourselves."""
    names = ["www-data", "nobody"] if os.geteuid() == 0 else [pwd.getpwuid(os.geteuid()).pw_name]
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return name, grp.getgrgid(entry.pw_gid).gr_name
    raise DidNotStart("no account www-data or nobody to run the servers as")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(each: Server, words: dict[str, str]) -> list[str]:
    """The command line, its configuration written beside it."""
    if each.template is not None:
        more = {name: text.format(**words) for name, text in each.words.items()}
        text = Template((HERE / "peers" / each.template).read_text()).substitute(words | more)
        Path(words["config"]).write_text(text)
    program = str(BUILD / "floor") if each.program == "gcc" else path_of(each)
    assert program is not None, "run.py has checked that the programs are there"
    return [program, *(word.format(**words) for word in each.command)]


@contextlib.contextmanager
def started(name: str, files: Path, path: str, core: int) -> Iterator[Running]:
    """The server `name`, serving `files` on `core`, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="fivefold-bench-") as folder:
        Path(folder).chmod(0o755)  # the peers' workers run under another account
        user, group = account()
        words = {
            "files": str(files),
            "folder": folder,
            "config": f"{folder}/server.conf",
            "modules": str(APACHE_MODULES),
            "path": path,
            "port": str(free_port()),
            "user": user,
            "group": group,
        }
        if server(name).scheme == "https":
            cert, key = certificate(Path(folder))
            words |= {"cert": str(cert), "key": str(key)}
        log = Path(folder, "stderr")
        with log.open("wb") as stderr, on_core(core):
            process = spawned(command(server(name), words), stderr, folder)
        try:
            announces = server(name).template is None and not server(name).listens_on_port
            given = None if announces else int(words["port"])
            yield Running(process, wait_until_listening(process, log, given))
        finally:
            end(process)


def spawned(words: list[str], stderr: BinaryIO, folder: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            cwd=folder,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise DidNotStart(
            f"{error.filename} is not there: delete {BUILD}, it is made anew"
        ) from None


def wait_until_listening(process: subprocess.Popen[bytes], log: Path, given: int | None) -> int:
    """The port, once connections to it are accepted."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        port = given if given is not None else announced_port(log)
        if port is not None and accepts(port):
            return port
        time.sleep(POLL_S)
    ended = process.poll()
    why = "did not listen in time" if ended is None else f"ended with status {ended}"
    raise DidNotStart(f"{why}: {last_words(log)}")


def announced_port(log: Path) -> int | None:
    found = ANNOUNCED.search(log.read_text(errors="replace"))
    return int(found[1]) if found else None


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def last_words(log: Path) -> str:
    """What the server said last, wherever it said it."""
    logs = [log, log.with_name("error.log")]
    said = "".join(each.read_text(errors="replace") for each in logs if each.exists())
    return " / ".join(said.strip().splitlines()[-3:]) or "it printed nothing"


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask, wait, then insist; and leave no descendant behind."""
    members = tree(process.pid)
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    still = {(e.pid, e.born) for e in entries()}
    for member in members:
        if (member.pid, member.born) in still:
            kill(member.pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself
