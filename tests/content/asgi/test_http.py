"""ASGI 3.0 over HTTP, and its lifespan, under every serving model."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from applications.asgi import sample as asgi_sample
from support import TESTS
from support.servers.embedded import ASYNC, MODELS, Site, hosting, open_gate, still_in_step
from support.wire import Wire, chunked


@pytest.fixture(scope="module", params=MODELS)
def shared(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(asgi_sample.app, way=request.param, **MODELS[request.param]) as site:
        (site.folder / "file").write_bytes(b"0123456789")
        (site.folder / "empty").touch()
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    shared.notes.forget()
    return shared


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    with site.wire() as wire:
        yield wire


# Streaming


@pytest.mark.parametrize("size", [0, 1, 65537, 3_000_000])
def test_bodies_arrive_whole(wire: Wire, size: int) -> None:
    body = os.urandom(size)
    assert wire.ask("/echo", method="POST", body=body).body == body
    wire.put("/echo", method="POST", fields="Transfer-Encoding: chunked\r\n")
    wire.send(chunked(body, b"end") if size else chunked(b"end"))
    assert wire.answer().body == body + b"end"
    assert still_in_step(wire)


def test_request_and_response_stream_at_the_same_time(wire: Wire) -> None:
    wire.put("/converse", method="POST", fields="Transfer-Encoding: chunked\r\n")
    for word in (b"one", b"two", b"three"):
        wire.send(b"%x\r\n%b\r\n" % (len(word), word))
        if word == b"one":
            wire.head()
        assert wire.chunk() == word.upper()
    wire.send(b"0\r\n\r\n")
    assert wire.chunks() == []
    assert still_in_step(wire)


def test_permission_to_send_a_body_is_given_when_the_application_asks(wire: Wire) -> None:
    wire.put("/echo", method="POST", fields="Expect: 100-continue\r\nContent-Length: 2\r\n")
    assert wire.head().status == 100
    wire.send(b"ok")
    assert wire.answer().body == b"ok"
    assert still_in_step(wire)


def test_a_body_that_nobody_reads_is_skipped(wire: Wire) -> None:
    assert wire.ask("/scope", method="POST", body=b"x" * 100_000).status == 200
    assert still_in_step(wire)


def test_a_slow_reader_holds_send_back(site: Site) -> None:
    total = asgi_sample.BLOCKS * len(asgi_sample.BLOCK)
    with site.wire(receive_buffer=4096) as slow, site.wire() as other:
        slow.put("/pushing")
        slow.head()
        assert still_in_step(other)
        assert site.recorded("sent") < asgi_sample.BLOCKS
        assert len(b"".join(slow.chunks())) == total
    assert site.notes.next() == "done"


# The client leaves


def test_receive_and_send_tell_that_the_client_has_left(site: Site) -> None:
    with site.wire() as wire:
        wire.put("/left")
        wire.head()
        assert wire.chunk() == b"begun"
    assert [site.notes.next(), site.notes.next()] == ["http.disconnect", "OSError"]
    assert "Traceback" not in site.log


def test_send_raises_when_the_client_leaves_a_response(site: Site) -> None:
    wire = site.wire()
    wire.put("/left-while-sending")
    wire.head()
    wire.chunk()
    wire.leave()
    assert site.notes.next() == "OSError"


def test_receive_tells_that_the_client_has_left_its_own_body(site: Site) -> None:
    wire = site.wire()
    wire.put("/left-in-body", method="POST", fields="Content-Length: 10\r\n")
    wire.send(b"12345")
    assert site.notes.next() == "part"
    wire.sock.close()
    assert site.notes.next() == "http.disconnect"


def test_receive_tells_that_the_response_is_complete(site: Site, wire: Wire) -> None:
    assert wire.ask("/sees-the-end").body == b"complete"
    assert site.notes.next() == "http.disconnect"
    assert still_in_step(wire)


def test_an_application_may_go_on_behind_its_response(site: Site, wire: Wire) -> None:
    gate = site.gate("afterwards")
    assert wire.ask("/afterwards").body == b"complete"
    open_gate(gate)
    assert site.notes.next() == "worked"
    assert still_in_step(wire)


def test_a_failure_behind_the_response_harms_nobody(site: Site, wire: Wire) -> None:
    """Frameworks answer with 500 themselves, then raise for the server's log."""
    assert wire.ask("/fail-afterwards").body == b"complete"
    assert still_in_step(wire)
    assert "the application failed at /fail-afterwards" in site.log


# Extensions


def test_pathsend(site: Site, wire: Wire) -> None:
    answer = wire.ask("/pathsend?file")
    assert (answer.body, answer.fields["content-length"]) == (b"0123456789", "10")
    assert wire.ask("/pathsend?empty").body == b""
    assert wire.ask("/pathsend?file", method="HEAD").status == 200
    assert still_in_step(wire)
    assert wire.ask("/pathsend?missing").status == 500


def test_zerocopysend(wire: Wire) -> None:
    assert wire.ask("/zerocopysend").body == b"12389!"
    assert wire.ask("/zerocopysend", method="HEAD").status == 200
    assert still_in_step(wire)


def test_trailers(wire: Wire) -> None:
    assert wire.ask("/trailers", fields="TE: trailers\r\n").body == b"whole"
    assert wire.trailers == {"x-sum": "1", "x-more": "2"}
    assert wire.ask("/trailers", method="HEAD").status == 200
    assert wire.ask("/trailers?5").body == b"whole"  # no place for them: dropped
    assert still_in_step(wire)
    assert wire.ask("/trailers", minor=0).body == b"whole"


def test_trailers_behind_a_body_that_is_too_short_end_the_connection(wire: Wire) -> None:
    wire.put("/trailers?9")
    wire.put("/echo")
    with pytest.raises((EOFError, ConnectionResetError), match=r"4 bytes short|reset"):
        wire.answer()


def test_early_hints(wire: Wire) -> None:
    wire.put("/hints")
    first = wire.head()
    assert first.status == 103
    assert "preload" in first.fields["link"]
    assert wire.answer().body == b"hinted"
    assert wire.ask("/hints", minor=0).body == b"hinted"  # HTTP/1.0 does not know them


# asyncio


def test_contexts_end_with_their_request(wire: Wire) -> None:
    for _ in range(3):
        assert wire.ask_json("/context") == ["nobody", "somebody", "somebody"]


def test_asyncio_is_all_there(wire: Wire) -> None:
    for _ in range(2):
        assert wire.ask_json("/tools") == [True, [0, 1, 2], 6, "hello", 0]
    assert wire.ask("/group-fails").body == b"went on"
    assert still_in_step(wire)


def test_a_timeout_may_be_over_at_once(wire: Wire) -> None:
    for _ in range(5):
        assert wire.ask_json("/timeouts") == ["timeout", True]


def test_children_may_receive_and_send(wire: Wire) -> None:
    assert wire.ask("/children", method="POST", body=b"123").body == b"123abc"
    assert still_in_step(wire)


def test_watching_for_the_end_takes_nothing_of_the_next_request(wire: Wire) -> None:
    for _ in range(3):
        assert wire.ask("/listening").body == b"ab"
    request = b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n"
    wire.put("/listening")
    wire.send(request + b"1")
    assert wire.answer().body == b"ab"
    wire.send(b"23")
    assert wire.answer().body == b"123"


# Responses that are wrong, and failures


@pytest.mark.parametrize("path", ["/fail", "/fail-behind-head"])
def test_a_failure_is_500_for_the_client_and_a_traceback_for_the_log(
    site: Site, wire: Wire, path: str
) -> None:
    answer = wire.ask(path)
    assert answer.status == 500
    assert b"Traceback" not in answer.body
    assert b"secret detail" not in answer.body
    at = site.log.index(f"the application failed at {path}\n")
    assert "Trouble: secret detail" in site.log[at:]


@pytest.mark.parametrize("path", ["/fail-midway", "/incomplete"])
def test_a_response_that_stays_incomplete_differs_from_a_whole_one(wire: Wire, path: str) -> None:
    wire.put(path)
    assert wire.head().status == 200
    assert wire.chunk() == b"begun"
    assert wire.at_end()  # no last chunk


@pytest.mark.parametrize(
    "path", ["/nothing", "/leave", "/bad-order", "/unknown-message", "/text-body", "/cancel"]
)
def test_an_application_that_breaks_the_protocol_is_answered_with_500(
    site: Site, wire: Wire, path: str
) -> None:
    answer = wire.ask(path)
    assert answer.status == 500
    assert b"must not leave" not in answer.body
    with site.wire() as another:
        assert still_in_step(another)


@pytest.mark.parametrize("case", asgi_sample.BAD_STARTS)
def test_a_head_that_would_break_http_is_answered_with_500(wire: Wire, case: str) -> None:
    answer = wire.ask(f"/bad-start?{case}")
    assert answer.status == 500
    assert b"must not leave" not in answer.body
    assert "x-injected" not in answer.fields
    assert wire.at_end()


def test_framing_is_the_servers(wire: Wire) -> None:
    answer = wire.ask("/hop-by-hop")
    assert (answer.body, answer.fields["connection"]) == (b"framed", "close")
    assert wire.at_end()


def test_an_application_that_never_stops_sending_gets_an_error(site: Site, wire: Wire) -> None:
    assert wire.ask("/endless").body == b"1234"
    assert wire.at_end()
    assert "after the end of the response" in site.log


def test_lengths_that_do_not_hold_desynchronise_nothing(site: Site, wire: Wire) -> None:
    assert wire.ask("/too-long").body == b"1234"
    assert wire.at_end()
    with site.wire() as another:
        another.put("/too-short")
        another.put("/echo")
        with pytest.raises((EOFError, ConnectionResetError), match=r"7 bytes short|reset"):
            another.answer()


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(wire: Wire, status: int) -> None:
    answer = wire.ask(f"/bodiless?{status}")
    assert answer.status == status
    assert not {"content-length", "transfer-encoding"} & answer.fields.keys()
    assert still_in_step(wire)


def test_head_has_no_body(wire: Wire) -> None:
    for path in ("/scope", "/context", "/children"):
        assert wire.ask(path, method="HEAD").status == 200
    assert still_in_step(wire)


# scope


def test_scope_describes_the_request(site: Site, wire: Wire) -> None:
    scope = wire.ask_json("/p%C3%A4th%2Fx?a=%20&b", fields="X-Case: V\r\nX-Case: W\r\n")
    assert scope["type"] == "http"
    assert scope["asgi"]["version"] == "3.0"
    assert scope["http_version"] == "1.1"
    assert (scope["method"], scope["scheme"]) == ("GET", "http")
    assert (scope["path"], scope["raw_path"]) == ("/päth/x", "/p%C3%A4th%2Fx")
    assert (scope["query_string"], scope["root_path"]) == ("a=%20&b", "")
    assert scope["headers"] == [["host", "test"], ["x-case", "V"], ["x-case", "W"]]
    assert scope["client"] == list(wire.sock.getsockname())
    assert scope["server"] == list(site.address)
    assert "http.response.trailers" in scope["extensions"]


def test_root_path_and_trusted_proxies() -> None:
    with (
        hosting(
            asgi_sample.app,
            root_path="/shop",
            trusted_proxies=("127.0.0.1", "10.0.0.0/8"),
            forwarded_fields=("x-forwarded", "x-forwarded-host"),
            **ASYNC,
        ) as site,
        site.wire() as wire,
    ):
        for target in ("/shop/a", "/a"):
            scope = wire.ask_json(target)
            assert (scope["root_path"], scope["path"]) == ("/shop", "/shop/a")
        scope = wire.ask_json(
            "/",
            fields="X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
            "X-Forwarded-Host: shop.example\r\n",
        )
        assert scope["client"] == ["1.2.3.4", 0]
        assert scope["scheme"] == "https"
        assert ["host", "shop.example"] in scope["headers"]
        assert scope["server"] == list(site.address)
        scope = wire.ask_json("/", fields="X-Forwarded-For: unknown\r\n")
        assert scope["client"] == list(wire.sock.getsockname())


def test_no_proxy_is_trusted_unless_named(wire: Wire) -> None:
    fields = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\n"
    scope = wire.ask_json("/", fields=fields)
    assert (scope["client"][0], scope["scheme"]) == ("127.0.0.1", "http")


# Lifespan


@pytest.mark.parametrize("model", MODELS)
def test_state_is_shared_and_every_start_up_has_its_shutdown(model: str) -> None:
    with hosting(asgi_sample.app, **MODELS[model]) as site:
        with site.wire() as wire:
            counted = [json.loads(wire.ask("/count").body) for _ in range(3)]
        folder = os.open(site.folder / "record", os.O_RDONLY)
    with os.fdopen(folder) as record:  # its name is gone
        lines = record.read().split()
    assert counted == [[1, True], [2, True], [3, True]]
    assert lines.count("startup") == lines.count("shutdown") > 0
    if model == "async":
        assert lines == ["startup", "shutdown"]


@pytest.mark.parametrize("model", MODELS)
def test_an_application_without_lifespan_is_served(model: str) -> None:
    with hosting(asgi_sample.without_lifespan, **MODELS[model]) as site, site.wire() as wire:
        assert wire.ask("/").body == b"served"
        assert not site.log


@pytest.mark.parametrize(
    "model",
    ["async", "thread", "process"],
)
def test_a_start_up_that_fails_ends_the_server_with_its_message(model: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fivefold", "serve", "applications.asgi.sample:start_fails"),
            *("--chdir", TESTS, "--bind", "127.0.0.1:0"),
            *("--serving", model, "--io", MODELS[model]["io"]),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode > 0
    assert "the application's start-up failed: no database at all" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_shutdown_that_fails_is_logged() -> None:
    with hosting(asgi_sample.shutdown_fails, **ASYNC) as site:
        with site.wire() as wire:
            assert wire.ask("/").body == b"served"
        log = (site.folder / "log").open()
    with log:
        assert "the application's shutdown failed: cannot say goodbye" in log.read()


def test_a_unix_socket_has_no_client_and_its_path_as_server(tmp_path: Path) -> None:
    """Behind a proxy on the same machine."""
    path = tmp_path / "socket"
    with (
        hosting(asgi_sample.app, bind=("127.0.0.1:0", f"unix:{path}"), **ASYNC),
        socket.socket(socket.AF_UNIX) as sock,
    ):
        sock.connect(os.fspath(path))
        sock.sendall(b"GET /scope HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        with sock.makefile("rb") as file:
            scope = json.loads(file.read().partition(b"\r\n\r\n")[2])
    assert scope["client"] is None
    assert scope["server"] == [os.fspath(path), None]
