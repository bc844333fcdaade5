"""What a body may be: a view, or a file by an extension that is announced where it is known."""

from __future__ import annotations

import gzip
import os
from typing import Any

import pytest

from applications.asgi import counted
from fivefold import Settings
from fivefold.errors import SettingsError
from support.servers.embedded import ASYNC, MODELS, Site, hosting
from support.streams import Streams

CONTENT = b"a line of text\n" * 10_000

UNANNOUNCED = "none"


def asked(site: Site, fields: str = "") -> Any:
    (site.folder / "file").write_bytes(CONTENT)
    with site.wire() as wire:
        return wire.ask("/file", fields=fields)


@pytest.mark.parametrize("model", MODELS)
def test_a_file_passes_through_any_middleware(model: str) -> None:
    for name in ("alone", "deferring", "rewriting", "compressing"):
        with hosting(f"applications.asgi.files:{name}()", **MODELS[model]) as site:
            answer = asked(site, "Accept-Encoding: gzip\r\n" if name == "compressing" else "")
            assert answer.status == 200
            body = gzip.decompress(answer.body) if name == "compressing" else answer.body
            assert body == (CONTENT.upper() if name == "rewriting" else CONTENT)
            assert site.notes.next() == UNANNOUNCED


@pytest.mark.parametrize("model", MODELS)
def test_the_length_of_a_view_is_in_bytes(model: str) -> None:
    """Its own `len` counts items: what is beyond it would begin the next answer."""
    with hosting(counted.app, h2c=True, **MODELS[model]) as site:
        with site.wire() as wire:
            assert [wire.ask("/in-fours").body for _ in range(2)] == [counted.FOURS] * 2
        with Streams(site.address) as client:
            answer = client.get("/in-fours")
    assert (answer.body, answer.fields["content-length"]) == (counted.FOURS, "24")


@pytest.mark.parametrize("model", MODELS)
def test_who_asks_for_it_sends_by_path(model: str) -> None:
    with hosting(
        "applications.asgi.files:alone()", asgi_extensions="pathsend,zerocopysend", **MODELS[model]
    ) as site:
        answer = asked(site)
        assert (answer.status, answer.body) == (200, CONTENT)
        assert site.notes.next() == "http.response.pathsend http.response.zerocopysend"


def test_a_file_that_a_middleware_drops_is_said() -> None:
    """What the setting is for: the middleware knows only `http.response.body`."""
    with hosting(
        "applications.asgi.files:deferring()", asgi_extensions=("pathsend",), **ASYNC
    ) as site:
        assert asked(site).status == 500
        assert "the application ended without a response at /file" in site.log


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["by_path", "by_descriptor"])
def test_a_file_whose_size_says_nothing_is_refused(name: str, model: str) -> None:
    """proc(5): 0 bytes, and sysfs: 4096, whatever they give. An empty one and a hole are true."""
    extensions = "pathsend,zerocopysend"
    with hosting(
        f"applications.asgi.files:{name}", asgi_extensions=extensions, **MODELS[model]
    ) as site:
        for path in ("/proc/self/status", "/sys/class/net/lo/mtu"):
            with site.wire() as wire:
                assert wire.ask(path).status == 500
            assert "the file's size is not known" in site.log
        for size in (0, 100_000):
            (site.folder / "hole").write_bytes(b"")
            os.truncate(site.folder / "hole", size)
            with site.wire() as wire:
                answer = wire.ask(str(site.folder / "hole"))
            assert (answer.status, answer.body) == (200, bytes(size))


def test_an_extension_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="asgi_extensions: 'sendfile' is unknown"):
        Settings(asgi_extensions=("pathsend,sendfile",), target=os.curdir)
