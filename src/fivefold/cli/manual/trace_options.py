"""The options of `trace`, and a time as they take it."""

from __future__ import annotations

from typing import Any

import click

from ...configuration.setting import AUTO
from ...iomodels import choices
from ...serving import MODELS as SERVING_MODELS
from ...tracing.request.session import WARM_UP
from .setting_options import PATHS, of_paths, of_words

LONGEST_S = 60.0


class Duration(click.ParamType[float]):
    """ "5ms", "0.2s", "300us": seconds."""

    name = "duration"
    UNITS = (("us", 1e-6), ("ms", 1e-3), ("s", 1.0))

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        for unit, seconds in self.UNITS:
            number = str(value).removesuffix(unit)
            if number != value and number.replace(".", "", 1).isdecimal():
                found = float(number) * seconds
                if found <= LONGEST_S:
                    return found
        raise click.BadParameter(f"{value!r} is no time like 5ms or 0.2s, of at most 60s")


def file_option(name: str, word: str, text: str) -> click.Option:
    return click.Option(
        [f"--{word}", name], metavar="FILE", default=None, help=text, shell_complete=PATHS["FILE"]
    )


def parameters() -> list[click.Parameter]:
    return [
        click.Argument(["target"], required=False, shell_complete=of_paths("file")),
        click.Argument(["path"], required=False),
        click.Option(["--attach"], type=int, metavar="PID", help="Trace a running `serve`."),
        click.Option(
            ["--match"], default="", metavar="GLOB", help="Trace only requests for paths like this."
        ),
        click.Option(
            ["--count"],
            type=click.IntRange(1),
            default=1,
            metavar="N",
            help="How many requests to trace.",
        ),
        click.Option(
            ["--timeout"], type=float, metavar="S", help="How many seconds to wait for them."
        ),
        click.Option(
            ["--metrics"], is_flag=True, help="Print the server's metrics for Prometheus."
        ),
        click.Option(
            ["--chdir"],
            default=None,
            metavar="FOLDER",
            help="Enter this folder first, and look for the application there.",
            shell_complete=PATHS["FOLDER"],
        ),
        click.Option(
            ["--serving"],
            default=AUTO,
            metavar="MODEL",
            help="Who runs the connection: process, thread or async; by default as for `serve`.",
            shell_complete=of_words([*SERVING_MODELS]),
        ),
        click.Option(
            ["--io"],
            default=None,
            metavar="MODEL",
            help="How the server waits: one of `fivefold models`; by default as for `serve`.",
            shell_complete=of_words(choices()),
        ),
        click.Option(
            ["--all-io"], is_flag=True, help="Trace it under all I/O models, side by side."
        ),
        click.Option(
            ["--all-serving"],
            is_flag=True,
            help="Trace it under process, thread and async, and how the connection is handed over.",
        ),
        click.Option(
            ["--cold", "--slow-disk"],
            is_flag=True,
            help="Drop the file's pages from memory first: the disk has to be waited for.",
        ),
        click.Option(
            ["--client-sends-late"],
            type=Duration(),
            default=0.0,
            metavar="TIME",
            help="Keep the last byte of the request back, so that the server waits: 5ms.",
        ),
        click.Option(
            ["--slow-client"],
            is_flag=True,
            help="Let the response lie in a small buffer for 50 ms, so that the server waits.",
        ),
        click.Option(
            ["--warm-up"],
            type=click.IntRange(0),
            metavar="N",
            help=f"How many requests to send before it.  [default: {WARM_UP}]",
        ),
        click.Option(["--first"], is_flag=True, help="Trace the first request of a fresh server."),
        click.Option(
            ["--method"], default="GET", metavar="GET|HEAD", help="GET or HEAD.  [default: GET]"
        ),
        click.Option(["--http2"], is_flag=True, help="Ask by HTTP/2."),
        click.Option(
            ["--https"], is_flag=True, help="Ask over TLS, with a certificate made for it."
        ),
        click.Option(
            ["--tls-cert"], metavar="FILE", multiple=True, help="Over TLS, with this certificate."
        ),
        click.Option(
            ["--tls-key"],
            metavar="FILE",
            multiple=True,
            help="Its key, where that has a file of its own.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            help="Print the eleven steps of each, too, where several pairs are compared.",
        ),
        click.Option(["--unprivileged"], is_flag=True, help="Do without the kernel's events."),
        file_option("json_file", "json", "Write the trace as JSON (docs/trace.md)."),
        file_option("perfetto", "perfetto", "Write the trace for ui.perfetto.dev."),
        file_option("html", "html", "Write the trace as a page that can be played."),
    ]
