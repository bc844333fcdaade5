"""The folder itself, looked at before any worker exists."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import SettingsError
from .files.beneath import open_inside
from .files.root import start_folder
from .policy import Policy
from .rules import Rules


def check_way(setting: str, path: str) -> None:
    """Whether each folder on the way from the root to this path may be passed.

    A relative path leads on from a folder that is open, whatever is above; but what is served is
    found by its absolute path, again and again (`files.root`).  Raises `SettingsError`.
    """
    whole = Path(start_folder(), path)
    for step in (*reversed(whole.parents), whole):
        try:
            step.stat()
        except PermissionError:
            raise SettingsError(
                f"{setting}: this user may not pass the folder {os.fspath(step.parent)!r}, on the"
                f" way to {path!r}: give the server's user x there, or use a path elsewhere, such"
                " as in /srv"
            ) from None
        except OSError:
            return  # which is said of the path itself


def opened(folder: str) -> int:
    """A descriptor of the folder, which is to be there at the start. Raises `SettingsError`."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        home = os.path.dirname(folder) or "."  # noqa: PTH120 - its spelling is the user's
        raise SettingsError(
            f"target: {folder!r} is a file, not a folder; to serve the folder in which it is, name"
            f" {home!r}"
        ) from None
    except FileNotFoundError:
        where = "" if os.path.isabs(folder) else f" in {os.getcwd()}"  # noqa: PTH117, PTH109 - texts
        raise SettingsError(
            f"target: there is no folder {folder!r}{where}, and an application is named"
            " module:attribute, for example shop.wsgi:app"
        ) from None
    except PermissionError:
        raise SettingsError(
            f"target: no permission to read the folder {folder!r}: give the server's user"
            " r and x there, or run as its owner"
        ) from None


def probe(folder: str, rules: Rules) -> None:
    """Whether the folder and what its rules name can be read. Raises `SettingsError`."""
    policy = Policy(rules)
    check_way("target", folder)
    fd = opened(folder)
    try:
        if not os.access(".", os.X_OK, dir_fd=fd):
            raise SettingsError(
                f"target: no permission to open what is in the folder {folder!r}: give the"
                " server's user x there"
            )
        for name, path in policy.pages():
            try:
                os.close(open_inside(fd, path))
            except OSError as error:
                raise SettingsError(
                    f"{name}: cannot read {os.fsdecode(path)!r} in {folder!r}:"
                    f" {os.strerror(error.errno or 0)}"
                ) from None
    finally:
        os.close(fd)
