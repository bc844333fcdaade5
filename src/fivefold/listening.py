"""The listening sockets of a server: what is bound, for which worker slot, as which scheme."""

from __future__ import annotations

import contextlib
import os
import socket

from .errors import BindError
from .linux.systemd import listen_fds
from .serving.listener import Address, Made, bind, made, release, url
from .settings import SYSTEMD, Settings, mode


class Listening:
    """Sockets of all addresses in settings; `slots` has a row for each worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.slots: list[list[socket.socket]] = []
        self.https_port: int | None = None
        """Where plain HTTP is sent to, if it is."""
        self._redirecting: list[socket.socket] = []
        self._files: list[Made | None] = []

    def listen(self, *, apart: bool) -> None:
        """Bind all addresses; from now on the kernel queues connections. Raises `BindError`.

        `apart`: every address needs a worker of its own, because its thread cannot wait for two.
        """
        settings = self._settings
        count, wanted = settings.workers, settings.unix_mode
        permissions = None if wanted is None else mode(wanted)
        columns = []
        with contextlib.ExitStack() as undo:
            for text in self._addresses():
                address = Address.parse(text)
                sockets = bind(address, slots=count, mode=permissions)
                columns.append(sockets)
                for sock in sockets:
                    undo.callback(sock.close)
                self._files.append(made(address))
                undo.callback(release, self._files[-1])
            undo.pop_all()
        self._look_at(columns)
        rows = [list(row) for row in zip(*columns, strict=True)]
        self.slots = [[sock] for row in rows for sock in row] if apart else rows

    def _addresses(self) -> list[str]:
        """Where to listen, and then where to redirect. Raises `BindError`."""
        addresses: list[str] = []
        for text in self._settings.bind:
            if text != SYSTEMD:
                addresses.append(text)
                continue
            given = listen_fds(os.environ)
            if not given:
                raise BindError(
                    "bind: systemd has handed over no socket (LISTEN_PID, LISTEN_FDS):"
                    " start the service by its .socket unit"
                )
            addresses += [f"fd://{number}" for number in given]
        return [*addresses, *self._settings.tls.redirect_http]

    def _look_at(self, columns: list[list[socket.socket]]) -> None:
        own = len(columns) - len(self._settings.tls.redirect_http)
        self._redirecting = [sock for column in columns[own:] for sock in column]
        ports = [s.getsockname()[1] for s, *_ in columns[:own] if s.family != socket.AF_UNIX]
        self.https_port = ports[0] if ports and self._redirecting else None

    @property
    def addresses(self) -> list[str]:
        """Where clients reach it, e.g. `http://127.0.0.1:8000`."""
        secure = bool(self._settings.tls.tls_cert)
        schemes = {
            sock: "https" if secure and sock not in self._redirecting else "http"
            for row in self.slots
            for sock in row
        }
        return list(dict.fromkeys(url(sock, scheme) for sock, scheme in schemes.items()))

    def close(self) -> None:
        """Close the sockets, and give their addresses back."""
        self.close_sockets()
        files, self._files = self._files, []
        for file in files:
            release(file)

    def close_sockets(self) -> None:
        """Close the sockets in this process: what it forked does not listen."""
        for row in self.slots:
            for sock in row:
                sock.close()
        self.slots = []
