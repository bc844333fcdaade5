"""WSGI (PEP 3333), in place and in a pool of threads, under every serving model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from applications.wsgi import sample as wsgi_sample
from fivefold import Server, Settings
from support.servers.embedded import (
    ASYNC,
    THREAD,
    WSGI_WAYS,
    Site,
    hosting,
    open_gate,
    still_in_step,
)
from support.wire import Wire, chunked


@pytest.fixture(scope="module", params=WSGI_WAYS)
def shared(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(wsgi_sample.app, way=request.param, **WSGI_WAYS[request.param]) as site:
        (site.folder / "file").write_bytes(b"0123456789")
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    shared.notes.forget()
    return shared


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    with site.wire() as wire:
        yield wire


@pytest.mark.parametrize("way", WSGI_WAYS)
def test_wsgiref_validates_what_the_server_does(way: str) -> None:
    with hosting(wsgi_sample.validated, **WSGI_WAYS[way]) as site, site.wire() as wire:
        for query, body in {"list": b"x" * 9, "": b"x" * 9 + b"!", "write": b"x" * 9}.items():
            sized = wire.ask(f"/a%20b?{query}", method="POST", body=b"x" * 9)
            assert (sized.status, sized.body) == (200, body)
            wire.put("/", method="POST", fields="Transfer-Encoding: chunked\r\n")
            wire.send(chunked(b"xy", b"z"))
            assert (wire.answer().body, site.log) == (b"xyz!", "")
        assert wire.ask("/?list").body == b""
        assert wire.ask("/?list", method="HEAD").status == 200


# Request bodies


@pytest.mark.parametrize("size", [0, 1, 65536, 1_048_577])
def test_a_sized_body_arrives_whole(wire: Wire, size: int) -> None:
    body = bytes(range(251)) * (size // 251) + bytes(size % 251)
    answer = wire.ask("/echo", method="POST", body=body)
    assert answer.body == body
    assert answer.fields["x-length"] == str(size)
    assert still_in_step(wire)


@pytest.mark.parametrize("size", [1, 70000, 1_048_577])
def test_a_chunked_body_arrives_whole_and_with_its_length(wire: Wire, size: int) -> None:
    wire.put("/echo", method="POST", fields="Transfer-Encoding: chunked\r\n")
    wire.send(chunked(b"a" * size, b"b", b"c" * size))
    answer = wire.answer()
    assert answer.body == b"a" * size + b"b" + b"c" * size
    assert answer.fields["x-length"] == str(2 * size + 1)
    assert still_in_step(wire)


def test_the_input_is_a_file(wire: Wire) -> None:
    found = wire.ask_json("/lines", method="POST", body=b"abcd\nef\ngh")
    assert found == ["abc", "d\n", "ef\n", "gh"]


def test_no_body_is_an_input_at_its_end(wire: Wire) -> None:
    answer = wire.ask("/echo")
    assert (answer.body, answer.fields["x-length"]) == (b"", "none")


def test_permission_to_send_a_body_is_given(wire: Wire) -> None:
    wire.put("/echo", method="POST", fields="Expect: 100-continue\r\nContent-Length: 2\r\n")
    assert wire.head().status == 100
    wire.send(b"ok")
    assert wire.answer().body == b"ok"


def test_a_body_that_nobody_reads_is_skipped(wire: Wire) -> None:
    assert wire.ask("/generator", method="POST", body=b"x" * 100_000).body == b"onetwo"
    assert still_in_step(wire)


def test_a_client_that_leaves_in_its_body_is_not_seen_by_the_application(site: Site) -> None:
    with site.wire() as wire:
        wire.put("/noted", method="POST", fields="Content-Length: 10\r\n")
        wire.send(b"12345")
    with site.wire() as wire:
        assert wire.ask("/generator").status == 200
        assert wire.ask("/noted").status == 200
    assert site.notes.next() == "called"
    site.notes.forget()


# Responses


def test_a_list_is_sized(wire: Wire) -> None:
    answer = wire.ask("/echo", method="POST", body=b"12345")
    assert answer.fields["content-length"] == "5"
    assert "transfer-encoding" not in answer.fields


def test_a_generator_is_chunked(wire: Wire) -> None:
    wire.put("/generator")
    assert wire.head().fields["transfer-encoding"] == "chunked"
    assert wire.chunks() == [b"one", b"two"]
    assert still_in_step(wire)


def test_a_part_is_with_the_client_before_the_next_is_made(site: Site, wire: Wire) -> None:
    gate = site.gate("lazy")
    wire.put("/lazy")
    wire.head()
    assert wire.chunk() == b"first"
    open_gate(gate)
    assert wire.chunks() == [b"second"]


def test_a_generator_may_declare_its_length(wire: Wire) -> None:
    answer = wire.ask("/sized-generator")
    assert (answer.body, answer.fields["content-length"]) == (b"onetwo", "6")
    assert still_in_step(wire)


def test_a_client_of_http_1_0_gets_no_chunks(wire: Wire) -> None:
    answer = wire.ask("/generator", minor=0)
    assert answer.body == b"onetwo"
    assert "transfer-encoding" not in answer.fields


def test_write_comes_before_the_iterable(wire: Wire) -> None:
    assert wire.ask("/write").body == b"abc"
    assert wire.ask("/write-between").body == b"abcdef"
    assert still_in_step(wire)


def test_an_error_after_a_write_breaks_the_response_off(site: Site, wire: Wire) -> None:
    wire.put("/write-then-fail")
    assert wire.head().status == 200
    assert wire.chunk() == b"half a page"
    assert wire.at_end()
    assert "Trouble: after write" in site.log


@pytest.mark.parametrize("path", ["/echo", "/generator", "/write", "/sized-generator", "/file"])
def test_head_has_no_body(wire: Wire, path: str) -> None:
    assert wire.ask(path, method="HEAD").status == 200
    assert still_in_step(wire)


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(wire: Wire, status: int) -> None:
    answer = wire.ask(f"/bodiless?{status}")
    assert answer.status == status
    assert answer.fields["etag"] == '"e"'
    assert not {"content-length", "transfer-encoding"} & answer.fields.keys()
    assert still_in_step(wire)


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_what_exceeds_the_declared_length_never_leaves(wire: Wire, kind: str) -> None:
    wire.put(f"/too-long?{kind}")
    assert wire.answer().body == b"1234"
    assert wire.at_end()


def test_an_endless_body_ends_with_its_declared_length(site: Site, wire: Wire) -> None:
    assert wire.ask("/never-ending?4").body == b"1234"
    assert site.notes.next() == "the end of the endless"


def test_an_endless_body_is_not_asked_for_by_head(site: Site, wire: Wire) -> None:
    assert wire.ask("/never-ending", method="HEAD").status == 200
    assert site.notes.next() == "the end of the endless"


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_what_is_missing_ends_the_connection(wire: Wire, kind: str) -> None:
    wire.put(f"/too-short?{kind}")
    wire.put("/echo")
    with pytest.raises((EOFError, ConnectionResetError), match=r"7 bytes short|reset"):
        wire.answer()


@pytest.mark.parametrize("case", wsgi_sample.BAD_STARTS)
def test_a_head_that_would_break_http_is_answered_with_500(wire: Wire, case: str) -> None:
    wire.put(f"/bad-start?{case}")
    answer = wire.answer()
    assert answer.status == 500
    assert b"must not leave" not in answer.body
    assert "x-injected" not in answer.fields
    assert wire.at_end()


def test_fields_of_the_connection_are_dropped(site: Site, wire: Wire) -> None:
    for _ in range(2):
        answer = wire.ask("/hop-by-hop")
        assert (answer.status, answer.body) == (200, b"framed by the server")
        assert answer.fields["x-kept"] == "yes"
        assert not {name.lower() for name, _ in wsgi_sample.HOP_BY_HOP} & answer.fields.keys()
        assert still_in_step(wire)
    if site.way != "process":  # where each connection process says it for itself
        assert site.log.count("the server itself sets Transfer-Encoding") <= 1
    assert wire.ask("/hop-by-hop?close").fields["connection"] == "close"
    assert wire.at_end()


@pytest.mark.parametrize("path", [f"/bad-body?{case}" for case in wsgi_sample.BAD_BODIES])
def test_a_body_that_is_none_is_answered_with_500(wire: Wire, path: str) -> None:
    assert wire.ask(path).status == 500


LINES = {
    "/bad-body?text": "a part of its response is str, not bytes (PEP 3333)",
    "/bad-body?text-of-generator": "a part of its response is str, not bytes (PEP 3333)",
    "/bad-body?number": "it returned int, not an iterable of bytes (PEP 3333)",
    "/bad-body?nothing": "it returned None, not an iterable of bytes (PEP 3333)",
    "/bad-body?bytes": "it returned bytes, not an iterable of bytes (PEP 3333)",
    "/no-start?said": "it did not call start_response",
}


@pytest.mark.parametrize("path", LINES)
def test_what_is_no_response_is_one_clear_line(site: Site, wire: Wire, path: str) -> None:
    before = len(site.log)
    assert wire.ask(path).status == 500
    assert site.log[before:] == f"the application failed at {path}: {LINES[path]}\n"


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_a_wrong_length_is_said_with_its_target(site: Site, wire: Wire, kind: str) -> None:
    wire.put(f"/too-short?{kind}")
    wire.to_the_end()
    shorter = f"the response to /too-short?{kind} is 7 bytes shorter than its Content-Length\n"
    assert shorter in site.log


def test_a_client_of_http_1_0_can_tell_that_a_response_broke_off(wire: Wire) -> None:
    wire.put("/fail-midway", minor=0)
    with pytest.raises(ConnectionResetError):
        wire.to_the_end()


@pytest.mark.parametrize("path", ["/no-start", "/two-starts", "/leave"])
def test_an_application_that_breaks_the_protocol_is_answered_with_500(
    wire: Wire, path: str
) -> None:
    answer = wire.ask(path)
    assert answer.status == 500
    assert b"must not leave" not in answer.body


def test_files_are_sent_from_their_position_and_closed(site: Site, wire: Wire) -> None:
    for query, body in {"": b"3456789", "memory": b"0123456789", "shorter": b"3456"}.items():
        assert wire.ask(f"/file?{query}").body == body
        assert site.notes.next() == "closed"
    assert still_in_step(wire)


# Failures


def test_close_is_called(site: Site, wire: Wire) -> None:
    for path in ("/closing", "/fail-at-first"):
        wire.ask(path)
        assert site.notes.next() == "closed"


def test_close_is_called_when_the_client_leaves(site: Site) -> None:
    wire = site.wire()
    wire.put("/endless")
    wire.head()
    wire.chunk()
    wire.leave()
    assert site.notes.next() == "closed"


def test_a_close_that_fails_is_logged_and_harms_nobody(site: Site, wire: Wire) -> None:
    assert wire.ask("/failing-close").body == b"whole"
    assert still_in_step(wire)
    assert "in close" in site.log


@pytest.mark.parametrize("path", ["/fail", "/fail-at-first"])
def test_a_failure_is_500_for_the_client_and_a_traceback_for_the_log(
    site: Site, wire: Wire, path: str
) -> None:
    answer = wire.ask(f"{path}?unique-{path[1:]}")
    assert answer.status == 500
    assert b"Traceback" not in answer.body
    assert b"secret detail" not in answer.body
    at = site.log.index(f"the application failed at {path}?unique-{path[1:]}")
    assert "Traceback" in site.log[at:]
    assert "Trouble: secret detail" in site.log[at:]


def test_a_failure_midway_differs_from_an_end(site: Site, wire: Wire) -> None:
    wire.put("/fail-midway")
    assert wire.head().status == 200
    assert wire.chunk() == b"begun"
    assert wire.at_end()  # no last chunk
    assert site.notes.next() == "closed"
    assert "the application failed at /fail-midway" in site.log


def test_a_late_error_replaces_a_head_that_has_not_left(wire: Wire) -> None:
    answer = wire.ask("/late-before")
    assert (answer.status, answer.body) == (503, b"sorry")
    assert answer.fields["x-late"] == "yes"
    assert "x-early" not in answer.fields
    assert still_in_step(wire)


def test_a_late_error_ends_a_response_that_has_begun(site: Site, wire: Wire) -> None:
    wire.put("/late-after")
    assert wire.head().status == 200
    assert wire.chunk() == b"begun"
    assert wire.at_end()
    assert "Trouble: handled late" in site.log


# environ


def test_environ_describes_the_request(site: Site, wire: Wire) -> None:
    environ = wire.ask_json("/p%C3%A4th%2Fx%20y?a=1&b=%20", fields="Content-Type: text/x\r\n")
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"].encode("latin-1") == "/päth/x y".encode()
    assert environ["QUERY_STRING"] == "a=1&b=%20"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (
        site.address[0],
        str(site.address[1]),
    )
    own = wire.sock.getsockname()
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == (own[0], str(own[1]))
    assert environ["HTTP_HOST"] == "test"
    assert environ["CONTENT_TYPE"] == "text/x"
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.version"] == [1, 0]
    assert environ["wsgi.input_terminated"] is True
    assert environ["wsgi.run_once"] is False
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "CONTENT_LENGTH"} & environ.keys()


def test_environ_is_safe(wire: Wire) -> None:
    environ = wire.ask_json(
        "/",
        fields="X_Under: posing\r\nX-Under: true\r\nX_Only: posing\r\nProxy: http://evil\r\n"
        "X-Many: 1\r\nx-many: 2\r\nCookie: a=1\r\nCookie: b=2\r\nX-Forwarded-For: 6.6.6.6\r\n"
        "X-Forwarded-Proto: https\r\n",
    )
    assert environ["HTTP_X_UNDER"] == "true"
    assert not {"HTTP_X_ONLY", "HTTP_PROXY"} & environ.keys()
    assert environ["HTTP_X_MANY"] in ("1,2", "1, 2")
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"  # nobody is trusted
    assert environ["wsgi.url_scheme"] == "http"


def test_what_is_done_to_environ_ends_with_the_request(wire: Wire) -> None:
    for _ in range(3):
        assert wire.ask("/mutating").body == b"fresh"


def test_environ_tells_the_truth_about_threads_and_processes(site: Site, wire: Wire) -> None:
    truth = {
        "async": (True, False),
        "async-inline": (False, False),
        "thread": (True, False),
        "process": (False, True),
    }
    environ = wire.ask_json("/")
    assert (environ["wsgi.multithread"], environ["wsgi.multiprocess"]) == truth[site.way]


@pytest.mark.parametrize("settings", [ASYNC, THREAD], ids=["async", "thread"])
def test_several_workers_are_several_processes(settings: dict[str, Any]) -> None:
    with hosting(wsgi_sample.app, workers=2, **settings) as site, site.wire() as wire:
        assert wire.ask_json("/")["wsgi.multiprocess"] is True


@pytest.mark.parametrize("way", WSGI_WAYS)
def test_root_path_and_trusted_proxies(way: str) -> None:
    with (
        hosting(
            wsgi_sample.app,
            root_path="/shop",
            trusted_proxies=("127.0.0.1", "10.0.0.0/8"),
            forwarded_fields=("x-forwarded", "x-forwarded-host"),
            **WSGI_WAYS[way],
        ) as site,
        site.wire() as wire,
    ):
        for target, info in {"/shop/a": "/a", "/shop": "", "/shopping": "/shopping"}.items():
            environ = wire.ask_json(target)
            assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", info)
        environ = wire.ask_json(
            "/shop/",
            fields="X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
            "X-Forwarded-Host: shop.example\r\n",
        )
        assert environ["REMOTE_ADDR"] == "1.2.3.4"
        assert environ["wsgi.url_scheme"] == "https"
        assert environ["HTTP_HOST"] == "shop.example"


def test_the_interface_is_found_out() -> None:
    assert Server(Settings(target=wsgi_sample.app)).interface == "wsgi"
    assert Server(Settings(target="applications.wsgi.sample:app")).interface == "wsgi"
    assert Server(Settings(target="applications.asgi.sample:app")).interface == "asgi"
    assert Server(Settings(target="applications.asgi.sample:Decorated()")).interface == "asgi"
