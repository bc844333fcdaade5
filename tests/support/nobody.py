"""What another user without privileges may do: only root can try."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

NOBODY = 65534

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def as_nobody(attempt: Callable[[], object]) -> str:
    """What `attempt` raises in a process of another user."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            attempt()
            os.write(theirs, b"nothing")
        except BaseException as error:  # noqa: BLE001 - the parent looks at it
            os.write(theirs, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with os.fdopen(ours) as pipe:
        return pipe.read()
