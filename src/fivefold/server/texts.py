"""What the texts of some settings mean, and which names are those of settings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ..configuration.setting import one_of
from ..content.asgi.scope import FILES
from ..errors import SettingsError
from ..listening.sockets import LOOPBACK, Address

RATE = re.compile(r"1/([1-9][0-9]{0,8})", re.ASCII)
"""`--trace-sample`: of how many requests one is timed."""


def chosen(group: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of its fields."""
    return {f.name: values[f.name] for f in fields(group) if f.name in values}


def known(names: Iterable[str], settings: Iterable[str]) -> None:
    """Raises `SettingsError` if a name is not among them."""
    for name in names:
        if name not in settings:
            near = difflib.get_close_matches(name, settings)
            there = f"do you mean {' or '.join(near)}?" if near else "`fivefold serve --help-all`"
            raise SettingsError(f"{name}: there is no such setting; {there}")


def status_address(text: str) -> Address:
    """What has no host is the loopback's: status is never public by accident. Raises
    `SettingsError`."""
    try:
        return Address.parse(f"{LOOPBACK}{text}" if text.startswith(":") else text)
    except SettingsError as error:
        raise SettingsError(str(error).replace("bind:", "status:", 1)) from None


def mode(text: str, name: str = "unix_mode", example: str = "0660") -> int:
    """Permissions, written in octal. Raises `SettingsError`, which names the setting."""
    digits = text.removeprefix("0o")
    if not digits or set(digits) - set("01234567") or int(digits, 8) > 0o777:  # noqa: PLR2004
        raise SettingsError(f"{name}: {text!r} is not a mode such as {example}")
    return int(digits, 8)


def interval(rate: str | None) -> int:
    """1000 for "1/1000"; 0 for None, which is never. Raises `SettingsError`."""
    if rate is None:
        return 0
    match = RATE.fullmatch(rate) if isinstance(rate, str) else None
    if match is None:
        raise SettingsError(f"trace_sample: {rate!r} is not a share, such as 1/1000")
    return int(match[1])


def extensions(texts: Iterable[str]) -> tuple[str, ...]:
    """Of ASGI, several in one text or not. Raises `SettingsError`."""
    names = tuple(name for text in texts for name in text.split(","))
    for name in names:
        one_of("asgi_extensions", name, FILES)
    return names


def check_root_path(path: str) -> None:
    """Raises `SettingsError`."""
    if path and (not path.startswith("/") or path.endswith("/")):
        raise SettingsError(f"root_path: {path!r} must begin with a slash and not end with one")


def check_tables(serve: object) -> None:
    """Their form; what they say is read by `service_tables`. Raises `SettingsError`."""
    if not isinstance(serve, list | tuple) or not all(isinstance(one, Mapping) for one in serve):
        raise SettingsError(f"serve: {serve!r} is not a table for each service: [[serve]]")
