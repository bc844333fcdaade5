"""As whom the server runs, with which umask, and where its process id stands: `--user`, `--group`,
`--umask`, `--pid-file`.

Facts.        Root alone opens ports below 1024 and reads the keys of certificates.  A process that
              gives up root cannot take it back, loses the signal for its parent's death
              (PR_SET_PDEATHSIG), and may not be looked at by others of its user any more
              (PR_SET_DUMPABLE).
Choice.       As nginx: the supervisor stays root, so that SIGHUP starts workers that read the
              certificates again, and SIGUSR2 a server that may bind; it runs no code of an
              application.  All that it forks (workers and what these fork, the control and the
              status process, the guard, whoever looks at the application at the start) is the
              user's before it opens anything.  A worker looks at the certificates just before.
              The two things that a process loses are given back to it: it could be looked at if the
              user had started it, and the server's own processes do that.
Assumption.   Root's program, its folder of modules and its settings are root's alone.
Never.        Root opens or creates a file of the server's in the user's folders, follows a link
              there, or changes the owner of anything but the socket that it has just made.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..configuration.setting import check, setting
from ..errors import FivefoldError, SettingsError
from ..linux.process_control import keep_ties
from ..processes.forking import forked, reap
from ..processes.ready_pipe import Announcement, Attention
from .texts import mode

ROOT = 0

NO_ID = 2**32 - 1
"""For the kernel "leave it as it is" (setresuid(2)); no id is larger."""


MODULES = Path(__file__).parents[1]
"""Ours: some are imported when they are needed, by processes of the user."""


@dataclass(frozen=True, kw_only=True)
class IdentitySettings:
    """By default those of the program. Raises `SettingsError`."""

    user: str | None = setting(
        None,
        "The user, by name or number, whose rights all processes but the supervisor have, once the"
        " addresses are bound; only root can name another one than itself.",
    )
    group: str | None = setting(
        None, "The group of these processes, by name or number; by default the user's."
    )
    umask: str | None = setting(
        None,
        "Permissions that new files of the server and of its application do not have, in octal:"
        " 027; by default those of the shell.",
    )
    pid_file: str | None = setting(
        None,
        "A file with the supervisor's process id, from when the addresses are bound until the"
        " server has ended; PATH.oldbin while another server replaces this one (SIGUSR2).",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.umask is not None:
            mode(self.umask, "umask", "027")

    @property
    def umask_bits(self) -> int | None:
        """None to leave it."""
        return None if self.umask is None else mode(self.umask, "umask", "027")


class Rights:
    """What the processes below the supervisor may do."""

    def __init__(self, settings: IdentitySettings) -> None:
        """Raises `SettingsError` (no such user or group, or we are not root)."""
        user = None if settings.user is None else entry_of(settings.user, settings.group)
        self._umask = settings.umask_bits
        self._uid = os.geteuid() if user is None else user.pw_uid
        self._gid = os.getegid() if user is None else user.pw_gid
        if settings.group is not None:
            self._gid = group_id(settings.group)
        named = settings.user is not None or settings.group is not None
        is_root = os.geteuid() == ROOT
        if named and not is_root and (self._uid, self._gid) != (os.geteuid(), os.getegid()):
            raise SettingsError(
                f"{'user' if settings.user else 'group'}: only root may serve as another one; this"
                f" process is of user {os.geteuid()}, group {os.getegid()}"
            )
        self.changes = named and is_root
        """Whether they are others than ours."""
        self._groups, self._variables = [self._gid], dict[str, str]()
        if user is not None and user.pw_name:
            self._groups = os.getgrouplist(user.pw_name, self._gid)
            self._variables = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}

    def give(self, path: str) -> None:
        """The UNIX socket that was just made there is the user's. Raises OSError."""
        if not self.changes or not path or path.startswith("\0"):
            return
        # By a descriptor: the user's folder may have something else under this name by now.
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            state = os.fstat(fd)
            if stat.S_ISSOCK(state.st_mode) and state.st_nlink == 1:
                os.chown(f"/proc/self/fd/{fd}", self._uid, self._gid)
        finally:
            os.close(fd)

    def attempt(self, what: Callable[[], object]) -> None:
        """Call it as the user would, in a process of its own if needed. Raises what it does, or
        `SettingsError`."""
        if not self.changes:
            what()
            return
        ready, say = os.pipe2(os.O_CLOEXEC)

        def life() -> None:
            os.close(ready)
            words = Announcement(say)
            try:
                self.take()
                what()
            except FivefoldError as error:
                words.failed(error)
            else:
                words()

        try:
            pid = forked(life, "looks whether the user may serve that")
        finally:
            os.close(say)
        heard = Attention(ready)
        heard.wait()
        reap(pid, wait=True)
        if not heard.ready:
            raise SettingsError(heard.reason or "user: a process of this user ends at once")

    # runs in: what the supervisor has forked

    def take(self) -> None:
        """For good. Raises `SettingsError` if the kernel refuses."""
        if self._umask is not None:
            os.umask(self._umask)
        if not self.changes:
            return
        with keep_ties():
            try:
                os.setgroups(self._groups)
                os.setresgid(self._gid, self._gid, self._gid)
                os.setresuid(self._uid, self._uid, self._uid)
            except OSError as error:
                raise SettingsError(
                    f"user: this process may not become user {self._uid}, group {self._gid}:"
                    f" {error.strerror} (it needs CAP_SETUID and CAP_SETGID)"
                ) from None
        self._make_sure()
        if not os.access(MODULES, os.R_OK | os.X_OK):
            raise SettingsError(
                f"user: user {self._uid} may not read {MODULES}, where Fivefold's own modules are:"
                " install it where this user can read, such as /opt or /srv"
            )
        os.environ.update(self._variables)

    def _make_sure(self) -> None:
        """There is no way back."""
        if self._uid != ROOT:
            try:
                os.setuid(ROOT)
            except OSError:
                return
            raise SettingsError(
                "user: the kernel lets this process become root again (its securebits): start the"
                " server without them"
            )


def entry_of(user: str, group: str | None) -> pwd.struct_passwd:
    """A user by name or number; one that is only a number has no name. Raises `SettingsError`."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        number = id_of(user)
    try:
        if number is not None:
            return pwd.getpwuid(number)
    except KeyError:
        if group is not None:
            return pwd.struct_passwd(("", "", number, NO_ID, "", "", ""))
        raise SettingsError(
            f"user: {user} has no entry and so no group: name one, --group NUMBER"
        ) from None
    raise SettingsError(f"user: there is no user {user!r}")


def group_id(group: str) -> int:
    """Raises `SettingsError`."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        number = id_of(group)
    if number is None:
        raise SettingsError(f"group: there is no group {group!r}")
    return number


def id_of(text: str) -> int | None:
    """None if it is no number that may be an id."""
    return int(text) if text.isascii() and text.isdigit() and int(text) < NO_ID else None
