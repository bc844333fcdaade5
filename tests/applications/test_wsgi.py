"""WSGI by the letter (PEP 3333), wherever it may be called: in place, in a pool, in the loop."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import wsgi_sample
from client import Client
from every_pair import pairs

from fivefold.testing import running

PLACES: dict[str, dict[str, Any]] = {
    "async-pool": {"serving": "async"},
    "async-inline": {"serving": "async", "inline": True},
    "thread": {"serving": "thread"},
    "process": {"serving": "process"},
}
"""Where an application may be called."""


@pytest.fixture(params=PLACES, scope="module")
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    settings: dict[str, Any] = PLACES[request.param]
    return settings


@pytest.fixture(scope="module")
def url(place: dict[str, Any]) -> Iterator[str]:
    with running(wsgi_sample.app, **place) as url:
        yield url


def address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def wait_for(path: Path) -> None:
    """Until the server has written something to this file."""
    while not (path.exists() and path.stat().st_size):
        pass


def environ_of(url: str, path: str = "/environ", **arguments: Any) -> dict[str, Any]:
    environ: dict[str, Any] = ast.literal_eval(httpx.get(url + path, **arguments).text)
    return environ


def test_a_list_has_a_length(url: str) -> None:
    answer = httpx.get(url)
    assert (answer.text, answer.headers["content-length"]) == ("Hello, World!", "13")


def test_a_generator_is_chunked_and_closed(url: str, tmp_path: Path) -> None:
    answer = httpx.get(f"{url}/generator?{tmp_path}/mark")
    assert answer.text == "part 0\npart 1\npart 2\n"
    assert answer.headers["transfer-encoding"] == "chunked"
    wait_for(tmp_path / "mark")


def test_http_1_0_gets_no_chunks(url: str) -> None:
    with Client(address(url)) as client:
        client.send(b"GET /generator? HTTP/1.0\r\n\r\n")
        head = client._until(b"\r\n\r\n")
        assert b"chunked" not in head
        assert client.exactly(21) == b"part 0\npart 1\npart 2\n"
        assert client.at_end()


def test_head_has_no_body(url: str) -> None:
    with Client(address(url)) as client:
        for path in ("/", "/generator?", "/valid"):
            assert client.get(path, method="HEAD").status == 200
        assert client.get("/").body == b"Hello, World!"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(url: str, status: int) -> None:
    with Client(address(url)) as client:
        client.send(f"GET /bodiless?{status} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = client.answer(bodiless=True)
        assert answer.status == status
        assert not {"content-length", "transfer-encoding"} & answer.fields.keys()
        assert client.get("/").status == 200


@pytest.mark.parametrize("size", [0, 10, 70_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_arrive_whole(url: str, size: int, chunked: bool) -> None:  # noqa: FBT001
    body = b"abcdefghij" * (size // 10)
    content = iter([body[: size // 2], body[size // 2 :]]) if chunked else body
    answer = httpx.post(f"{url}/echo", content=content)
    assert answer.content == b"%d " % size + body[:10]


def test_a_body_that_nobody_read_leaves_the_connection_in_order(url: str) -> None:
    with Client(address(url)) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        assert client.answer().body == b"Hello, World!"
        assert client.get("/").body == b"Hello, World!"


def test_write_comes_before_the_rest(url: str) -> None:
    assert httpx.get(f"{url}/writes").text == "one two three"


def test_an_exception_is_500_without_the_traceback(url: str) -> None:
    answer = httpx.get(f"{url}/fails")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert httpx.get(url).status_code == 200


def test_sys_exit_is_a_failure_of_one_request(url: str) -> None:
    assert httpx.get(f"{url}/leaves").status_code == 500
    assert httpx.get(url).status_code == 200


def test_an_exception_in_the_middle_ends_the_connection_visibly(url: str, tmp_path: Path) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/fails-late?{tmp_path}/mark")
    wait_for(tmp_path / "mark")


def test_exc_info_before_the_head_has_left_replaces_it(url: str) -> None:
    answer = httpx.get(f"{url}/recovers")
    assert (answer.status_code, answer.headers["x-recovered"], answer.text) == (503, "yes", "sorry")
    assert answer.reason_phrase == "Sorry"


def test_exc_info_after_the_head_has_left_is_raised_again(url: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/too-late")


def test_a_body_longer_than_declared_is_cut_and_the_connection_closed(url: str) -> None:
    with Client(address(url)) as client:
        assert client.get("/declares?5").body == b"01234"
        assert client.at_end()


def test_a_body_shorter_than_declared_ends_the_connection(url: str) -> None:
    with Client(address(url)) as client, pytest.raises(EOFError):
        client.get("/declares?20")


@pytest.mark.parametrize("path", ["/injects", "/hop-by-hop"])
def test_fields_that_would_break_the_message_are_refused(url: str, path: str) -> None:
    answer = httpx.get(url + path)
    assert answer.status_code == 500
    assert "x-injected" not in answer.headers


def test_a_file_is_sent_from_its_position(url: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4000)
    answer = httpx.get(f"{url}/file?{path}")
    assert answer.content == path.read_bytes()
    assert answer.headers["content-length"] == "1024000"


def test_a_client_that_leaves_has_the_iterable_closed(url: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with Client(address(url)) as client:
        client.send(f"GET /endless?{mark} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client.exactly(100_000)
    wait_for(mark)


def test_the_standard_librarys_validator_is_content(url: str) -> None:
    assert httpx.get(f"{url}/valid").text == "valid"
    assert httpx.post(f"{url}/valid", content=b"question").text == "valid"


def test_environ(url: str) -> None:
    host, port = address(url)
    fields = [
        ("X_Forged", "1"),
        ("X-Forged", "2"),
        ("Proxy", "http://evil"),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
    ]
    environ = environ_of(url, "/environ?a=%20b", headers=httpx.Headers(fields))
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ",
        "QUERY_STRING": "a=%20b",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": host,
        "HTTP_X_FORGED": "2",
        "HTTP_X_TWICE": "a,b",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_HOST": f"{host}:{port}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    assert expected.items() <= environ.items()
    assert "HTTP_PROXY" not in environ


def test_multithread_and_multiprocess_tell_the_truth(url: str, place: dict[str, Any]) -> None:
    environ = environ_of(url)
    pooled = place["serving"] == "async" and not place.get("inline")
    assert environ["wsgi.multithread"] is (pooled or place["serving"] == "thread")
    assert environ["wsgi.multiprocess"] is (place["serving"] == "process")


def test_root_path_becomes_script_name(place: dict[str, Any]) -> None:
    with running(wsgi_sample.app, root_path="/shop", **place) as url:
        environ = environ_of(url, "/shop/environ")
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/environ")


FORWARDED = {
    "X-Forwarded-For": "203.0.113.7, 10.0.0.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example",
}


def test_a_proxy_is_believed_only_if_it_is_trusted(place: dict[str, Any]) -> None:
    with running(wsgi_sample.app, **place) as url:
        environ = environ_of(url, headers=FORWARDED)
        assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    trusted = ("127.0.0.1", "10.0.0.0/8")
    with running(wsgi_sample.app, trusted_proxies=trusted, **place) as url:
        environ = environ_of(url, headers=FORWARDED)
        assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("203.0.113.7", "https")
        assert environ["HTTP_HOST"] == "shop.example"
        environ = environ_of(url, headers={"Forwarded": 'for="[2001:db8::7]:80";proto=https'})
        assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("2001:db8::7", "https")


@pytest.mark.parametrize("serving", ["thread", "process", "async"])
def test_one_that_blocks_does_not_stop_the_others(serving: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with running(wsgi_sample.app, serving=serving) as url, Client(address(url)) as blocked:
        blocked.send(f"GET /blocks?{go} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert httpx.get(url).status_code == 200
        go.touch()
        assert blocked.answer().body == b"unblocked"


def test_a_slow_upload_holds_no_thread_of_the_pool() -> None:
    with (
        running(wsgi_sample.app, serving="async", threads=1) as url,
        Client(address(url)) as slow,
    ):
        slow.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
        assert httpx.get(url).status_code == 200
        slow.send(b"56789")
        assert slow.answer().body == b"10 0123456789"


def test_a_request_that_kills_its_process_takes_no_other_connection() -> None:
    with (
        running(wsgi_sample.app, serving="process") as url,
        Client(address(url)) as other,
        Client(address(url)) as victim,
    ):
        assert other.get("/").status == 200
        victim.send(b"GET /dies HTTP/1.1\r\nHost: a\r\n\r\n")
        assert victim.at_end()
        assert other.get("/").status == 200


def test_a_request_that_kills_a_worker_is_survived_by_the_server() -> None:
    with running(wsgi_sample.app, serving="thread") as url:
        with Client(address(url)) as victim:
            victim.send(b"GET /dies HTTP/1.1\r\nHost: a\r\n\r\n")
            assert victim.at_end()
        assert httpx.get(url).status_code == 200


@pairs()
def test_every_pair_serves_wsgi(pair: dict[str, str]) -> None:
    with running(wsgi_sample.app, **pair) as url, httpx.Client(base_url=url) as client:
        assert client.get("/").text == "Hello, World!"
        assert client.get("/generator?").text == "part 0\npart 1\npart 2\n"
        assert client.post("/echo", content=b"x" * 100_000).content == b"100000 xxxxxxxxxx"
        assert client.get("/fails").status_code == 500
        assert client.get(f"/file?{__file__}").content == Path(__file__).read_bytes()


def test_the_traceback_is_in_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fivefold", "serve", "wsgi_sample:app"]
    command += ["--chdir", str(Path(__file__).parent), "--bind", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET /fails HTTP/1.0\r\n\r\n")
            assert b"500" in sock.recv(1000)
        process.terminate()
        log = process.stderr.read()
    assert "the application failed at /fails" in log
    assert "RuntimeError: a secret" in log
