"""What the processes have said, and what the kernel says of them, as one list of processes.

Form, of each process:
              {"pid", "parent", "name", "answers" (whether it has said anything itself),
               "threads": [{"tid", "name", "state" (proc(5)), "call" (the system call that it sleeps
                   in, or None), "on" (the descriptor that this is about, and what it is, or None),
                   "waits_in" (the kernel's function, or None), "asleep_s" (or None), "stack"}],
               "raw" (what faulthandler has written, of a process that does not answer; else None),
               "tasks", "connections": as `snapshot` has them, and of a connection
                   "state" (`STATES`)}
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ..linux.proc.descriptors import Descriptors, SocketTables
from ..linux.proc.sleeping_threads import sleeping_threads
from ..linux.processes import name_of, parent_of
from .snapshot import Document

IDLE = "idle"
CLIENT = "waiting for the client"
COPYING_IN = "copying in"
APPLICATION = "in the application"
DISK = "waiting for the disk"
COPYING_OUT = "copying out"
TAKING = "waiting for the client to take it"
STATES = (IDLE, CLIENT, COPYING_IN, APPLICATION, DISK, COPYING_OUT, TAKING)
"""In the words of the two I/Os: wait until it is ready, then copy."""

UNSEEN = {"state": "", "call": None, "on": None, "waits_in": None, "asleep_s": None}

FROM_CLIENT = ("recvfrom", "recvmsg", "read")
TO_CLIENT = ("sendto", "sendmsg", "sendfile", "write")
"""The calls in which a blocking model waits for a client."""


def seen_from_outside(
    pid: int, tables: SocketTables, only: Container[int] | None = None
) -> Document:
    """What the kernel says; taken before the process is asked, which ends its sleep. `only`: of
    which threads: what a socket is takes milliseconds, where there are many."""
    names = Descriptors(pid, tables)
    threads: list[Document] = [
        {
            "tid": one.tid,
            "name": one.name,
            "state": one.state,
            "call": one.call,
            "on": None
            if one.descriptor is None
            else f"{one.descriptor} {names.name(one.descriptor)}",
            "waits_in": one.waits_in,
            "asleep_s": one.asleep_s,
            "stack": [],
        }
        for one in sleeping_threads(pid, only)
    ]
    return {"pid": pid, "parent": parent_of(pid), "name": name_of(pid), "threads": threads}


def merged(
    outside: dict[int, Document], answers: dict[int, Document], stacks: dict[int, str]
) -> list[Document]:
    """In the order of their numbers."""
    return [
        process | said(process, answers.get(pid)) | {"raw": stacks.get(pid)}
        for pid, process in sorted(outside.items())
    ]


def said(process: Document, answer: Document | None) -> Document:
    if answer is None or "failed" in answer:
        return {"answers": False, "tasks": [], "connections": []}
    inside = {thread["tid"]: thread for thread in answer["threads"]}
    # One that has begun since is known to Python alone.
    known = {thread["tid"] for thread in process["threads"]}
    begun = [UNSEEN | inside[tid] for tid in inside.keys() - known]
    threads = [
        thread | {key: inside.get(thread["tid"], thread)[key] for key in ("name", "stack")}
        for thread in process["threads"]
    ] + begun
    kernel = {thread["tid"]: thread for thread in threads}
    connections = [
        conn | {"state": state_of(conn, kernel.get(conn["tid"]))} for conn in answer["connections"]
    ]
    return {
        "answers": True,
        "threads": threads,
        "tasks": answer["tasks"],
        "connections": connections,
    }


def state_of(conn: Document, thread: Document | None) -> str:
    """One of `STATES`. `thread`: the one that runs it, as the kernel has seen it; None while its
    coroutine waits."""
    runs: Any = thread is not None and thread["state"] == "R"
    sleeps_in = thread["call"] if thread is not None else None
    match conn["operation"]:
        case "recv":
            copies = runs or (thread is not None and sleeps_in not in (*FROM_CLIENT, None))
            waiting = IDLE if conn["idle"] and not conn["new"] else CLIENT
            return COPYING_IN if copies else waiting
        case "send" | "send_file" if conn["disk"] or (
            thread is not None and thread["state"] == "D"
        ):
            return DISK
        case "send" | "send_file":
            return TAKING if thread is None or sleeps_in in TO_CLIENT else COPYING_OUT
        case "read_file":
            return DISK
        case None if conn["streams"] is not None and thread is None:
            return CLIENT  # by one of its streams, which reads for all
        case _:
            return APPLICATION
