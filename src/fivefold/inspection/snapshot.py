"""What one process of a server does at this moment, as its own Python knows it: one document.

It is taken in a signal handler, in the middle of whatever the main thread does there: it takes no
lock and waits for nothing.

Form.         {"pid",
               "threads": [{"tid" (None where Python knows none), "name", "stack"}],
               "tasks": [{"name", "fd" (of the connection that it works for, or None), "stack"}],
               "connections": [{"fd", "peer" ("ADDRESS:PORT", None for a UNIX socket), "age_s",
                   "operation" (recv, send, send_file, read_file; None in the application),
                   "disk" (whether that waits for a file), "idle", "new",
                   "tid" (of the thread that runs it now; None while its coroutine waits),
                   "request" (the request line that is being answered, or None), "request_s",
                   "streams" (of HTTP/2: how many are served; else None), "waiting" (how many
                   requests beside them wait for their turn), "stream" (the number of one, which is
                   a row of its own behind that of its connection; else None),
                   "stack"}]}
              A stack is a list of "FILE:LINE in FUNCTION", the outermost first; of a connection
              it goes on into its application, wherever that runs: task, loop or thread.
Cost.         Nothing until it is asked for; then 20 to 40 us a connection.
"""

from __future__ import annotations

import asyncio
import os
from types import FrameType
from typing import Any

from ..serving.open_connections import OpenConnections
from .coroutines import RunningThreads, shown
from .served_connections import served_now
from .working_tasks import tasks_of

Document = dict[str, Any]


def snapshot(
    connections: OpenConnections,
    loops: set[asyncio.AbstractEventLoop],
    here: FrameType | None,
) -> Document:
    """Of this process; `loops`: those whose tasks are looked at; `here`: `RunningThreads`."""
    threads = RunningThreads(here)
    tasks = tasks_of(loops, threads)
    served = served_now(connections.now(), threads)
    for one in served:
        one.follow_call(threads, tasks)
    working = {id(call): one.conn.fd for one in served for call in one.calls}
    return {
        "pid": os.getpid(),
        "threads": [
            {
                "tid": threads.native_id(ident),
                "name": getattr(threads.threads[ident], "name", ""),
                "stack": shown(stack),
            }
            for ident, stack in threads.stacks.items()
        ],
        "tasks": [
            {"name": task.get_name(), "fd": working.get(id(serves)), "stack": shown(frames)}
            for task, serves, frames in tasks
            if frames
        ],
        "connections": [one.document() for one in served],
    }
