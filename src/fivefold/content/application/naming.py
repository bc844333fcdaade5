"""How people write the name of an application, and which application they mean.

Ours is `module:attribute`.  Others take the module alone (gunicorn: `shop.wsgi`) or its file
(`shop/wsgi.py`, `shop/wsgi.py:app`), and a shell completes files; Django's users start from the
folder of `manage.py`.

Choice.       A module, or a file of Python, stands for the application in it: what is called
              `application`, `app`, `create_app()` or `make_app()`, the first of these that the
              module's source binds.  The source is read and not run (symtable): the supervisor
              never imports an application.
              A folder that holds the source of an application is not published by accident.
Assumption.   The name is bound in the source itself.  A name that only `from x import *` binds is
              not seen; then the user is asked for it.
"""

from __future__ import annotations

import os
import re
import symtable
import sys
import tokenize
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from ...errors import SettingsError

NAMES = ("application", "app", "create_app()", "make_app()")
"""What applications are called, the likeliest first; those with () are factories."""

MODULES = ("__init__", "wsgi", "asgi", "app", "main")
"""Of a package, where applications are."""

MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>[A-Za-z_][\w.]*(?:\(\))?))?")
ADDRESS = re.compile(r"(?:[\w.-]*|\[[0-9a-fA-F:]+\]):?[0-9]{1,5}", re.ASCII)
SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)\.settings")

DJANGO, PACKAGE = "manage.py", "__init__.py"


def named(target: str, home: str) -> str:
    """The target, as `module:attribute` if it is a module or its file; others as they are.

    `home` is the folder in which modules are looked for first. Raises `SettingsError`.
    """
    if os.path.isdir(Path(home, target)):  # noqa: PTH112 - may not be looked at: its own error
        return target
    file = FILE.fullmatch(target)
    if file is not None and _is_file(Path(home, file["path"])):
        path = Path(home, file["path"])
        return f"{_module_of(path, home, target)}:{file['name'] or _attribute(path, target)}"
    if MODULE.fullmatch(target):
        source = _source(target, home)
        return target if source is None else f"{target}:{_attribute(source, target)}"
    if ADDRESS.fullmatch(target):
        raise SettingsError(
            f"target: there is no folder {target!r}; if it is where to listen: --bind {target}"
        )
    return target


def refuse_source(folder: str, home: str) -> None:
    """Raise `SettingsError` if the folder is that of an application: a user who names it means
    the application, and its files, settings with passwords among them, are not for clients."""
    place = Path(home, folder)
    if _is_file(place / DJANGO):
        chdir = "" if place.resolve() == Path(home).resolve() else f"--chdir {folder} "
        project = _project(place)
        what = "the folder of a Django project (manage.py)"
        words = [f"{chdir}{project}.{module}:application" for module in ("wsgi", "asgi")]
    elif _is_file(place / PACKAGE):
        what = "a package of Python (__init__.py)"
        words = list(_inside(place)) or [f"{place.resolve().name}:NAME"]
    else:
        return
    raise SettingsError(
        f"target: {folder!r} is {what}, not a site: serve its application,"
        f" {' or '.join(words)}; to publish its files nevertheless, --interface static"
    )


def _project(place: Path) -> str:
    """The package of a Django project, as its `manage.py` names it."""
    text = (place / DJANGO).read_text("utf-8", errors="replace")
    found = SETTINGS.search(text)
    return found[1] if found else "PROJECT"


def _inside(package: Path) -> Iterator[str]:
    """Applications in the usual modules of a package."""
    name = package.resolve().name
    for module in MODULES:
        try:
            found = _bound(package / f"{module}.py")
        except (OSError, ValueError, SyntaxError):
            continue
        if found:
            yield f"{name if module == '__init__' else f'{name}.{module}'}:{found[0]}"


def _module_of(path: Path, home: str, target: str) -> str:
    """The name by which the file is imported. Raises `SettingsError` where `home` is the wrong
    folder for it."""
    path, here = path.resolve(), Path(home).resolve()
    top = path.parent
    while _is_file(top / PACKAGE):
        top = top.parent
    if top == path.parent and path.is_relative_to(here):
        top = here  # folders that are no packages are as good (PEP 420)
    name = _dotted(path.relative_to(top))
    if MODULE.fullmatch(name) is None:
        raise SettingsError(
            f"target: {target!r} cannot be imported: {name!r} is not a name of Python"
        )
    if top != here:
        raise SettingsError(
            f"target: {target!r} is imported from another folder: --chdir {top} {name}"
        )
    return name


def _dotted(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == Path(PACKAGE).stem and parts[1:] else parts)


def _source(module: str, home: str) -> Path | None:
    """The file that a module is imported from, without importing its packages."""
    installed = sys.path if "." in module else []  # a folder that is not there may be called `site`
    path: list[str] | None = [os.fspath(Path(home).resolve()), *installed]
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    is_source = spec is not None and spec.has_location and str(spec.origin).endswith(".py")
    return Path(str(spec.origin)) if spec is not None and is_source else None


def _attribute(source: Path, target: str) -> str:
    """Raises `SettingsError` if the source defines none of the usual names."""
    try:
        found = _bound(source)
    except (OSError, ValueError, SyntaxError) as error:
        raise SettingsError(f"target: cannot read the application in {target!r}: {error}") from None
    if found:
        return found[0]
    raise SettingsError(
        f"target: {os.fspath(source)} defines none of {', '.join(NAMES)}: say what it calls its"
        f" application, as in {target}:NAME"
    )


def _bound(source: Path) -> list[str]:
    """Those of the usual names that a source binds. Raises OSError, ValueError, SyntaxError."""
    if not _is_file(source):
        return []
    with tokenize.open(source) as file:  # in the coding that the source names (PEP 263)
        table = symtable.symtable(file.read(), os.fspath(source), "exec")
    bound = {each.get_name() for each in table.get_symbols() if _is_bound(each)}
    return [name for name in NAMES if name.removesuffix("()") in bound]


def _is_bound(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported()


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path's would raise where it may not look
