"""A running server for tests: `with running(app) as url`.

It listens on a free port of 127.0.0.1 and answers as the real one does, because it is
the real one, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import Server, Settings

DEFAULTS: dict[str, Any] = {"bind": "127.0.0.1:0", "grace_s": 5.0}
"""A test that left a request hanging should not wait for half a minute."""


@contextmanager
def running(target: Any = ".", **settings: Any) -> Iterator[str]:
    """Serve `target` until the block ends; the value is its URL, `http://127.0.0.1:PORT`.

    `target` is what `fivefold serve` takes, a folder or `module:attribute`, or an
    application object: closures and lambdas, too, because the server is a fork of the
    calling process.  For the same reason what the application changes is seen by the
    server only, and it should be entered before threads are started.  `settings` are those
    of `Settings`, e.g. `serving="thread"`, `io="sigio"`.

    A fixture of pytest, for a server that all tests of a module share::

        @pytest.fixture(scope="module")
        def url():
            with fivefold.testing.running("shop.wsgi:app") as url:
                yield url


        def test_home(url):
            assert httpx.get(url + "/").status_code == 200

    Raises `FivefoldError`: `ApplicationError` if the target cannot be loaded,
    `SettingsError`, and `WorkerFailed` if the server did not start, or did not end cleanly.
    """
    with Server(Settings.of({"target": target, **DEFAULTS, **settings})) as server:
        yield server.addresses[0]
