"""`fivefold stacks`: what every process, thread, task and connection of a server does now."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from ..inspection.phrases import doing, peer, stack_of, stream, streams
from ..inspection.snapshot import Document
from ..tracing.attach.inspected import inspected
from ..tracing.attach.running import only_server


def run(pid: int | None, *, as_json: bool) -> None:
    """Print what a running server does: each thread with the call that it sleeps in, each task,
    each connection with what it waits for, and the Python stack of all of them.

    PID is the server, or any process of it; the only server that runs here need not be named.
    See docs/stuck-requests.md.
    """
    processes = inspected(only_server() if pid is None else pid)
    if as_json:
        click.echo(json.dumps(processes, indent=1))
        return
    for process in processes:
        click.echo("\n".join(map(harmless, lines_of(process))))


def lines_of(process: Document) -> Iterator[str]:
    yield f"process {process['pid']} ({process['name']}), started by {process['parent']}"
    for thread in process["threads"]:
        yield f"  thread {thread['tid']} ({thread['name']}) {doing(thread)}"
        yield from stack_of(thread)
    for task in process["tasks"]:
        works = "" if task["fd"] is None else f" for connection {task['fd']}"
        yield f"  task {task['name']}{works}"
        yield from stack_of(task)
    for connection in process["connections"]:
        yield f"  connection {connection['fd']}{stream(connection)} {about(connection)}"
        yield from stack_of(connection)
    if process["raw"]:
        yield "  its main thread takes no signal, so its connections are not known; its stacks:"
        yield from (f"    {line}" for line in process["raw"].splitlines())
    yield ""


def harmless(line: str) -> str:
    """Names of threads, tasks, files and functions are not ours: no command to the terminal, one
    line, nothing that turns the order of what follows, and bytes that are no UTF-8 as escapes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in line
    )


def about(connection: Document) -> str:
    client = f"from {peer(connection)}, {connection['age_s']:.2f} s old"
    if connection["streams"] is not None:
        return f"{client}: {connection['state']}: {streams(connection)}"
    if connection["request"] is None:
        return f"{client}: {connection['state']}"
    asked = f"{connection['request']!r} for {connection['request_s']:.2f} s"
    by = "" if connection["tid"] is None else f", by thread {connection['tid']}"
    return f"{client}: {connection['state']}: {asked}{by}"


stacks = click.Command(
    "stacks",
    callback=run,
    help=run.__doc__,
    short_help="Print where each thread and request of a server is.",
    params=[
        click.Argument(["pid"], type=int, required=False),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
    ],
)
