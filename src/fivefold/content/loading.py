"""From `module:attribute` to an application, and what kind of application it is.

Whatever goes wrong is said in one line that names the part that failed: the module, the
attribute, the factory, or something that the module itself imports; with near names.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

from ..errors import ApplicationError

TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(\))?")

ASGI_ARGUMENTS = 3
"""scope, receive, send."""


def names_application(target: str) -> bool:
    """Whether a target is `module:attribute`, or `module:factory()`, and not a folder."""
    return TARGET.fullmatch(target) is not None and not Path(target).exists()


def load(target: str, folder: str = ".") -> Any:
    """The application; modules are looked for in `folder` first. Raises `ApplicationError`."""
    match = TARGET.fullmatch(target)
    if match is None:
        raise ApplicationError(f"{target!r} is not module:attribute or module:factory()")
    module_name, path, call = match.groups()
    absolute = os.fspath(Path(folder).resolve())
    if absolute not in sys.path:
        sys.path.insert(0, absolute)
    found = imported(module_name, absolute)
    for name in path.split("."):
        found = attribute(found, name, target)
    if call:
        found = made(found, target)
    elif not callable(found):
        raise ApplicationError(
            f"{target}: a {type(found).__name__} is no application: not callable"
        )
    return found


def imported(name: str, folder: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise ApplicationError(f"importing {name} failed: {error}") from error
        parent, _, last = error.name.rpartition(".")
        there = submodules(parent, folder)
        where = f"package {parent}" if parent else folder
        raise ApplicationError(
            f"there is no module {error.name!r} in {where}{near(last, there)}"
        ) from error
    except Exception as error:
        # Import runs the application's own code, which may fail in any way.
        raise ApplicationError(f"importing {name} failed: {described(error)}") from error


def submodules(parent: str, folder: str) -> list[str]:
    path = list(sys.modules[parent].__path__) if parent else [folder]
    return [module.name for module in pkgutil.iter_modules(path)]


def attribute(holder: Any, name: str, target: str) -> Any:
    try:
        return getattr(holder, name)
    except AttributeError:
        owner = getattr(holder, "__name__", type(holder).__name__)
        public = [each for each in dir(holder) if not each.startswith("_")]
        raise ApplicationError(
            f"{target}: {owner} has no attribute {name!r}{near(name, public)}"
        ) from None


def made(factory: Any, target: str) -> Any:
    if not callable(factory):
        raise ApplicationError(f"{target}: a {type(factory).__name__} is no factory: not callable")
    try:
        application = factory()
    except Exception as error:
        raise ApplicationError(f"{target} failed: {described(error)}") from error
    if not callable(application):
        raise ApplicationError(f"{target} made a {type(application).__name__}: not callable")
    return application


def described(error: BaseException) -> str:
    """An error, and the line of the application's code that it came from."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "importlib" not in code.co_filename:
            place = f" ({code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"


def near(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def interface_of(application: Any) -> str:
    """`asgi` or `wsgi`, by what is called: ASGI 3 applications are coroutine functions."""
    call = application
    while hasattr(call, "func"):
        call = call.func  # functools.partial
    if inspect.iscoroutinefunction(call):
        return "asgi"
    method = getattr(type(call), "__call__", None)  # noqa: B004 - it is the function that is looked at
    if inspect.isclass(call) or method is None:
        return "wsgi"
    if inspect.iscoroutinefunction(method):
        return "asgi"
    return "asgi" if takes_asgi_arguments(call) else "wsgi"


def takes_asgi_arguments(call: Any) -> bool:
    """A decorator may hide the coroutine, but hardly the number of arguments."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    return len(required) == ASGI_ARGUMENTS
