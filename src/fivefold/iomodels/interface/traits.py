"""What is true of an I/O model, as data: code asks these, and never a name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """Facts about an I/O model, as data, so that no code needs to ask for its name."""

    overlaps: bool
    """Whether one thread can have several connections waiting at once."""

    waits_in: str
    """Where the thread sleeps, in words (a system call, mostly)."""

    wait: str
    """What a wait for a client is, in words that a trace shows: `{call}` is the system call that
    moves the bytes, `{tries}` the tries that were refused ("1 try"), `{descriptors}` how many are
    watched."""

    disk_wait: str
    """The same of a wait for a file's pages."""

    files: str
    """How regular files are read, in words: no kernel offers readiness for them."""

    limit: str = ""
    """What bounds the number of connections per thread, in words; empty: only RLIMIT_NOFILE."""

    descriptors: int = 1
    """How many descriptors a connection takes."""

    own_descriptors: int = 0
    """How many the model takes for itself, in each thread that has one."""

    max_connections: int | None = None
    """The same as a number, where the engine itself has one."""

    takes_turns: bool = False
    """Whether the kernel wakes one of the processes that accept on a shared listener, in turn,
    and never one that does something else: so they can share one."""
