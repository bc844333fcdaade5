"""What a user without privileges is told: one line, with the remedy."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold import Server, Settings
from support.nobody import as_nobody, only_root

LOWEST = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where everybody gets to, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def refused(target: Path, bind: str = "127.0.0.1:0") -> str:
    settings = Settings(target=str(target), bind=(bind,))

    def attempt() -> None:
        server = Server(settings)
        server.check_target()
        server.listen()

    return as_nobody(attempt)


@only_root
def test_folders(folder: Path) -> None:
    (folder / "unreadable").mkdir(0o700)
    assert "no permission to read the folder" in refused(folder / "unreadable")
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0o744)
    assert "no permission to open what is in the folder" in refused(folder / "closed")
    assert refused(folder) == "nothing"


@only_root
def test_unix_sockets(folder: Path) -> None:
    assert refused(folder, f"unix:{folder}/socket") == (
        f"BindError: cannot listen on unix:{folder}/socket: Permission denied;"
        " choose a folder in which this user may write"
    )
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{folder}/ours")
        (folder / "ours").chmod(0o600)
        sock.listen()
        said = refused(folder, f"unix:{folder}/ours")
        assert "a socket of another user has this name; choose another path" in said


@only_root
@pytest.mark.skipif(int(LOWEST.read_text()) <= 1, reason="every user may listen on every port")
def test_ports(folder: Path) -> None:
    assert refused(folder, "127.0.0.1:1").endswith(
        "Permission denied; ports below 1024 need privileges: choose a higher one"
        " (or grant CAP_NET_BIND_SERVICE)"
    )
