"""What a WSGI application may do to its server, in every pair: raise anything, write, and rely
on its thread."""

from __future__ import annotations

import json
import os
import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from applications.wsgi import trouble as wsgi_trouble
from fivefold.content.wsgi.input import spool_folder
from fivefold.iomodels import ENGINES
from support import TESTS
from support.every_pair import pairs
from support.openssl import Made
from support.process_tree import open_files
from support.servers.embedded import MODELS, WSGI_WAYS, Site, hosting, open_gate
from support.wire import Wire

Pair = dict[str, Any]


ENGINES_BY_NAME = {engine.engine: engine for engine in ENGINES}

ALONE: Pair = {"max_connections": 1}
"""One connection, one thread or process for all: if it is lost, nobody is answered."""


def everywhere(*, overlapping: bool = False) -> pytest.MarkDecorator:
    """All pairs, and --inline on all engines."""
    cases: list[Any] = list(pairs(overlapping=overlapping).args[1])
    for engine in ENGINES:
        if overlapping and not engine.traits.overlaps:
            continue
        reason = engine.available()
        marks = [pytest.mark.skip(reason=reason)] if reason else []
        settings = {"serving": "async", "io": engine.engine, "inline": True}
        cases.append(pytest.param(settings, id=f"inline-{engine.engine}", marks=marks))
    return pytest.mark.parametrize("pair", cases)


def here(site: Site) -> list[int]:
    with site.wire() as wire:
        found: list[int] = wire.ask_json("/here")
        return found


def asked(site: Site, target: str) -> bytes:
    """All that comes for one request, and its end."""
    with site.wire() as wire:
        wire.put(target, fields="Connection: close\r\n")
        return wire.to_the_end()


def check(site: Site, where: str, kind: str) -> None:
    target = f"/trouble?{where},{kind}"
    came = asked(site, target)
    if where in ("later", "written"):
        assert came.startswith(b"HTTP/1.1 200 ")
        assert came.endswith(b"\r\n4\r\npart\r\n")  # and no last chunk
    elif where == "close":
        assert came.endswith(b"\r\n0\r\n\r\n")
    else:
        assert came.startswith(b"HTTP/1.1 500 ")
    said = (
        "the application's close() failed at" if where == "close" else "the application failed at"
    )
    assert site.log.count(f"{said} {target}\n") == 1
    assert site.log.count("the application") == 1
    assert "Traceback (most recent" in site.log
    (site.folder / "log").write_text("")


WHERE = ["call", "iter", "next", "read", "later", "written", "close"]


@pairs()
def test_whatever_an_application_raises_takes_one_response(pair: Pair) -> None:
    with hosting(wsgi_trouble.app, **pair, **ALONE) as site:
        before = here(site)
        for kind in wsgi_trouble.KINDS:
            check(site, "call", kind)
        for where in WHERE[1:]:
            for kind in ("KeyboardInterrupt", "GeneratorExit", "asyncio.CancelledError"):
                check(site, where, kind)
        after = here(site)
        assert before[0] == after[0]
        if pair["serving"] != "async":  # where any thread of the pool may answer
            assert before == after


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("way", WSGI_WAYS)
def test_wherever_it_raises(way: str, where: str) -> None:
    with hosting(wsgi_trouble.app, **WSGI_WAYS[way], **ALONE) as site:
        before = here(site)
        for kind in wsgi_trouble.KINDS:
            if (where, kind) != ("next", "StopIteration") and (where, kind) != (
                "later",
                "StopIteration",
            ):  # that is how an iterator ends
                check(site, where, kind)
        assert here(site)[0] == before[0]


@everywhere()
def test_what_is_written_is_with_the_client_before_write_returns(pair: Pair) -> None:
    with hosting(wsgi_trouble.app, **pair) as site, site.wire() as wire:
        for _ in range(2):
            gates = [site.gate(f"gate-{number}") for number in range(3)]
            wire.put("/write-lazy")
            wire.head()
            for number, gate in enumerate(gates):
                assert wire.chunk() == b"part %d" % number
                open_gate(gate)
            assert wire.chunks() == []


@everywhere()
def test_write_in_every_pair(pair: Pair) -> None:
    size = len(wsgi_trouble.BLOCK) * wsgi_trouble.BLOCKS
    with hosting(wsgi_trouble.app, **pair) as site:
        with site.wire(receive_buffer=4096) as wire:
            wire.put("/write-large")
            wire.put("/write-sized")
            body = wire.answer().body
            assert body == wsgi_trouble.BLOCK * wsgi_trouble.BLOCKS, (len(body), size)
            assert wire.answer().body == b"1234567890"
            assert wire.ask("/write-sized", method="HEAD").fields["content-length"] == "10"
            assert wire.ask("/write-bodiless?204").status == 204
            assert wire.ask("/write-bodiless?304").status == 304
            refused = ["RuntimeError"]
            assert wire.ask_json("/write-kept") == refused
            again = wire.ask_json("/write-kept")
            # Each thread and process has the `write` of its own last request.
            assert again[0] == "RuntimeError"
            assert again[1:] in ([], ["InvalidResponse"])
            assert wire.ask("/write-sized", minor=0).body == b"1234567890"
        vanishing = site.wire(receive_buffer=4096)
        vanishing.put("/write-left")
        vanishing.head()
        vanishing.leave()
        assert site.notes.next() == "OSError 32"
        with site.wire() as wire:
            assert wire.ask("/write-sized").body == b"1234567890"
        assert site.log == ""


@pytest.mark.parametrize("way", WSGI_WAYS)
def test_what_is_written_is_in_the_access_log(way: str, tmp_path: Path) -> None:
    log = tmp_path / "access"
    settings = {"access_log": str(log), "access_log_format": "common"} | WSGI_WAYS[way]
    with hosting(wsgi_trouble.app, **settings) as site, site.wire() as wire:
        for path in ("/write-sized", "/mine", "/write-sized"):
            assert wire.ask(path).status == 200
    lines = [line.rpartition("] ")[2] for line in log.read_text().splitlines()]
    assert lines == [
        '"GET /write-sized HTTP/1.1" 200 10',
        '"GET /mine HTTP/1.1" 200 6',
        '"GET /write-sized HTTP/1.1" 200 10',
    ]


@everywhere()
def test_a_client_that_takes_nothing_of_what_is_written(pair: Pair) -> None:
    with hosting(wsgi_trouble.app, send_s=0.3, **pair) as site:
        with site.wire(receive_buffer=4096) as wire:
            wire.put("/write-left")
            wire.head()
            assert site.notes.next() == "OSError 32"
        with site.wire() as wire:
            assert wire.ask("/write-sized").body == b"1234567890"
        assert site.log == ""


@everywhere()
def test_write_through_tls(pair: Pair, made: Made) -> None:
    tls: Pair = {"tls_cert": made.cert, "tls_key": made.key}
    context = ssl.create_default_context(cafile=made.cert)
    with hosting(wsgi_trouble.app, **tls, **pair) as site:
        with Wire(("127.0.0.1", site.address[1]), receive_buffer=4096) as wire:
            wire.sock = context.wrap_socket(wire.sock, server_hostname="localhost")
            gates = [site.gate(f"gate-{number}") for number in range(3)]
            wire.put("/write-lazy")
            wire.head()
            for number, gate in enumerate(gates):
                assert wire.chunk() == b"part %d" % number
                open_gate(gate)
            assert wire.chunks() == []
            assert wire.ask("/write-large").body == wsgi_trouble.BLOCK * wsgi_trouble.BLOCKS
        assert site.log == ""


@everywhere(overlapping=True)  # the iterative server lets a kept client go for another
def test_many_write_to_slow_clients_at_the_same_time(pair: Pair) -> None:
    """And others are answered, with a list, in the middle of it."""
    whole = wsgi_trouble.BLOCK * wsgi_trouble.BLOCKS
    with hosting(wsgi_trouble.app, **pair) as site, ThreadPoolExecutor(6) as clients:

        def slow(_: int) -> bool:
            with site.wire(receive_buffer=4096) as wire:
                return all(wire.ask("/write-large").body == whole for _ in range(2))

        def quick(_: int) -> bool:
            with site.wire() as wire:
                return all(wire.ask("/mine").body == b"nobody" for _ in range(20))

        writing, reading = clients.map(slow, range(3)), clients.map(quick, range(3))
        assert [*writing, *reading] == [True] * 6
        assert site.log == ""


@pytest.fixture(params=WSGI_WAYS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(wsgi_trouble.app, way=request.param, **WSGI_WAYS[request.param]) as site:
        yield site


def test_a_call_has_one_thread_and_one_context(site: Site) -> None:
    """Also where many are answered at the same time, part by part."""
    wires = [site.wire(receive_buffer=4096) for _ in range(8)]
    for _ in range(3):
        for number, wire in enumerate(wires):
            wire.put(f"/threads?user-{number}")
        for number, wire in enumerate(wires):
            seen = [json.loads(line) for line in wire.answer().body.splitlines()]
            # Under --inline one thread has several calls at once, and says so.
            assert [row[:2] for row in seen] == [[n, f"user-{number}"] for n in range(5)]
            if site.way != "async-inline":
                assert {row[2] for row in seen} == {f"user-{number}"}
        ends = sorted(site.notes.next() for _ in wires)
        assert ends == sorted(f"nobody 1 user-{number}" for number in range(len(wires)))
    for wire in wires:
        assert wire.ask("/mine").body == wire.ask("/mine").body == b"nobody"
        wire.sock.close()


def test_iter_is_called_once(site: Site) -> None:
    with site.wire() as wire:
        assert wire.ask("/rewinding").body == b"once"


def test_who_pauses_takes_no_thread_that_another_needs() -> None:
    """Three clients that do not read, and a pool of two."""
    with hosting(wsgi_trouble.app, **WSGI_WAYS["async"], threads=2) as site:
        slow = [site.wire(receive_buffer=4096) for _ in range(3)]
        for wire in slow:
            wire.put("/write-large")
            wire.head()
        with site.wire() as wire:
            for _ in range(5):
                assert wire.ask("/write-sized").body == b"1234567890"
        for wire in slow:
            assert sum(map(len, wire.chunks())) == len(wsgi_trouble.BLOCK) * wsgi_trouble.BLOCKS
            wire.sock.close()


def test_inline_a_write_holds_the_application_and_nothing_else(tmp_path: Any) -> None:
    """The application is in the middle of something: nobody else may call it, but a folder
    beside it is served, and who waits is answered when the client has read, or is cut off."""
    (tmp_path / "file").write_bytes(b"a file")
    way = WSGI_WAYS["async-inline"] | {"mount": (f"/static={tmp_path}",), "send_s": 0.5}
    with hosting(wsgi_trouble.app, **way) as site, site.wire(receive_buffer=4096) as slow:
        slow.put("/write-left")
        slow.head()
        with site.wire() as waiting, site.wire() as other:
            waiting.put("/write-sized")
            assert other.ask("/static/file").body == b"a file"
            assert waiting.answer().body == b"1234567890"
        assert site.notes.next() == "OSError 32"


UPLOAD = bytes(3_000_000)


def uploaded(site: Site, expected: int) -> None:
    """The client sends all of it before it looks for the answer, as most do."""
    with site.wire() as wire:
        wire.put("/here", method="POST", body=UPLOAD)
        assert wire.answer().status == expected
        assert wire.at_end()


def nameless(pid: int) -> list[str]:
    """The files that it holds and nobody else can see."""
    return sorted(Path(name).name for name in open_files(pid) if "(deleted)" in name)


@pairs()
def test_a_body_that_no_disk_takes(pair: Pair) -> None:
    """A limit of the process, met here, is answered as a full disk is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        with hosting(wsgi_trouble.app, **pair, **ALONE) as site:
            pid = here(site)[0]
            held = nameless(pid)
            for _ in range(3):
                uploaded(site, 507)
            said = [line for line in site.log.splitlines() if "as many as can be" not in line]
            assert ["File too large" in line for line in said] == [True] * 3
            assert nameless(pid) == held
            assert here(site)[0] == pid
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pairs()
def test_a_body_without_a_folder_to_keep_it_in(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/lost")
    spool_folder.cache_clear()  # of the server, which is forked from this process
    with hosting(wsgi_trouble.app, **pair) as site:
        uploaded(site, 500)
        assert site.log.count("\n") == 1
        assert "cannot be kept in a temporary file: [Errno 2]" in site.log
        assert here(site)


@pytest.mark.parametrize("engine", ["epoll", "uring", "blocking"])
@pytest.mark.parametrize("serving", MODELS)
def test_a_full_disk(serving: str, engine: str, tmp_path: Path) -> None:
    """A tmpfs of one megabyte, in a mount namespace of its own; and full before the first body."""
    if (reason := ENGINES_BY_NAME[engine].available()) is not None:
        pytest.skip(reason)
    disk, socket_path = tmp_path / "disk", tmp_path / "socket"
    disk.mkdir()
    mount = [
        "unshare",
        "-m",
        "sh",
        "-c",
        'mount -t tmpfs -o size=1m none "$0" && head -c 1m /dev/zero > "$0/f" && exec "$@"',
        str(disk),
    ]
    if subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    words = [
        "serve",
        "applications.wsgi.trouble:app",
        "--bind",
        f"unix:{socket_path}",
        "--max-connections",
        "1",
    ]
    words += ["--serving", serving, "--io", engine, "--chdir", TESTS]
    command = [*mount, sys.executable, "-m", "fivefold", *words]
    environment = os.environ | {"TMPDIR": str(disk)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        try:
            while "serving" not in (said := server.stderr.readline()):
                assert said
            answers = [sent_to(socket_path, UPLOAD) for _ in range(3)]
            assert [answer[:13] for answer in answers] == [b"HTTP/1.1 507 "] * 3
            assert sent_to(socket_path, b"small").startswith(b"HTTP/1.1 200 ")
        finally:
            server.terminate()
            log = server.stderr.read()
    assert log.count("No space left on device") == 3
    assert "Traceback" not in log


def sent_to(path: Path, body: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(path))
        head = b"POST /here HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        sock.sendall(head % len(body) + body)
        return sock.recv(65536)
