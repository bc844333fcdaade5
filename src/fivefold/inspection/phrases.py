"""Threads and connections of a snapshot in words, for a terminal and for the log."""

from __future__ import annotations

from .snapshot import Document

STATES = {"D": "waits for a disk", "T": "is stopped", "": "has just begun"}
"""Of threads, by their letter (proc(5)); most of those that are left sleep."""


def counted(number: int, one: str, many: str) -> str:
    """ "1 process", "2 processes"."""
    return f"{number} {one if number == 1 else many}"


def doing(thread: Document) -> str:
    """What the kernel says of a thread."""
    if thread["state"] == "R":
        return "runs"
    where = thread["call"] or thread["waits_in"] or "the kernel"
    on = f" on {thread['on']}" if thread["on"] else ""
    since = "" if thread["asleep_s"] is None else f" for {thread['asleep_s']:.2f} s"
    return f"{STATES.get(thread['state'], 'sleeps')} in {where}{on}{since}"


def peer(connection: Document) -> str:
    return connection["peer"] or "a UNIX socket"


def streams(connection: Document) -> str:
    """Of a connection of HTTP/2."""
    count = connection["streams"]
    waiting = f", {connection['waiting']} more wait for their turn" if connection["waiting"] else ""
    return f"HTTP/2, {count} stream{'' if count == 1 else 's'}{waiting}"


def stream(connection: Document) -> str:
    return "" if connection["stream"] is None else f" stream {connection['stream']}"


def stack_of(part: Document) -> list[str]:
    return [f"    {line}" for line in part["stack"]]
