"""ASGI by the letter (ASGI 3.0, HTTP and lifespan), under every serving model."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asgi_sample
import httpx
import pytest
from client import Client
from every_pair import pairs
from test_wsgi import FORWARDED, address, wait_for

from fivefold.testing import running


@pytest.fixture(params=["async", "thread", "process"], scope="module")
def serving(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def url(serving: str) -> Iterator[str]:
    with running(asgi_sample.app, serving=serving) as url:
        yield url


def scope_of(url: str, path: str = "/scope", **arguments: Any) -> dict[str, Any]:
    scope: dict[str, Any] = ast.literal_eval(httpx.get(url + path, **arguments).text)
    return scope


def test_one_part_has_a_length(url: str) -> None:
    answer = httpx.get(url)
    assert (answer.text, answer.headers["content-length"]) == ("Hello, World!", "13")


def test_head_has_no_body(url: str) -> None:
    with Client(address(url)) as client:
        assert client.get("/", method="HEAD").status == 200
        assert client.get("/trailers", method="HEAD").status == 200
        assert client.get("/").body == b"Hello, World!"


@pytest.mark.parametrize("size", [0, 10, 70_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_stream_both_ways(url: str, size: int, chunked: bool) -> None:  # noqa: FBT001
    sent = bytes(range(250)) * (size // 250)
    content = iter([sent[: size // 2], sent[size // 2 :]]) if chunked else sent
    assert httpx.post(f"{url}/echo", content=content).content == sent
    assert httpx.post(f"{url}/counts", content=sent).text == str(len(sent))


def test_http_1_0_gets_no_chunks(url: str) -> None:
    with Client(address(url)) as client:
        client.send(b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
        assert b"chunked" not in client._until(b"\r\n\r\n")
        assert client.exactly(3) == b"abc"


def test_a_client_that_leaves_is_noticed_by_receive_and_send(url: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with Client(address(url)) as client:
        client.send(f"GET /waits?{mark} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client._until(b"begun")
    wait_for(mark)
    assert mark.read_text() == "http.disconnect"


def test_send_waits_for_a_client_that_does_not_read(url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Client(address(url), receive_buffer=4096) as client:
        client.send(f"GET /endless?{log} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client._until(b"\r\n\r\n")
        with httpx.Client() as other:
            for _ in range(200):
                other.get(url)  # time for the server, measured in its own work
        taken = len(log.read_text())
        assert taken < 300  # 20 MB: no kernel buffers as much for one connection
    while not log.read_text().endswith("end"):
        pass


def test_tasks_that_send_at_once_take_turns(url: str) -> None:
    data = httpx.get(f"{url}/child-tasks").content
    parts = {data[n : n + 100_000] for n in range(0, len(data), 100_000)}
    assert len(data) == 2_000_000
    assert parts == {b"%d" % number * 100_000 for number in range(10)}


def test_what_asyncio_offers_works_in_a_handler(url: str) -> None:
    assert httpx.get(f"{url}/tasks").text == "3 sub 0"


def test_context_does_not_leak_from_request_to_request(url: str) -> None:
    with httpx.Client() as client:
        assert [client.get(f"{url}/context").text for _ in range(3)] == ["clean"] * 3


def test_a_handler_that_cancels_itself_fails_alone(url: str) -> None:
    for _ in range(3):
        assert httpx.get(f"{url}/cancels").status_code == 500
        assert httpx.get(f"{url}/tasks").status_code == 200


def test_a_path_is_sent(url: str) -> None:
    assert httpx.get(f"{url}/path?{__file__}").content == Path(__file__).read_bytes()
    assert httpx.get(f"{url}/path?/dev/zero").status_code == 500


def test_a_range_of_a_descriptor_is_sent_between_parts(url: str) -> None:
    expected = Path(__file__).read_bytes()[10:100] + b"end"
    assert httpx.get(f"{url}/descriptor?{__file__}").content == expected


def test_trailers_follow_the_last_chunk(url: str) -> None:
    with Client(address(url)) as client:
        client.send(b"GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
        client._until(b"7\r\ncontent\r\n0\r\n")
        assert client.exactly(12) == b"x-sum: 7\r\n\r\n"


def test_early_hints_come_first(url: str) -> None:
    with Client(address(url)) as client:
        client.send(b"GET /hints HTTP/1.1\r\nHost: a\r\n\r\n")
        interim = client.answer()
        assert (interim.status, interim.fields["link"][:12]) == (103, "</style.css>")
        assert client.answer().body == b"hinted"


@pytest.mark.parametrize("path", ["/fails", "/silent", "/injects"])
def test_failures_are_500_and_tell_nothing(url: str, path: str) -> None:
    answer = httpx.get(url + path)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "x-injected" not in answer.headers


def test_a_failure_in_the_middle_ends_the_connection_visibly(url: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/fails-late")


def test_a_body_that_is_too_large_is_413(serving: str) -> None:
    with running(asgi_sample.app, serving=serving, body_bytes=1000) as url:
        assert httpx.post(f"{url}/counts", content=bytes(1001)).status_code == 413
        chunks = iter([bytes(600), bytes(600)])
        assert httpx.post(f"{url}/counts", content=chunks).status_code == 413


def test_pipelined_requests_are_not_lost_while_the_end_is_awaited(url: str) -> None:
    with Client(address(url)) as client:
        client.send(
            b"GET /tasks HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        bodies = [client.answer().body for _ in range(3)]
        assert bodies == [b"3 sub 0", b"3 sub 0", b"Hello, World!"]


def test_scope(url: str) -> None:
    host, port = address(url)
    scope = scope_of(url, "/scope?a=%20b", headers={"X-Twice": "a"})
    expected = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/scope",
        "raw_path": b"/scope",
        "query_string": b"a=%20b",
        "root_path": "",
        "server": (host, port),
    }
    assert expected.items() <= scope.items()
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert scope["client"][0] == host
    assert (b"x-twice", b"a") in scope["headers"]
    assert "http.response.pathsend" in scope["extensions"]


def test_scope_behind_a_trusted_proxy(serving: str) -> None:
    settings = {"serving": serving, "trusted_proxies": ("127.0.0.1", "10.0.0.0/8")}
    with running(asgi_sample.app, root_path="/shop", **settings) as url:
        scope = scope_of(url, "/scope", headers=FORWARDED)
    assert (scope["client"], scope["scheme"]) == (("203.0.113.7", 0), "https")
    assert (scope["root_path"], scope["path"]) == ("/shop", "/shop/scope")
    assert (b"host", b"shop.example") in scope["headers"]


def test_lifespan_state_is_shared_and_copied(url: str) -> None:
    assert {httpx.get(f"{url}/state").text for _ in range(3)} == {"yes 1"}


def test_an_application_without_lifespan_is_served(serving: str) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await asgi_sample.text(send, "bare")

    with running(bare, serving=serving) as url:
        assert httpx.get(url).text == "bare"


def test_a_failed_start_ends_the_server_with_its_words(serving: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    command = [sys.executable, "-m", "fivefold", "serve", "broken:app", "--serving", serving]
    done = subprocess.run(
        [*command, "--chdir", str(tmp_path), "--bind", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "no database" in done.stderr


def test_a_handler_that_sleeps_does_not_stop_the_others(serving: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with running(asgi_sample.app, serving=serving) as url, Client(address(url)) as sleeper:
        sleeper.send(f"GET /sleeps?{go} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert httpx.get(url).status_code == 200
        assert httpx.get(f"{url}/burns").status_code == 200
        go.touch()
        assert sleeper.answer().body == b"there"


def test_a_request_that_kills_its_process_takes_no_other_connection() -> None:
    with (
        running(asgi_sample.app, serving="process") as url,
        Client(address(url)) as other,
        Client(address(url)) as victim,
    ):
        assert other.get("/").status == 200
        victim.send(b"GET /dies HTTP/1.1\r\nHost: a\r\n\r\n")
        assert victim.at_end()
        assert other.get("/").status == 200


@pairs()
def test_every_pair_serves_asgi(pair: dict[str, str], tmp_path: Path) -> None:
    with running(asgi_sample.app, **pair) as url, httpx.Client(base_url=url) as client:
        assert client.get("/").text == "Hello, World!"
        assert client.get("/tasks").text == "3 sub 0"
        assert client.post("/echo", content=b"x" * 1_000_000).content == b"x" * 1_000_000
        assert len(client.get("/child-tasks").content) == 2_000_000
        assert client.get(f"/path?{__file__}").content == Path(__file__).read_bytes()
        assert client.get("/fails").status_code == 500
    with running(asgi_sample.app, **pair) as url:
        mark = tmp_path / "mark"
        with Client(address(url)) as leaver:
            leaver.send(f"GET /waits?{mark} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            leaver._until(b"begun")
        wait_for(mark)
