"""From `module:attribute` to an application: what is found, and what is said if not."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
import wrapt
from asgiref.sync import markcoroutinefunction
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware

from fivefold.content.application.loading import interface_of, load, names_application
from fivefold.errors import ApplicationError

FILES = {
    "shop/__init__.py": "",
    "shop/wsgi.py": """
def app(environ, start_response):
    return []

class Site:
    class inner:
        application = staticmethod(app)

def create_app():
    return app

def create_nothing():
    return None

def create_late():
    raise LookupError("no database")

def create_with(name):
    return app

class Ready:
    def __call__(self, environ, start_response):
        return []

number = 7
""",
    "shop/asgi.py": "async def application(scope, receive, send): ...\n",
    "plain.py": "x = 1\n",
    "raises.py": "def deep():\n    raise ValueError('bad configuration')\n\ndeep()\n",
    "silent.py": "raise ValueError\n",
    "cancelled.py": "import asyncio\nraise asyncio.CancelledError\n",
    "interrupted.py": "raise KeyboardInterrupt\n",
    "grouped.py": "raise BaseExceptionGroup('two', [SystemExit(1), ValueError(2)])\n",
    "timed_out.py": "class Timeout(BaseException): ...\nraise Timeout('1 second')\n",
    "looks.py": "def __getattr__(name):\n    raise KeyError(name)\n",
    "makes.py": "class Timeout(BaseException): ...\ndef app():\n    raise Timeout('1 second')\n",
    "leaves.py": "import sys\nsys.exit('no licence')\n",
    "syntax.py": "x = 1\ndef app(:\n",
    "needs.py": "\nimport nowhere_to_be_found\n",
    "needs_inside.py": "import shop.nowhere\n",
    "wants.py": "from shop.wsgi import apple\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    path, modules = sys.path.copy(), set(sys.modules)
    yield os.fspath(tmp_path)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("shop.wsgi:app", "app"),
        ("shop.wsgi:Site.inner.application", "app"),
        ("shop.wsgi:create_app()", "app"),
        ("shop.wsgi:Ready()", "Ready"),
        ("shop.asgi:application", "application"),
    ],
)
def test_what_a_target_names(folder: str, target: str, found: str) -> None:
    application = load(target, folder)
    assert getattr(application, "__name__", type(application).__name__) == found


WRONG = {
    "no module": ("nowhere:app", "there is no module 'nowhere' in {folder}; --chdir looks in"),
    "a near module": ("shpo:app", "there is no module 'shpo' in {folder}; did you mean shop?"),
    "no submodule": ("shop.wsgo:app", "no module 'shop.wsgo' in package shop; did you mean wsgi?"),
    "no package": ("shpo.wsgi:app", "there is no module 'shpo' in {folder}; did you mean shop?"),
    "not a package": ("plain.wsgi:app", "plain is a module, not a package"),
    "no attribute": ("shop.wsgi:ap", "shop.wsgi:ap: shop.wsgi has no attribute 'ap'; did you mean"),
    "nothing near": ("plain:zzz", "plain:zzz: plain has no attribute 'zzz'"),
    "no inner attribute": ("shop.wsgi:Site.iner", "Site has no attribute 'iner'; did you mean in"),
    "raises": ("raises:app", "importing raises failed: ValueError: bad configuration"),
    "its place": ("raises:app", "({folder}/raises.py:2)"),
    "raises silently": ("silent:app", "importing silent failed: ValueError ({folder}/silent.py:1)"),
    "leaves": ("leaves:app", "importing leaves failed: SystemExit: no licence"),
    "is cancelled": ("cancelled:app", "CancelledError ({folder}/cancelled.py:2)"),
    "is interrupted": ("interrupted:app", "importing interrupted failed: KeyboardInterrupt"),
    "several at once": ("grouped:app", "failed: BaseExceptionGroup: two (2 sub-exceptions)"),
    "what is no Exception": ("timed_out:app", "importing timed_out failed: Timeout: 1 second"),
    "the same, of a factory": ("makes:app()", "makes:app() failed: Timeout: 1 second"),
    "an attribute that fails": ("looks:app", "looks:app failed: KeyError: 'app'"),
    "wrong syntax": ("syntax:app", "importing syntax failed: SyntaxError: "),
    "where": ("syntax:app", "SyntaxError: invalid syntax ({folder}/syntax.py:2)"),
    "imports what is not there": (
        "needs:app",
        "ModuleNotFoundError: No module named 'nowhere_to_be_found' ({folder}/needs.py:2)",
    ),
    "imports a submodule that is not there": (
        "needs_inside:app",
        "importing needs_inside failed: ModuleNotFoundError: No module named 'shop.nowhere'",
    ),
    "imports a name that is not there": ("wants:app", "cannot import name 'apple'"),
    "not callable": (
        "shop.wsgi:number",
        "shop.wsgi:number is of type int, which cannot be called: name the application itself",
    ),
    "no factory": (
        "shop.wsgi:number()",
        "shop.wsgi:number() is of type int, which cannot be called: a factory is a function",
    ),
    "makes nothing": (
        "shop.wsgi:create_nothing()",
        "create_nothing() has made an object of type NoneType",
    ),
    "cannot make": (
        "shop.wsgi:create_late()",
        "shop.wsgi:create_late() failed: LookupError: no database ({folder}/shop/wsgi.py:",
    ),
    "wants arguments": ("shop.wsgi:create_with()", "missing 1 required positional argument"),
    "no target": ("shop wsgi", "'shop wsgi' is not module:attribute or module:factory()"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_is_one_line_that_names_the_part(folder: str, case: str) -> None:
    target, message = WRONG[case]
    with pytest.raises(ApplicationError) as raised:
        load(target, folder)
    said = str(raised.value)
    assert message.format(folder=folder) in said
    assert "\n" not in said
    assert "loading.py" not in said, "a place of ours says nothing"


def test_what_the_application_raised_can_be_shown(folder: str) -> None:
    with pytest.raises(ApplicationError) as raised:
        load("raises:app", folder)
    assert isinstance(raised.value.__cause__, ValueError)


def test_a_folder_wins_over_an_application_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert names_application("shop.wsgi:app")
    assert names_application("shop:create_app()")
    assert not names_application("./shop")
    assert not names_application("shop")
    assert not names_application("C:/site")
    (tmp_path / "a:b").mkdir()
    assert not names_application("a:b")


def wsgi(environ: Any, start_response: Any) -> Any: ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def hides_all(function: Any) -> Any:
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def wraps(function: Any) -> Any:
    return functools.wraps(function)(hides_all(function))


class WsgiObject:
    func = staticmethod(asgi)
    """An attribute of this name does not make a partial of it."""

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class WsgiClass:
    """PEP 3333's own example: an instance is the response."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...


class AsgiDecorated:
    @wraps
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Asgi2Class:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


def with_configuration(configuration: Any, environ: Any, start_response: Any) -> Any: ...


async def asgi_configured(configuration: Any, scope: Any, receive: Any, send: Any) -> None: ...


class CallInSlot:
    """As Sentry's middleware has it: the type has a slot, the instance what is in it."""

    __slots__ = ("__call__", "_application")

    def __init__(self, application: Any) -> None:
        self._application = application
        self.__call__ = self._run

    async def _run(self, scope: Any, receive: Any, send: Any) -> None: ...


class CallByProperty:
    @property
    def __call__(self) -> Any:
        return asgi


class CallIsPartial:
    __call__ = functools.partial(asgi_configured, {})


class CallIsObject:
    __call__ = AsgiObject()


class CallFails:
    @property
    def __call__(self) -> Any:
        raise LookupError


class LikeCython:
    """A function of Cython's: no function of Python's, but with a code object that says all."""

    __code__ = asgi.__code__

    def __call__(self, *args: Any) -> Any: ...


def passed_on(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


observed = wrapt.decorator(passed_on)


class AsgiObserved:
    async def _run(self, *args: Any) -> None: ...

    __call__ = observed(_run)


INTERFACES = {
    "object whose slot has the coroutine": (CallInSlot(wsgi), "asgi"),
    "object with a property": (CallByProperty(), "asgi"),
    "object with a partial": (CallIsPartial(), "asgi"),
    "object with an object": (CallIsObject(), "asgi"),
    "object that fails to say": (CallFails(), "wsgi"),
    "Sentry's middleware": (SentryAsgiMiddleware(asgi), "asgi"),
    "Sentry's middleware in a partial": (functools.partial(SentryAsgiMiddleware(asgi)), "asgi"),
    "proxy of an object": (wrapt.CallableObjectProxy(AsgiObject()), "asgi"),
    "proxy of a function": (wrapt.CallableObjectProxy(asgi), "asgi"),
    "proxy of a WSGI object": (wrapt.CallableObjectProxy(WsgiObject()), "wsgi"),
    "observed coroutine function": (observed(asgi), "asgi"),
    "observed function": (observed(wsgi), "wsgi"),
    "observed method": (AsgiObserved(), "asgi"),
    "like a function of Cython": (LikeCython(), "asgi"),
    "mock of a coroutine function": (AsyncMock(), "asgi"),
    "mock": (MagicMock(), "wsgi"),
    "marked as a coroutine function": (markcoroutinefunction(hides_all(asgi)), "asgi"),
    "function": (wsgi, "wsgi"),
    "lambda": (lambda environ, start_response: [], "wsgi"),
    "optional arguments": (lambda environ, start_response, debug=False: [], "wsgi"),
    "any arguments": (hides_all(wsgi), "wsgi"),
    "decorated": (wraps(wsgi), "wsgi"),
    "partial": (functools.partial(with_configuration, {}), "wsgi"),
    "object": (WsgiObject(), "wsgi"),
    "class": (WsgiClass, "wsgi"),
    "a callable in C": (dict.get, "wsgi"),
    "coroutine function": (asgi, "asgi"),
    "decorated coroutine function": (wraps(asgi), "asgi"),
    "three arguments": (lambda scope, receive, send: None, "asgi"),
    "partial of a coroutine function": (functools.partial(asgi_configured, {}), "asgi"),
    "partial of a partial": (functools.partial(functools.partial(asgi_configured), {}), "asgi"),
    "object with a coroutine": (AsgiObject(), "asgi"),
    "method": (AsgiObject().method, "asgi"),
    "partial of an object": (functools.partial(AsgiObject()), "asgi"),
    "object with a decorated coroutine": (AsgiDecorated(), "asgi"),
}


@pytest.mark.parametrize("case", INTERFACES)
def test_the_interface_is_seen_from_what_is_called(case: str) -> None:
    application, interface = INTERFACES[case]
    assert interface_of(application) == interface


@pytest.mark.parametrize(
    ("application", "message"),
    [
        (lambda: wsgi, "takes no arguments, .* write module:<lambda>()"),
        (AsgiObject, "AsgiObject takes no arguments"),
        (lambda scope: None, "takes 1 argument, "),
        (Asgi2Class, "ASGI 2 is not spoken here"),
    ],
)
def test_what_takes_too_few_arguments_is_no_application(application: Any, message: str) -> None:
    with pytest.raises(ApplicationError, match=message):
        interface_of(application)
