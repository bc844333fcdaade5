"""Where a server's control socket is, and which server may own it.

The server makes it in a folder that is its user's alone: under `$XDG_RUNTIME_DIR`, or
`/run/user/UID`, or `/tmp`, where others could be faster, so the folder is looked at before
it is trusted.  A tracer looks in the same places, as the server's process names them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import TraceFailed
from ...linux.peer_credentials import peer_of
from ...linux.processes import forks_of, owner_of, parent_of

BACKLOG = 8
ROOT = 0
PATIENCE_S = 10.0
"""How long a server may take to answer; it does at once."""


def private_folder() -> Path:
    """Our own; made if it is missing. Raises `OSError`."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")
    elsewhere = Path(f"/tmp/fivefold-{os.geteuid()}")  # noqa: S108 - checked below
    folder = runtime / "fivefold" if usable(runtime) else elsewhere
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "it is not a folder of this user's alone", str(folder))
    return folder


def usable(runtime: Path) -> bool:
    """Whether this is a folder of our own; an inherited variable may name another user's."""
    try:
        return runtime.is_absolute() and runtime.stat().st_uid == os.geteuid()
    except OSError:
        return False


def bound(pid: int) -> tuple[socket.socket, Path]:
    """The control socket of the server `pid`, listening. Raises `OSError`."""
    folder = private_folder()
    sweep(folder)
    path, unready = folder / f"{pid}.sock", folder / f"{pid}.unready"
    unready.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(unready))
        # Nobody else gets into its folder before; umask(2) would be that of a program's threads.
        unready.chmod(0o600)
        sock.listen(BACKLOG)
        # Under its name it listens: another's sweep would take it for left behind.
        path.hardlink_to(unready)
    except OSError:
        sock.close()
        raise
    finally:
        unready.unlink(missing_ok=True)
    return sock, path


def sweep(folder: Path) -> None:
    """Remove the sockets of servers that are gone: a kill -9 leaves them.

    Numbers of processes say nothing here: where namespaces share a folder, another server may
    have any number, ours included, unseen by any process.
    """
    for left in folder.glob("*.sock"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)  # a queue that is full belongs to a live process
            if sock.connect_ex(str(left)) == errno.ECONNREFUSED:
                left.unlink(missing_ok=True)


def connected(pid: int) -> tuple[socket.socket, int]:
    """The control socket of the server that `pid` is, that it is a process of, or that it has
    started as a program does with `fivefold.Server`; and the server's own process.

    Raises `TraceFailed`, in one line.
    """
    owner = owner_of(pid)
    if owner is None:
        raise TraceFailed(f"there is no process {pid}")
    if os.geteuid() not in (owner, ROOT):
        raise TraceFailed(
            f"process {pid} belongs to another user (uid {owner}): only they or root may trace it"
        )
    for number in ancestors(pid):
        if sock := _reached(number, owner):
            return sock, number
    servers = {
        number: sock for number in sorted(forks_of(pid)) if (sock := _reached(number, owner))
    }
    if len(servers) == 1:
        number, sock = servers.popitem()
        return sock, number
    for sock in servers.values():
        sock.close()
    what = "is no Fivefold server"
    if servers:
        what = f"has several servers, name one of them: {', '.join(map(str, servers))}"
    elif any(map(os.path.lexists, candidates(pid))):
        what = "has a control socket on which it does not listen"
    raise TraceFailed(f"process {pid} {what}")


def _reached(pid: int, owner: int) -> socket.socket | None:
    """The control socket of this very process, if it is one of its user's, or of root's.

    Its name is no proof: where two PID namespaces share a folder, a server of the other one may
    have this number there.  The kernel knows who listens, by the number that it has for us
    (SO_PEERCRED, unix(7)); none if it is in a namespace that we do not see.
    """
    for path in paths_of(pid):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError):
            sock.connect(str(path))
            listener = peer_of(sock)
            if listener.pid == pid and listener.uid in (owner, ROOT):
                return sock
        sock.close()
    return None


def candidates(pid: int) -> Iterator[Path]:
    """The paths where the control socket of its server may be, the likeliest first."""
    for number in ancestors(pid):
        yield from paths_of(number)


def ancestors(pid: int) -> Iterator[int]:
    """And `pid` itself, at first."""
    ancestor: int | None = pid
    while ancestor:
        yield ancestor
        ancestor = parent_of(ancestor)


def paths_of(pid: int) -> Iterator[Path]:
    """Where the control socket of this very process may be."""
    for folder in folders(pid, owner_of(pid)):
        # Its /tmp may be its own (PrivateTmp of systemd).
        for root in ("/", f"/proc/{pid}/root"):
            yield Path(root, str(folder).lstrip("/"), f"{pid}.sock")


def folders(pid: int, owner: int | None) -> Iterator[Path]:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        environment = []
    for line in environment:
        name, _, value = line.partition(b"=")
        if name == b"XDG_RUNTIME_DIR" and value.startswith(b"/"):
            yield Path(os.fsdecode(value), "fivefold")
    yield Path(f"/run/user/{owner}/fivefold")
    yield Path(f"/tmp/fivefold-{owner}")  # noqa: S108 - the listener's user is checked
