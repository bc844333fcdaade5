"""Where a server's control socket is, and which server may own it.

The server makes it in a folder that is its user's alone: under `$XDG_RUNTIME_DIR`, or
`/run/user/UID`, or `/tmp`, where others could be faster, so the folder is looked at before
it is trusted.  A tracer looks in the same places, as the server's process names them.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import TraceFailed
from ...linux.peer_credentials import peer_of
from ...linux.processes import owner_of, parent_of

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
    mask = os.umask(0o177)
    try:
        sock.bind(str(unready))
        sock.listen(BACKLOG)
        # Under its name it listens: another's sweep would take it for left behind.
        path.hardlink_to(unready)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(mask)
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
    """The control socket of the server that `pid` is, or that it is a process of; and the
    server's own process.

    Raises `TraceFailed`, in one line.
    """
    owner = owner_of(pid)
    if owner is None:
        raise TraceFailed(f"there is no process {pid}")
    if os.geteuid() not in (owner, ROOT):
        raise TraceFailed(
            f"process {pid} belongs to another user (uid {owner}): only they or root may trace it"
        )
    stale = False
    for path in candidates(pid):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(str(path))
        except OSError as error:
            sock.close()
            stale = stale or error.errno == errno.ECONNREFUSED
            continue
        if peer_of(sock).uid in (owner, ROOT):
            return sock, int(path.stem)
        sock.close()
    what = "has a control socket without a listener" if stale else "is not `fivefold serve`"
    raise TraceFailed(f"process {pid} {what}")


def candidates(pid: int) -> Iterator[Path]:
    """The paths where its control socket may be, the likeliest first."""
    ancestor: int | None = pid
    while ancestor:
        owner = owner_of(ancestor)
        for folder in folders(ancestor, owner):
            # Its /tmp may be its own (PrivateTmp of systemd).
            for root in ("/", f"/proc/{ancestor}/root"):
                yield Path(root, str(folder).lstrip("/"), f"{ancestor}.sock")
        ancestor = parent_of(ancestor)


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
