"""Removes our instances of tracefs when we are killed: kill -9 leaves no time to do it.

A shell of our own waits for the end of a pipe whose other end is ours, and dies with us
in any other way than by being asked to: in a session of its own, so that Ctrl-C is not for
it.  It tries for a while, because our descriptors in an instance close after the pipe.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from typing import Self

SCRIPT = """
read _
for try in 1 2 3 4 5 6 7 8 9 10; do
    left=
    for instance in "$1"-*; do
        if [ -d "$instance" ]; then rmdir "$instance" 2>/dev/null || left=yes; fi
    done
    [ "$left" ] || exit 0
    sleep 0.1
done
"""

SHELL = "/bin/sh"


class Cleaner:
    """While entered, the instances whose paths begin with `prefix` do not survive us."""

    def __init__(self, prefix: str, descriptors: Collection[int] = ()) -> None:
        """`descriptors`: through which the prefix leads, if it does through one of ours."""
        self._prefix = prefix
        self._descriptors = descriptors

    def __enter__(self) -> Self:
        self._shell = subprocess.Popen(  # noqa: S603 - our own words
            [SHELL, "-c", SCRIPT, SHELL, self._prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._descriptors,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.communicate()
