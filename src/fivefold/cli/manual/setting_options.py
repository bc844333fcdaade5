"""A setting as an option: its spellings, what stands for its value, how a shell completes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field
from typing import Any

import click
from click.shell_completion import CompletionItem

from ...configuration.setting import AUTO, CHOICES, HELP

SHORT = {"bind": ("-b",), "workers": ("-w",)}
"""As gunicorn has them."""

FAMILIES = {"websocket-": "ws-"}
"""Beginnings of options that are also understood as uvicorn's users know them."""

FILE, FOLDER = "FILE", "FOLDER"

VALUES = {
    **dict.fromkeys(("bind", "redirect_http", "status"), "ADDRESS"),
    **dict.fromkeys(("auth", "env_file", "access_log", "log_config", "trace_spans"), FILE),
    **dict.fromkeys(("tls_cert", "tls_key", "tls_key_password_file", "tls_client_ca"), FILE),
    **dict.fromkeys(("spa", "pid_file"), FILE),
    **dict.fromkeys(("chdir", "reload_dir"), FOLDER),
    **dict.fromkeys(("reload_include", "reload_exclude"), "GLOB"),
    **dict.fromkeys(("unix_mode", "umask"), "MODE"),
    **dict.fromkeys(("user", "group", "charset"), "NAME"),
    "access_log_format": "FORMAT",
    "asgi_extensions": "NAME,...",
    "cache_control": "'GLOB: VALUE'",
    "content_encoding": "GLOB=CODING",
    "cors": "ORIGIN",
    "error_page": "STATUS=FILE",
    "forwarded_fields": "NAME",
    "header": "'GLOB: NAME: VALUE'",
    "io": "MODEL",
    "max_worker_rss": "BYTES",
    "mime": "GLOB=TYPE",
    "mount": "/PREFIX=FOLDER",
    "root_path": "/PATH",
    "trace_sample": "1/N",
    "trusted_proxies": "ADDRESS",
    "workers": "N|auto",
}
"""What stands for the value of a setting, where its type and its words do not say it."""

FEW = 5
"""So many words are shown instead of a name for them."""


def option(each: Field[Any]) -> click.Option:
    """One option for one field; without a default, so that file and environment can speak."""
    words = each.name.replace("_", "-")
    families = [(long, short) for long, short in FAMILIES.items() if words.startswith(long)]
    spellings = [words, *(short + words.removeprefix(long) for long, short in families)]
    text, kind, default = each.metadata[HELP], str(each.type), each.default
    if kind == "bool":
        switches = [f"--{spelling}/--no-{spelling}" for spelling in spellings]
        return click.Option([each.name, *switches], default=None, help=text)
    shown = " ".join(default) if isinstance(default, tuple) else default
    return click.Option(
        [each.name, *(f"--{spelling}" for spelling in spellings), *SHORT.get(each.name, ())],
        type=str,  # `Sources` reads it, as it reads variables, and says where it came from
        metavar=value_of(each),
        multiple=isinstance(default, tuple),
        default=None,
        help=text + (f"  [default: {shown}]" if shown not in (None, "") else ""),
        shell_complete=completed(each),
    )


def value_of(each: Field[Any]) -> str:
    """What stands for its value in the help."""
    choices = each.metadata.get(CHOICES) or ()
    if each.name in VALUES:
        return VALUES[each.name]
    if 0 < len(choices) <= FEW:
        return "|".join(choices)
    if each.name.endswith("_s"):
        return "SECONDS"
    if each.name.endswith("_bytes"):
        return "BYTES"
    return "N" if str(each.type).startswith("int") else "WORD"


Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completed(each: Field[Any]) -> Completion:
    """How a shell completes the value: by words, by files, by folders, or not at all."""
    words = list(each.metadata.get(CHOICES) or ())
    if str(each.type) == "Count":
        words.append(AUTO)
    if words:
        return of_words(words)
    return PATHS.get(value_of(each), of_words([]))


def of_words(words: list[str]) -> Completion:
    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(word) for word in words if word.startswith(begun)]

    return complete


def of_paths(kind: str) -> Completion:
    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(begun, type=kind)]

    return complete


PATHS = {FILE: of_paths("file"), FOLDER: of_paths("dir")}
"""What the shell itself knows."""
