"""`fivefold trace`: one request, eleven steps, on a server and with a client of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from ..configuration.setting import AUTO
from ..errors import Interrupted, SettingsError, TraceFailed, Unavailable
from ..inspection.phrases import counted
from ..iomodels import models as io_models
from ..processes.process_signals import stoppable
from ..server.settings import Settings
from ..serving import MODELS as SERVING_MODELS
from ..tracing.attach.tracer import Attached, metrics_of
from ..tracing.model import Trace
from ..tracing.report.html.page import as_html
from ..tracing.report.perfetto import as_perfetto
from ..tracing.report.terminal import side_by_side, timeline
from ..tracing.report.terminal_lanes import lanes
from ..tracing.request.certificate import throw_away_certificate
from ..tracing.request.own_client import Manner
from ..tracing.request.session import WARM_UP, Session
from ..transport.tls.options import TlsSettings
from .manual.help_pages import HelpfulCommand
from .manual.trace_options import parameters
from .manual.trace_topics import TRACE
from .speaking import speak_of_warnings
from .writing.colour import wants_colour
from .writing.output import Form, check_writable, write

NARROW = 80
"""Columns, where there is no terminal to ask."""

SLOW_CLIENT_S = 0.05

STEPS_OF_EACH = "The eleven steps of each: add --verbose, or --html FILE for a page."


def run(  # noqa: PLR0917 - click calls by keyword
    target: str | None,
    path: str | None,
    attach: int | None,
    metrics: bool,  # noqa: FBT001 - click calls by keyword
    verbose: bool,  # noqa: FBT001
    json_file: str | None,
    perfetto: str | None,
    html: str | None,
    **given: Any,
) -> None:
    """Show where the time of one request goes: eleven steps from the client to the disk and back,
    each with what proves it.

    TARGET is what `fivefold serve` takes; PATH is what the request asks for, / unless you say
    otherwise. With --attach PID it is the next request to a server that already runs.
    """
    if metrics:
        if attach is None:
            raise SettingsError("metrics: name the server with --attach PID")
        click.echo(metrics_of(attach), nl=False)
        return
    for name, file in {"json": json_file, "perfetto": perfetto, "html": html}.items():
        check_writable(file, name)
    if attach is None:
        traces = own_traces(target, path, given)
    elif target is None:
        traces = attached_traces(attach, given)
    else:
        raise SettingsError("attach: a running server has its target already: name none")
    forms: list[Form] = [
        (json_file, lambda: json.dumps(listed([t.as_json() for t in traces]), indent=1)),
        (perfetto, lambda: json.dumps(as_perfetto(traces))),
        (html, lambda: as_html(traces)),
    ]
    one_request = attach is None and len(traces) > 1
    write(forms, otherwise=lambda: show(traces, compared=one_request, steps=verbose))


def own_traces(target: str | None, path: str | None, given: dict[str, Any]) -> list[Trace]:
    """The same request to a server of our own, under each of the I/O models. Raises `Interrupted`
    at Ctrl-C."""
    waited_for = ["a certificate"]
    try:
        with stoppable(waited_for.append) as step:
            if not given["https"] or given["tls_cert"]:
                return traces_of_models(target, path, given, step)
            with throw_away_certificate() as certificate:
                return traces_of_models(target, path, {**given, "tls_cert": (certificate,)}, step)
    except KeyboardInterrupt:
        raise Interrupted(f"ended by Ctrl-C, while it waited for {waited_for[-1]}") from None


def traces_of_models(
    target: str | None, path: str | None, given: dict[str, Any], step: Callable[[str], None]
) -> list[Trace]:
    if target is None:
        raise SettingsError(
            "target: name what to ask, as in `fivefold trace FOLDER /PATH`, or a server that runs"
            " with --attach PID"
        )
    path = path or "/"
    if given["all_io"] and given["io"] is not None:
        raise SettingsError("io: --all-io asks for every I/O model: give one of the two")
    tls = TlsSettings(tls_cert=given["tls_cert"], tls_key=given["tls_key"])
    settings = Settings(target=target, chdir=given["chdir"], tls=tls)
    if not path.startswith("/"):
        raise SettingsError(f"path: {path!r} must begin with a slash: /{path}")
    if given["first"] and given["warm_up"] is not None:
        raise SettingsError("first: --first asks for no request before it: give one of the two")
    before = 0 if given["first"] else WARM_UP if given["warm_up"] is None else given["warm_up"]
    slow = SLOW_CLIENT_S if given["slow_client"] else 0.0
    manner = Manner(sends_late_s=given["client_sends_late"], reads_late_s=slow)
    pairs = pairs_of(given)
    speak_of_warnings()
    traces = []
    for serving, io in pairs:
        try:
            session = Session(
                dataclasses.replace(settings, serving=serving, io=io),
                privileged=not given["unprivileged"],
                http2=given["http2"],
                manner=manner,
                step=step,
            )
        except Unavailable as error:
            if len(pairs) == 1:
                raise
            click.echo(f"fivefold: {error}", err=True)
            continue
        with session:
            how = {name: given[name] for name in ("method", "cold")}
            handed = given["all_serving"]
            traces.append(session.request(path, **how, before=before, hand_over=handed))
    return traces


def pairs_of(given: dict[str, Any]) -> list[tuple[str, str]]:
    """The serving models and I/O models that are traced, one after the other."""
    if given["all_serving"] and given["serving"] != AUTO:
        raise SettingsError("serving: --all-serving asks for each of them: give one of the two")
    if given["all_serving"] and given["all_io"]:
        raise SettingsError("all_io: --all-serving draws threads, not models: give one of the two")
    serving = SERVING_MODELS if given["all_serving"] else (given["serving"],)
    models = io_models() if given["all_io"] else (given["io"] or AUTO,)
    return [(one, io) for one in serving for io in models]


def attached_traces(pid: int, given: dict[str, Any]) -> list[Trace]:
    """As many as came until `count`, Ctrl-C or the time-out. Raises `TraceFailed` for none,
    `Interrupted` for none before Ctrl-C."""
    traces: list[Trace] = []
    pattern = given["match"]
    none = f"no request{f' for {pattern!r}' if pattern else ''} came"
    try:
        with Attached(
            pid, pattern=pattern, count=given["count"], privileged=not given["unprivileged"]
        ) as attached:
            what = f"requests like {pattern}" if pattern else "requests"
            size = counted(attached.processes, "process", "processes")
            click.echo(
                f"fivefold: attached to {pid} ({size}), waiting for {what}; Ctrl-C ends it",
                err=True,
            )
            for trace in attached.traces(given["timeout"]):
                traces.append(trace)  # noqa: PERF402 - Ctrl-C shall leave those that came
    except KeyboardInterrupt:
        if not traces:
            raise Interrupted(f"{none} before Ctrl-C") from None
    if not traces:
        raise TraceFailed(f"{none} within {given['timeout']} s")
    return traces


def listed(values: list[Any]) -> Any:
    """One trace as itself, several as a list."""
    return values[0] if len(values) == 1 else values


def show(traces: Sequence[Trace], *, compared: bool, steps: bool) -> None:
    """`compared`: one request, by several pairs: first what they differ in; the eleven steps of
    each, which are nearly the same, for who asks for them."""
    terminal = sys.stdout.isatty()
    colour = wants_colour()
    how: dict[str, Any] = {
        "colour": colour,
        "width": os.get_terminal_size().columns if terminal else NARROW,
        "encoding": sys.stdout.encoding or "ascii",
    }
    if compared:
        click.echo(side_by_side(traces, **how), color=colour)
        click.echo(lanes(traces, **how), color=colour)
    for trace in traces if steps or not compared else ():
        click.echo(timeline(trace, **how, alone=not compared), color=colour)
    if not compared:
        click.echo(lanes(traces, **how), color=colour)
    elif not steps:
        click.echo(STEPS_OF_EACH)


trace = HelpfulCommand(
    "trace",
    manual=TRACE,
    callback=run,
    help=run.__doc__,
    short_help="Show where the time of one request goes.",
    params=parameters(),
)
