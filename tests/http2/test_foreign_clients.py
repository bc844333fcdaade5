"""Clients that others have written, in three pairs: nghttp, h2load, curl and httpx.

Each does what the others do not: nghttp pads, asks for permission (100-continue), sends trailers
and gets what a page links; h2load opens hundreds of streams at once; curl has many transfers on one
connection by itself; httpx is how Python speaks HTTP/2.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support import TESTS
from support.client import TIMEOUT_S
from support.every_pair import chosen_pairs
from support.openssl import Made
from support.servers.folder import serving

A_FEW = chosen_pairs(
    # Streams side by side, on readiness and on completion; and in turn, in a thread.
    "async-epoll",
    "async-uring",
    "thread-blocking",
)

RESOURCES = 40


@pytest.fixture(scope="module", params=A_FEW)
def pair(request: pytest.FixtureRequest) -> dict[str, str]:
    given: dict[str, str] = request.param
    return given


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page and what it links; bodies that differ."""
    folder = tmp_path_factory.mktemp("site")
    names = [f"{number}.css" for number in range(RESOURCES)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(b"/* %03d */" % number * (1 + 997 * number))
    links = "".join(f'<link rel="stylesheet" href="{name}">' for name in names)
    (folder / "page.html").write_text(f"<!doctype html><head><title>page</title>{links}</head>")
    return folder


@pytest.fixture(scope="module")
def url(pair: dict[str, str], made: Made, folder: Path) -> Iterator[str]:
    """An application, and the folder at /f/."""
    tls = {"tls_cert": made.cert, "tls_key": made.key}
    target = {"target": "applications.asgi.counted:app", "chdir": TESTS, "mount": f"/f={folder}"}
    with serving(folder, **target, **tls, **pair) as (host, port):
        yield f"https://{host}:{port}"


def printed(program: str, package: str, *words: str) -> str:
    """What a program says that ends well."""
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}: apt-get install {package}")
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def nghttp(*words: str) -> str:
    return printed("nghttp", "nghttp2-client", "--no-verify-peer", *words)


def test_nghttp_sends_bodies_in_all_its_ways(url: str, tmp_path: Path) -> None:
    body = os.urandom(300_000).hex()
    (tmp_path / "body").write_text(body)
    data = ("-d", str(tmp_path / "body"))
    ways: tuple[tuple[str, ...], ...] = (
        (),
        ("--expect-continue", "--padding=200"),
        ("--no-content-length", "--trailer=x-sum: 1"),
        ("--window-bits=10", "--connection-window-bits=12", "--header-table-size=0"),
    )
    for way in ways:
        assert nghttp(*data, *way, f"{url}/echo") == body, way


def test_nghttp_gets_a_page_and_what_it_links(url: str) -> None:
    said = nghttp("--get-assets", "--null-out", "--stat", "--continuation", f"{url}/f/page.html")
    got = re.findall(r" (\d{3}) +\S+ +(/f/\S+)$", said, re.MULTILINE)
    assert {status for status, _ in got} == {"200"}
    assert {path for _, path in got} == {
        "/f/page.html",
        *(f"/f/{number}.css" for number in range(RESOURCES)),
    }


@pytest.mark.parametrize("path", ["/f/7.css", "/"], ids=["file", "application"])
def test_h2load_is_answered_on_every_stream(url: str, path: str) -> None:
    said = printed("h2load", "nghttp2-client", "-n2000", "-c4", "-m80", f"{url}{path}")
    assert "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored" in said
    assert "Application protocol: h2" in said


def test_curl_has_many_transfers_on_one_connection(url: str, made: Made, folder: Path) -> None:
    got = folder.with_name("got")
    shutil.rmtree(got, ignore_errors=True)
    words = ["--parallel", "--http2", "-sS", "--cacert", made.cert, "--create-dirs"]
    words += ["--output-dir", str(got), "-w", "%{num_connects} %{http_version} %{response_code}\n"]
    every = [f"{number}.css" for number in range(RESOURCES)]
    asks = [word for name in every for word in ("-o", name, f"{url}/f/{name}")]
    lines = printed("curl", "curl", *words, *asks).split("\n")[:-1]
    assert [line.split()[1:] for line in lines] == [["2", "200"]] * RESOURCES
    assert sum(int(line.split()[0]) for line in lines) == 1
    for name in every:
        assert (got / name).read_bytes() == (folder / name).read_bytes()


def test_httpx_asks_for_much_at_once(url: str, made: Made, folder: Path) -> None:
    trusting = ssl.create_default_context(cafile=made.cert)

    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=1)
        client = httpx.AsyncClient(http2=True, verify=trusting, limits=limits, timeout=TIMEOUT_S)
        async with client:
            every = [client.get(f"{url}/f/{number}.css") for number in range(RESOURCES)]
            bodies = [client.post(f"{url}/echo", content=b"%d" % n * 70_000) for n in range(5)]
            return await asyncio.gather(*every, *bodies)

    answers = asyncio.run(ask())
    assert {(each.status_code, each.http_version) for each in answers} == {(200, "HTTP/2")}
    wanted = [(folder / f"{number}.css").read_bytes() for number in range(RESOURCES)]
    assert [each.content for each in answers[:RESOURCES]] == wanted
    assert [each.content for each in answers[RESOURCES:]] == [b"%d" % n * 70_000 for n in range(5)]
