"""SIGUSR2: the program is started again next to this one, on the same sockets.

The new one can be taken back.

Facts.        A reload (SIGHUP) forks workers from the supervisor, so a new version of the server,
              of Python or of the settings needs a new supervisor.
Choice.       As nginx and unicorn: this process starts its own command line once more (the same
              words, folder and environment), which inherits the listening sockets by number, and
              goes on serving.  When the new one serves as well, a person or a script decides:
              SIGTERM ends this one gently, or ends the new one, and this one goes on as before.
              A new one that dies is said, and changes nothing; another SIGUSR2 tries again.
              systemd is told whom to watch (MAINPID) only when this one ends, because it would
              take the end of its main process for that of the service.
              If this one is told to end before the new one serves, both end: a server that goes on
              after it was stopped would be a surprise.
Assumption.   The command line starts this server: so where the command line has made it, and not
              in a program that embeds it.  As process 1 the end of this one would be that of the
              container, so it refuses.
Cost.         The memory of two servers while both are there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from ...errors import SettingsError
from ...isolation.descendants import descendants
from ...isolation.reporting import logger
from ...linux import systemd
from ..forking import HANDLED, describe, flush_standard_streams, reap, send
from ..pid_file import PidFile
from ..ready_pipe import Attention

log = logger("fivefold.supervisor")

CANNOT_BECOME = 127
"""As a shell says that there is no such program."""

HandDown = Callable[[dict[str, str], int], None]
"""Makes the listening sockets, and a descriptor on which the new program says that it serves,
inheritable, and names them in its environment. Raises OSError."""


class Upgrade:
    """The server that shall replace this one."""

    def __init__(
        self, folder: str, hand_down: HandDown, pid_file: PidFile, refusal: str = ""
    ) -> None:
        """`folder`: the path where this program was started; `pid_file`: of this server;
        `refusal`: why this cannot be."""
        self._folder = folder
        self._hand_down = hand_down
        self._pid_file = pid_file
        self._refusal = refusal
        self._pid = 0
        self._heard: Attention | None = None
        self._ends = False
        """Whether this one does."""

    @property
    def serves(self) -> bool:
        """Whether the new one does, next to this one."""
        return self._heard is not None and self._heard.ready

    @property
    def pipe(self) -> int | None:
        """Where it says so."""
        return None if self._heard is None or self._heard.ended else self._heard.pipe

    def outlive(self) -> str:
        """This server ends now, and the new one if it does not serve yet; what systemd is told."""
        self._ends = True
        if self._pid and not self.serves:
            log.info("supervisor %d, which does not serve yet, ends as well", self._pid)
            send(self._pid, signal.SIGTERM)
        return f"MAINPID={self._pid}" if self.serves else "STOPPING=1"

    def begin(self, *, serving: bool) -> None:
        """Start it, if this one serves."""
        refusal = self._refusal or ("" if serving else "this server does not serve now")
        if self._pid:
            refusal = f"supervisor {self._pid} was started already: end it, or this one, first"
        if refusal:
            log.warning("SIGUSR2 is ignored: %s", refusal)
            return
        try:
            self._start()
        except (OSError, SettingsError) as error:
            self._pid_file.take_back()
            log.error("no new supervisor can be started, and this one goes on: %s", error)
        else:
            log.info("supervisor %d starts, to replace this one (%d)", self._pid, os.getpid())

    def _start(self) -> None:
        self._pid_file.step_aside()
        heard, ready = os.pipe2(os.O_CLOEXEC)
        flush_standard_streams()
        try:
            with descendants.ours():
                self._pid = os.fork()
            if self._pid == 0:
                self._become(ready)
        except OSError:
            os.close(heard)
            raise
        finally:
            os.close(ready)
        self._heard = Attention(heard)

    def listen(self) -> None:
        """Take what it says."""
        if self._heard is None or self._heard.ended:
            return
        self._heard.listen()
        if self._heard.ready:
            log.info(
                "supervisor %d serves as well: SIGTERM to %d ends this one gently,"
                " SIGTERM to %d takes that one back",
                self._pid,
                os.getpid(),
                self._pid,
            )

    def reap(self) -> None:
        """If it has ended, this one goes on."""
        status = reap(self._pid) if self._pid else None
        if status is None or self._heard is None:
            return
        if self._heard.ready:
            rest = "and this one ends, too" if self._ends else "and this one goes on"
            log.warning("supervisor %d %s, %s", self._pid, describe(status), rest)
        elif not self._ends:
            log.error(
                "supervisor %d %s before it served, and this one goes on",
                self._pid,
                describe(status),
            )
        self._heard.close()
        self._pid, self._heard = 0, None
        self._pid_file.take_back()

    # runs in: the process that becomes the new supervisor

    def _become(self, ready: int) -> NoReturn:
        try:
            environment = dict(os.environ)
            os.chdir(self._folder)
            self._hand_down(environment, ready)
            # A signal that has come meanwhile is for the new program, and not for our handlers,
            # whose bytes the supervisor would read.
            signal.set_wakeup_fd(-1)
            for number in HANDLED:
                signal.signal(number, signal.SIG_DFL)
            systemd.take_over_watchdog(environment)
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            signal.pthread_sigmask(signal.SIG_SETMASK, mask - set(HANDLED))
            os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606 - our own
        except BaseException as error:  # noqa: BLE001 - it must not return into the supervisor
            log.error("%s cannot be started again: %s", sys.executable, error)
        finally:
            os._exit(CANNOT_BECOME)
