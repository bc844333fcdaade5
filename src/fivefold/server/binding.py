"""The listening sockets of a server: what is bound, for which worker slot, as which scheme."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable

from ..errors import BindError
from ..linux.systemd import listen_fds
from ..linux.timestamping import stamp_arrivals
from ..listening.handing_down import HandedDown
from ..listening.host_names import bind_each
from ..listening.sockets import FD, SYSTEMD, Address, check_inherited, one_more, url
from ..listening.unix_socket import Made, made, release
from .identity import Rights
from .settings import Settings
from .texts import mode

SURPLUS = (
    "bind: the server that is replaced has more workers, and clients in their queues, than this one"
    " can take over with its I/O model: start it with as many workers"
)
OTHERWISE = (
    "bind: the server that is replaced waits for connections in another way (I/O model), and both"
    " cannot share its sockets: stop it, then start this one"
)


class Listening:
    """Sockets of all addresses in settings; `slots` has a row for each worker."""

    def __init__(self, settings: Settings, handed_down: HandedDown, rights: Rights) -> None:
        self._settings = settings
        self._rights = rights
        self.slots: list[list[socket.socket]] = []
        self.https_port: int | None = None
        """Where plain HTTP is sent to, if it is."""
        self._shared = self._stamped = False
        self._common: list[socket.socket] = []
        """Sockets that all slots share."""
        self._own: list[Address] = []
        self._plain: list[Address] = []
        """Those whose clients are sent to https."""
        self._redirecting: list[socket.socket] = []
        self._files: list[Made | None] = []
        self._handed_down = handed_down
        self._surplus: list[socket.socket] = []
        """Queues of a server with more workers that this one replaces."""

    def claim(self) -> None:
        """Look for the sockets that are handed over by number, before any address is bound: the
        kernel would give such a number to another socket. Raises `BindError`."""
        self._own = [Address.parse(text) for text in self._addresses()]
        self._plain = [Address.parse(text) for text in self._settings.tls.redirect_http]
        for address in (*self._own, *self._plain):
            check_inherited(address)
            if address.fd >= 0:
                self._handed_down.numbers.add(address.fd)

    def listen(self, *, apart: bool, shared: bool, stamped: bool) -> None:
        """Bind what was claimed; from now on the kernel queues connections. Raises `BindError`.

        `apart`: every address needs a worker of its own, because its thread cannot wait for two.
        `shared`: all workers of an address accept from one queue.
        `stamped`: connections can tell when their first bytes came (`Connection.time_queue`).
        """
        self._shared, self._stamped = shared, stamped
        with contextlib.ExitStack() as undo:
            own = self._bind(self._own, undo)
            redirecting = self._bind(self._plain, undo)
            if self._surplus and apart:
                raise BindError(SURPLUS)
            undo.pop_all()
        self._look_at(own, redirecting)
        rows = [list(row) for row in zip(*own, *redirecting, strict=True)]
        rows[0] += self._surplus
        self.slots = [[sock] for row in rows for sock in row] if apart else rows

    def _bind(
        self, addresses: Iterable[Address], undo: contextlib.ExitStack
    ) -> list[list[socket.socket]]:
        """For each address the sockets of all slots."""
        settings = self._settings
        umask = settings.identity.umask_bits
        permissions = None if umask is None else 0o777 & ~umask
        if settings.unix_mode is not None:
            permissions = mode(settings.unix_mode)
        columns = []
        for address in addresses:
            queues = 1 if self._shared else settings.workers
            bound = bind_each(address, self._handed_down, slots=queues, mode=permissions)
            self._rights.give(address.path)
            self._files.append(made(address.path))
            undo.callback(self._release, self._files[-1])  # when they are closed
            for sockets in bound:
                columns.append(sockets[:queues] * (settings.workers // queues))
                self._surplus += sockets[queues:]
                self._common += sockets if self._shared or address.fd >= 0 else []
                for sock in sockets:
                    undo.callback(sock.close)
                    is_shared = address.fd >= 0 or sock in self._handed_down.taken
                    self._set_blocking(sock, is_shared=is_shared)
                    if self._stamped:
                        stamp_arrivals(sock)
        return columns

    def _set_blocking(self, sock: socket.socket, *, is_shared: bool) -> None:
        """Raises `BindError` if another server would be hurt."""
        if (
            is_shared
            and self._handed_down.is_shared
            and os.get_blocking(sock.fileno()) != self._shared
        ):
            raise BindError(OTHERWISE)
        sock.setblocking(self._shared)  # else others may look into it (`stealing`)

    def _release(self, file: Made | None) -> None:
        release(file, shared=self._handed_down.outlives_us)

    def _addresses(self) -> list[str]:
        """Where to listen. Raises `BindError`."""
        addresses: list[str] = []
        asked = [text for text in self._settings.bind if text == SYSTEMD or text.startswith(FD)]
        given = listen_fds(os.environ) if asked else []
        self._handed_down.systemd += len(given)  # another service may have had them
        self._handed_down.numbers.update(given)
        for text in self._settings.bind:
            if text != SYSTEMD:
                addresses.append(text)
                continue
            if not given:
                raise BindError(
                    "bind: systemd has handed over no socket (LISTEN_PID, LISTEN_FDS):"
                    " start the service by its .socket unit"
                )
            addresses += [f"fd://{number}" for number in given]
        return addresses

    def _look_at(
        self, own: list[list[socket.socket]], redirecting: list[list[socket.socket]]
    ) -> None:
        self._redirecting = [sock for column in redirecting for sock in column]
        ports = [s.getsockname()[1] for s, *_ in own if s.family != socket.AF_UNIX]
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

    @property
    def queues(self) -> dict[int, str]:
        """The same by the inodes of the listening sockets, by which the kernel knows them."""
        sockets = {id(sock): sock for row in self.slots for sock in row}.values()
        return {os.fstat(sock.fileno()).st_ino: url(sock) for sock in sockets}

    def others(self, own: list[socket.socket], *, steals: bool) -> list[socket.socket]:
        """In a worker: the queues to look into besides its own; what it does not need is closed.

        A queue that slots share is among them: the kernel may wake always the same worker.
        """
        every = list({id(sock): sock for row in self.slots for sock in row}.values())
        if steals and len(self.slots) > 1 and not self._shared:
            return every
        for sock in every:
            if all(sock is not ours for ours in own):
                sock.close()
        return []

    def stamp(self) -> None:
        """From now on connections can tell when their first bytes came."""
        self._stamped = True
        for sock in (sock for row in self.slots for sock in row):
            stamp_arrivals(sock)

    def more(self, row: list[socket.socket]) -> list[socket.socket]:
        """Sockets for one more slot: queues of its own where a port may have several and workers
        do not take turns at one; else those of `row`. Workers that are forked later have them."""
        added = [sock if sock in self._common else one_more(sock) for sock in row]
        for sock in added if self._stamped else []:
            stamp_arrivals(sock)
        pairs = list(zip(added, row, strict=True))
        self._redirecting += [new for new, sock in pairs if sock in self._redirecting]
        self._handed_down.add(pairs)
        self.slots.append(added)
        return added

    def close(self) -> None:
        """Close the sockets, and give their addresses back."""
        self.close_sockets()
        files, self._files = self._files, []
        for file in files:
            self._release(file)

    def close_sockets(self) -> None:
        """Close the sockets in this process: what it forked does not listen."""
        for row in self.slots:
            for sock in row:
                sock.close()
        self.slots = []
