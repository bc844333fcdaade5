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
import types
from pathlib import Path
from typing import Any

from ...errors import ApplicationError
from ...isolation.descendants import descendants
from ...isolation.reporting import text_of, traceback_of

TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(\))?")

WSGI_ARGUMENTS, ASGI_ARGUMENTS = 2, 3
"""environ, start_response; scope, receive, send."""

NESTED = 8
"""Objects that call objects are looked through so deep; no framework nests them deeper."""

TOO_FEW = {
    0: "if it makes the application, write module:{name}()",
    1: "ASGI 2 is not spoken here, but asgiref.compatibility.guarantee_single_callable"
    " makes ASGI 3 of it",
}
"""What a callable may be that takes fewer arguments than any application."""


SYNTAX_ERRORS = (SyntaxError, IndentationError, TabError)
"""Of Python itself: a class of the application's may have attributes of any kind."""


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
            f"{target} is of type {type(found).__name__}, which cannot be called: name the"
            " application itself, or a factory with ()"
        )
    return found


def imported(name: str, folder: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise ApplicationError(f"importing {name} failed: {described(error)}") from error
        raise ApplicationError(missing(error.name, folder)) from error
    except BaseException as error:
        descendants.end_if_copy(error)
        # Import runs the application's own code, which may fail in any way.
        raise ApplicationError(f"importing {name} failed: {described(error)}") from error


def missing(name: str, folder: str) -> str:
    """Why there is no module of this name, its package being there."""
    package, _, last = name.rpartition(".")
    if package and not hasattr(sys.modules[package], "__path__"):
        return f"there is no module {name!r}: {package} is a module, not a package"
    where = f"package {package}" if package else folder
    path = list(sys.modules[package].__path__) if package else [folder]
    names = [module.name for module in pkgutil.iter_modules(path)]
    hint = near(last, names) or ("" if package else "; --chdir looks in another folder")
    return f"there is no module {name!r} in {where}{hint}"


def attribute(holder: Any, name: str, target: str) -> Any:
    try:
        return getattr(holder, name)
    except AttributeError:
        owner = getattr(holder, "__name__", type(holder).__name__)
        public = [each for each in dir(holder) if not each.startswith("_")]
        raise ApplicationError(
            f"{target}: {owner} has no attribute {name!r}{near(name, public)}"
        ) from None
    except BaseException as error:
        raise ApplicationError(f"{target} failed: {described(error)}") from error


def made(factory: Any, target: str) -> Any:
    if not callable(factory):
        raise ApplicationError(
            f"{target} is of type {type(factory).__name__}, which cannot be called: a factory is a"
            " function that makes the application"
        )
    try:
        application = factory()
    except BaseException as error:
        descendants.end_if_copy(error)
        raise ApplicationError(f"{target} failed: {described(error)}") from error
    if not callable(application):
        raise ApplicationError(
            f"{target} has made an object of type {type(application).__name__}, which cannot be"
            " called: a factory returns the application"
        )
    return application


def described(error: BaseException) -> str:
    """An error, and the line of the application's code that it came from."""
    text = text_of(error)
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    places = [
        f" ({frame.filename}:{frame.lineno})"
        for frame in traceback.extract_tb(traceback_of(error))
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    if type(error) in SYNTAX_ERRORS:
        # Its own text names the file without its folder, and no frame of it was ever run.
        said = f"{type(error).__name__}: {error.msg}"  # type: ignore[attr-defined]
        places = [f" ({error.filename}:{error.lineno})"]  # type: ignore[attr-defined]
    return said + (places[-1] if places else "")


def near(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def refuse_patches() -> None:
    """Raise `ApplicationError` if the application has replaced what threads and loops stand on.

    gevent and eventlet put their own in the place of the standard library's sockets, locks and
    waits.  A thread of ours would then be none, or wait for a loop that no thread runs: requests
    would hang without a word.
    """
    for library, asked in PATCHES.items():
        patched = getattr(sys.modules.get(f"{library}.{asked[0]}"), asked[1], None)
        parts = [part for part in PATCHED_PARTS if patched is not None and patched(part)]
        if parts:
            raise ApplicationError(
                f"the application has patched {', '.join(parts)} with {library}, and Fivefold's"
                f" threads and loops cannot run so; remove the monkey patch"
                f" (Fivefold needs none to serve many clients), or take gunicorn -k {library}"
            )


PATCHES = {
    "gevent": ("monkey", "is_module_patched"),
    "eventlet": ("patcher", "is_monkey_patched"),
}
"""Libraries that patch, and where they say of a module whether they did."""

PATCHED_PARTS = ("socket", "select", "thread", "threading", "os", "queue", "signal")
"""Modules of which a patch reaches us; others (ssl, time, subprocess) are the application's."""


def policy_of_loops() -> str | None:
    """The policy for event loops that the application has set, uvloop's perhaps; else None.

    Asked of a private name, because `get_event_loop_policy` would make one, and warns in
    Python 3.14; without it nothing is said.
    """
    policy = getattr(sys.modules.get("asyncio.events"), "_event_loop_policy", None)
    kind = type(policy)
    if policy is None or kind.__module__.startswith("asyncio."):
        return None
    return f"{kind.__module__}.{kind.__name__}"


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
    if is_coroutine_function(application):
        return "asgi"
    # A decorator may hide the coroutine, but hardly the number of arguments.
    return "asgi" if required == ASGI_ARGUMENTS else "wsgi"


def is_coroutine_function(call: Any) -> bool:
    """Whether calling it makes a coroutine, as far as can be seen without calling it.

    It may be a partial, or an object whose call is a coroutine function, in turn of any kind:
    Python calls what the *type* has, bound to the object; the type may lead to something that
    is set on the instance (a slot, a property).
    """
    for _ in range(NESTED):
        while isinstance(call, functools.partial):
            call = call.func
        if inspect.isclass(call):
            return False  # its instances are responses, and cannot be awaited
        if inspect.iscoroutinefunction(call) or has_coroutine_code(call):
            return True
        inner = called(call)
        if inner is None or type(inner) is type(call):
            return False
        call = inner
    return False


def called(instance: Any) -> Any:
    """What Python calls for `instance(...)`; None if that is written in C."""
    found = inspect.getattr_static(type(instance), "__call__", None)
    try:
        bound = found.__get__(instance, type(instance)) if hasattr(found, "__get__") else found
    except Exception:  # noqa: BLE001 - a property of the application's, or an empty slot
        return None
    return None if isinstance(bound, types.MethodWrapperType) else bound


def has_coroutine_code(call: Any) -> bool:
    """Cython's functions and mocks are none of Python's, and say what they are by their code;
    before Python 3.12 asgiref and asyncio mark others by an attribute."""
    flags = getattr(getattr(call, "__code__", None), "co_flags", 0)
    if isinstance(flags, int) and flags & inspect.CO_COROUTINE:
        return True
    mark = getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)
    return mark is not None and getattr(call, "_is_coroutine", None) is mark


def arguments(call: Any) -> tuple[int, int]:
    """How many positional arguments it must be given, and how many at most."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except Exception:  # noqa: BLE001
        # Written in C, and it does not say; or its attributes are the application's own code.
        return WSGI_ARGUMENTS, sys.maxsize
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        most = sys.maxsize
    else:
        most = sum(p.kind in POSITIONAL for p in parameters)
    return sum(p.kind in POSITIONAL and p.default is p.empty for p in parameters), most


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
