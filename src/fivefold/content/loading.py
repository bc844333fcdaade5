"""From `module:attribute` to an application, and what kind of application it is.

Whatever goes wrong is said in one line that names the part that failed: the module, the
attribute, the factory, or something that the module itself imports; with near names.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import os
import pkgutil
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from ..errors import ApplicationError

TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(\))?")

WSGI_ARGUMENTS, ASGI_ARGUMENTS = 2, 3
"""environ, start_response; scope, receive, send."""

TOO_FEW = {
    0: "if it makes the application, write module:{name}()",
    1: "ASGI 2 is not spoken here, but asgiref.compatibility.guarantee_single_callable"
    " makes ASGI 3 of it",
}
"""What a callable may be that takes fewer arguments than any application."""


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
            raise ApplicationError(f"importing {name} failed: {described(error)}") from error
        raise ApplicationError(missing(error.name, folder)) from error
    except (Exception, SystemExit) as error:
        # Import runs the application's own code, which may fail in any way.
        raise ApplicationError(f"importing {name} failed: {described(error)}") from error


def missing(name: str, folder: str) -> str:
    """Why there is no module of this name, its package being there."""
    package, _, last = name.rpartition(".")
    if package and not hasattr(sys.modules[package], "__path__"):
        return f"there is no module {name!r}: {package} is a module, not a package"
    where = f"package {package}" if package else folder
    return f"there is no module {name!r} in {where}{near(last, submodules(package, folder))}"


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
    except (Exception, SystemExit) as error:
        raise ApplicationError(f"{target} failed: {described(error)}") from error
    if not callable(application):
        raise ApplicationError(f"{target} made a {type(application).__name__}: not callable")
    return application


def described(error: BaseException) -> str:
    """An error, and the line of the application's code that it came from."""
    text = str(error)
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    places = [
        f" ({frame.filename}:{frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    return said + (places[-1] if places else "")


def near(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def interface_of(application: Any) -> str:
    """`asgi` or `wsgi`, by what is called: ASGI 3 applications are coroutine functions.

    Raises `ApplicationError` if it takes too few arguments for either.
    """
    required, most = arguments(application)
    if most < WSGI_ARGUMENTS:
        name = getattr(application, "__name__", type(application).__name__)
        raise ApplicationError(
            f"{name} takes {most or 'no'} argument{'s' * (not most)}, a WSGI application takes 2"
            f" and an ASGI application 3; {TOO_FEW[most].format(name=name)}"
        )
    call = application
    while isinstance(call, functools.partial):
        call = call.func
    if inspect.isclass(call):
        return "wsgi"  # its instances are responses, and cannot be awaited
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__):
        return "asgi"
    # A decorator may hide the coroutine, but hardly the number of arguments.
    return "asgi" if required == ASGI_ARGUMENTS else "wsgi"


def arguments(call: Any) -> tuple[int, int]:
    """How many positional arguments it must be given, and how many at most."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return WSGI_ARGUMENTS, sys.maxsize  # written in C, and it does not say
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        most = sys.maxsize
    else:
        most = sum(p.kind in POSITIONAL for p in parameters)
    return sum(p.kind in POSITIONAL and p.default is p.empty for p in parameters), most


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
