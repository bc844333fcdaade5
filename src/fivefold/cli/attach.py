"""`fivefold trace --attach PID`: the next requests of a server that runs already."""

from __future__ import annotations

import click

from ..errors import TraceFailed
from ..tracing.attach.tracer import Attached
from ..tracing.model import Trace


def attached_traces(
    pid: int, *, pattern: str, count: int, timeout_s: float | None, privileged: bool
) -> list[Trace]:
    """As many as came until `count`, Ctrl-C or the time-out. Raises `TraceFailed` for none."""
    traces: list[Trace] = []
    why = f"within {timeout_s} s"
    try:
        with Attached(pid, pattern=pattern, count=count, privileged=privileged) as attached:
            what = f"requests like {pattern}" if pattern else "requests"
            click.echo(
                f"fivefold: attached to {pid} ({attached.processes} processes),"
                f" waiting for {what}; Ctrl-C ends it",
                err=True,
            )
            for trace in attached.traces(timeout_s):
                traces.append(trace)  # noqa: PERF402 - Ctrl-C shall leave those that came
    except KeyboardInterrupt:
        why = "before Ctrl-C"
    if not traces:
        wanted = f" for {pattern!r}" if pattern else ""
        raise TraceFailed(f"no request{wanted} came {why}")
    return traces
