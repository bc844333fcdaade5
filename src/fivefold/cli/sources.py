"""Where settings come from: command line, environment, file; and where a wrong one came from.

The command line wins over the environment, the environment over the file, the file over the
variables of other people's conventions (PORT, WEB_CONCURRENCY), these over the defaults.
The environment is foreign: the user who starts the server may have set variables that only look
like settings (Kubernetes sets FIVEFOLD_PORT for a Service called fivefold), so an unknown one
is passed over, with a warning.  A file is the user's own: an unknown key there is an error.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..configuration.setting import AUTO, from_text
from ..errors import SettingsError
from ..isolation.foreign_documents import toml_of, why_unread
from ..linux.standard_descriptors import STDOUT
from ..server.settings import FIELDS, FILE_ONLY, GROUPS, Settings
from ..serving import MODELS

PREFIX = "FIVEFOLD_"

ANYWHERE = "0.0.0.0"  # noqa: S104 - what a platform that sets PORT expects
ARGUMENTS = {"target": "argument TARGET"}
"""Settings that are no options of the command line."""

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000


class Sources:
    """Values by setting, and for each the place that it came from, in words."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.warnings: list[str] = []
        self._places: dict[str, str] = {}

    def add(self, values: Mapping[str, Any], place: str) -> None:
        """Add settings that win over those that are here; `{}` in `place` becomes the name."""
        for name, value in values.items():
            self.values[name] = value
            self._places[name] = place.format(name)

    def add_file(self, path: str) -> None:
        """A TOML file: settings by name, those of a group in its table or beside it."""
        self.add(from_file(path), f"key {{}} in {path}")

    def add_conventions(self, environment: Mapping[str, str]) -> None:
        """PORT and WEB_CONCURRENCY, as platforms and other servers have them.

        Raises `SettingsError` for a WEB_CONCURRENCY that is no number: for those servers, too, it
        is an error, and a server with one worker instead of many is found out late."""
        port = environment.get("PORT", "")
        if port and not {"bind", "serve"} & self.values.keys():
            if port.isdecimal():
                self.add({"bind": (f"{ANYWHERE}:{port}",)}, "variable PORT")
            else:
                self.warnings.append(
                    f"PORT: {port!r} is not a port number; the variable is passed over"
                )
        workers = environment.get("WEB_CONCURRENCY", "")
        if workers and "workers" not in self.values and self._has_workers():
            self.add({"workers": workers}, "variable WEB_CONCURRENCY")
            with self.blamed():
                self.values["workers"] = from_text(FIELDS["workers"], workers)

    def _has_workers(self) -> bool:
        model = MODELS.get(self.values.get("serving", AUTO))
        return model is None or model.traits.scales_by_workers

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """`FIVEFOLD_MAX_CONNECTIONS=100` sets `max_connections`. Raises `SettingsError`."""
        for variable, text in environment.items():
            if not variable.startswith(PREFIX):
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name not in FIELDS:
                self.warnings.append(unknown(variable))
                continue
            self.add({name: text}, f"variable {variable}")
            with self.blamed():
                self.values[name] = from_text(FIELDS[name], text)

    def add_options(self, given: Mapping[str, Any]) -> None:
        """Options of the command line; those that were not given are None or empty. A text is
        read as that of a variable is. Raises `SettingsError`."""
        for name, value in given.items():
            if value not in (None, ()):
                place = ARGUMENTS.get(name, f"option --{name.replace('_', '-')}")
                self.add({name: value}, place)
                with self.blamed():
                    if isinstance(value, str):
                        self.values[name] = from_text(FIELDS[name], value)

    def add_address(self, host: str | None, port: int | None) -> None:
        """`--host` and `--port`, uvicorn's words for one address. Raises `SettingsError`."""
        if host is None and port is None:
            return
        if self._places.get("bind") == "option --bind":
            raise SettingsError(
                "bind: --bind HOST:PORT says what --host and --port say: give one of the two"
            )
        if port is None:
            _, _, text = self.values.get("bind", ("",))[0].rpartition(":")
            from_platform = self._places.get("bind") == "variable PORT"
            port = int(text) if from_platform else DEFAULT_PORT
        host = host or DEFAULT_HOST
        shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
        self.add({"bind": (f"{shown}:{port}",)}, "options --host and --port")

    def add_terminal(self) -> None:
        """A person who looks at a terminal sees a line for each exchange, unless settings speak of
        the access log."""
        if "access_log" not in self.values and os.isatty(STDOUT):
            self.values = {"access_log_format": "common", **self.values, "access_log": "-"}

    def settings(self) -> Settings:
        """All of it, checked. Raises `SettingsError`, which says where the wrong one came from."""
        with self.blamed():
            return Settings.of(self.values)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Let a `SettingsError` about a setting say where its value came from."""
        try:
            yield
        except SettingsError as error:
            name = str(error).partition(":")[0]
            if name not in self._places:
                raise
            raise SettingsError(f"{error} ({self._places[name]})") from None


def unknown(variable: str) -> str:
    """What is said of a variable that is no setting."""
    near = difflib.get_close_matches(variable.removeprefix(PREFIX).lower(), FIELDS)
    names = [PREFIX + name.upper() for name in near]
    hint = f"; do you mean {' or '.join(names)}?" if near else ""
    return f"{variable}: there is no such setting; the variable is passed over{hint}"


def from_file(path: str) -> dict[str, Any]:
    """The settings of a TOML file by name. Raises `SettingsError`."""
    try:
        table = toml_of(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"config: cannot read {path}: {why_unread(error)}") from None
    except ValueError as error:
        raise SettingsError(f"config: {path} is not TOML: {error}") from None
    for name in GROUPS:
        group = table.pop(name, {})
        if not isinstance(group, dict):
            raise SettingsError(
                f"config: {path}: {name} is a table: write [{name}], and its settings below it"
            )
        table |= group
    for name in table.keys() - {*FIELDS, *FILE_ONLY}:
        refuse_by_meaning(name, path)
    return table


def refuse_by_meaning(key: str, path: str) -> None:
    """Raise `SettingsError` if another server knows the key."""
    from .habits.suggestions import by_meaning  # noqa: PLC0415 - a start needs no words of others

    meanings = "; ".join(by_meaning(key)).replace("--", "").replace("-", "_")
    if meanings:
        raise SettingsError(f"config: {path}: {key}: there is no such setting: {meanings}")
