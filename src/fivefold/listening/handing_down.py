"""Listening sockets that a server hands down to the one that replaces it (SIGUSR2).

Facts.        Who opens a port anew gets another queue: clients in the old one are lost when it is
              closed (socket(7), SO_REUSEPORT), and two programs cannot have one UNIX path.
Choice.       The new program is started by the old one and inherits its sockets by number; a
              variable of the environment says which number is of which address, as it was asked
              for ("127.0.0.1:0" stays the port that it was, and of two such addresses the first is
              the first again).  It counts for the process whose
              number it has, and is gone as soon as it is read: what an application starts must
              not take the sockets for its own.  Sockets that were given to the old one (`fd://N`,
              systemd) keep their numbers, and systemd's variables are set again.
              Queues of several workers stay: a new server with more workers adds to them, with
              fewer its first worker takes what is over.
Assumption.   Both wait in the same way: O_NONBLOCK belongs to the socket and not to the process,
              so an I/O model that needs the other is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field

from ..isolation.foreign_documents import object_of

VARIABLE = "_FIVEFOLD_HANDED_DOWN"

Key = tuple[str, int, str]
"""Host, port and path, as they were asked for."""


@dataclass
class HandedDown:
    """What this process was given, and what it would give."""

    given: dict[Key, list[list[socket.socket]]] = field(default_factory=dict)
    """Of each address the queues that nobody has taken yet; one that names no port may be several
    addresses."""
    taken: set[socket.socket] = field(default_factory=set)
    """What this server listens on, too."""
    predecessor: int = 0
    """The server that this one shall replace; 0 for none."""
    ready: int = -1
    """Where this one says that it serves."""
    own: list[tuple[Key, list[socket.socket]]] = field(default_factory=list)
    """The queues of each address."""
    numbers: set[int] = field(default_factory=set)
    """Descriptors that were given to us by those who have started us."""
    systemd: int = 0
    """So many of them by systemd."""
    is_outlived: bool = False
    """Whether the server that replaces this one goes on listening."""

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> HandedDown:
        """What the variable says, if it is for this process."""
        try:
            words = object_of(environment.pop(VARIABLE, "{}"))
        except ValueError:
            words = {}  # whoever has set it, it was not for a process that was meant
        if words.get("pid") != os.getpid():
            return cls()
        found = cls(predecessor=os.getppid(), ready=words["ready"])
        for (host, port, path), fds in words["sockets"]:
            for fd in fds:
                os.set_inheritable(fd, False)
            queues = [socket.socket(fileno=fd) for fd in fds]
            found.given.setdefault((host, port, path), []).append(queues)
        os.set_inheritable(found.ready, False)
        return found

    @property
    def is_shared(self) -> bool:
        """Whether the server that this one shall replace is still there."""
        return self.predecessor > 0 and os.getppid() == self.predecessor

    @property
    def outlives_us(self) -> bool:
        """Whether another server goes on listening on these sockets: their files stay."""
        return self.is_shared or self.is_outlived

    def take(self, key: Key) -> list[socket.socket]:
        """The queues of an address; none, if it is new."""
        queues = self.given[key].pop(0) if self.given.get(key) else []
        self.taken.update(queues)
        return queues

    def add(self, pairs: Iterable[tuple[socket.socket, socket.socket]]) -> None:
        """Queues that were opened later, each with one of the same address."""
        for new, sock in pairs:
            for _, queues in self.own:
                if sock in queues and new not in queues:
                    queues.append(new)

    def close_rest(self) -> None:
        """What this server does not listen on."""
        for sock in (sock for each in self.given.values() for queues in each for sock in queues):
            sock.close()
        self.given = {}

    def give_up(self) -> None:
        """In a process that was forked: what its parent was given is not its own."""
        self.close_rest()
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1

    # runs in: the process that becomes the new program

    def hand_down(self, environment: dict[str, str], ready: int) -> None:
        """Let the program that this process is about to become have them. Raises OSError."""
        sockets = []
        for key, queues in self.own:
            fds = list(dict.fromkeys(sock.fileno() for sock in queues))
            sockets.append((key, fds))
            self.numbers.update(fds)
        words = {"pid": os.getpid(), "ready": ready, "sockets": sockets}
        environment[VARIABLE] = json.dumps(words)
        if self.systemd:
            environment |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(self.systemd)}
        for fd in (*self.numbers, ready):
            with contextlib.suppress(OSError):
                os.set_inheritable(fd, True)
