"""A deployment under way: what a worker needs is away when it dies or shall be replaced."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.nobody import only_root
from support.process_tree import children_of, dissolved
from support.servers.deployed import CRASHES, Deployed, deployed, until

NEEDED: dict[str, tuple[str, tuple[str, ...]]] = {
    "application": ("home/crashes.py", ("crashes:app", "--chdir", "home")),
    "variables": (".env", ("crashes:app", "--env-file", ".env", "--chdir", "home")),
    "home": ("home", ("crashes:app", "--chdir", "home")),
}
"""What is moved away, and a server whose workers cannot start without it."""

FOLDERS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "site": ("site", ("site",), "/"),
    "log folder": ("logs", ("site", "--access-log", "logs/access.log"), "/"),
    "mount": ("site", ("crashes:app", "--chdir", "home", "--mount", "/f=../site"), "/f/"),
}
"""The same for what is looked for again and again: a worker starts without it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("home", "site", "logs", "files"):
        (tmp_path / name).mkdir()
    (tmp_path / "site/index.html").write_text("1")
    (tmp_path / "home/crashes.py").write_text(CRASHES)
    (tmp_path / ".env").write_text("SHOP=1\n")
    return tmp_path


def two_workers(serving: str) -> tuple[str, ...]:
    several = MODELS[serving].traits.scales_by_workers
    return ("--serving", serving, *(("--workers", "2") if several else ()))


@pytest.mark.parametrize("what", NEEDED)
@pytest.mark.parametrize("serving", MODELS)
def test_a_worker_dies_while_something_is_away(what: str, serving: str, folder: Path) -> None:
    name, arguments = NEEDED[what]
    with deployed(folder, *arguments, *two_workers(serving)) as server:
        server.answers()
        (folder / name).rename(folder / "away")
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        server.said(f"worker {victim} was killed by SIGKILL")
        server.said("tried again")
        assert not server.ended
        (folder / "away").rename(folder / name)
        server.said("its slot is served again")
        assert server.log.count("tried again") == 1, "said once"
        assert "Traceback" not in server.log
        server.answers()
        assert server.stop() == 0


@pytest.mark.parametrize("what", FOLDERS)
@pytest.mark.parametrize("serving", MODELS)
def test_a_worker_dies_while_its_folder_is_away(what: str, serving: str, folder: Path) -> None:
    name, arguments, path = FOLDERS[what]
    with deployed(folder, *arguments, *two_workers(serving)) as server:
        server.answers(path)
        (folder / name).rename(folder / "away")
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        server.said(f"worker {victim} was killed by SIGKILL")
        until(lambda: set(server.workers()) - {victim}, "another worker")
        (folder / "away").rename(folder / name)
        until(lambda: server.status(path) == 200, "the folder")
        assert server.stop() == 0


@pytest.mark.parametrize("serving", ["process", "async"])
def test_every_worker_dies_while_the_application_is_away(serving: str, folder: Path) -> None:
    name, arguments = NEEDED["application"]
    with deployed(folder, *arguments, *two_workers(serving)) as server:
        server.answers()
        (folder / name).rename(folder / "away")
        for victim in server.workers():
            os.kill(victim, signal.SIGKILL)
            server.said(f"worker {victim} was killed by SIGKILL")
        server.said("tried again")
        (folder / name).write_text("1 / 0\n")
        server.said("division by zero")  # said again, because the reason has changed
        (folder / "away").rename(folder / name)
        server.said("its slot is served again")
        server.answers()
        assert server.stop() == 0


def test_a_broken_deployment_heals_after_a_reload(folder: Path) -> None:
    name, arguments = NEEDED["application"]
    with deployed(folder, *arguments, *two_workers("thread")) as server:
        server.answers()
        old = set(server.workers())
        (folder / name).rename(folder / "away")
        server.signal(signal.SIGHUP)
        server.said("reloading (SIGHUP)")
        server.said("an old worker stays")
        server.answers()
        assert old <= set(server.workers())
        assert "reloaded" not in server.log
        (folder / "away").rename(folder / name)
        until(lambda: not old & set(server.workers()), "new workers")
        server.said("reloaded")
        server.answers()
        assert server.stop() == 0


Refusal = Callable[[Deployed], AbstractContextManager[None]]


def test_a_deployment_that_patches_the_standard_library_is_refused(folder: Path) -> None:
    """As at the start; its workers would hang without a word."""
    home = folder / "home"
    with deployed(folder, "crashes:app", "--chdir", "home", "--serving", "thread") as server:
        server.answers()
        (home / "gevent").mkdir()
        (home / "gevent/__init__.py").touch()  # or the library itself would be found
        (home / "gevent/monkey.py").write_text("def is_module_patched(name): return True\n")
        (home / "crashes.py").write_text("import gevent.monkey\n" + CRASHES)
        server.signal(signal.SIGHUP)
        server.said(
            "an old worker stays, and its start is tried again: the application has patched"
        )
        server.answers()
        assert server.stop() == 0


@contextmanager
def few_processes(server: Deployed) -> Iterator[None]:
    """A control group whose limit is what it holds."""
    group = Path("/sys/fs/cgroup/pids", f"fivefold-{server.process.pid}")
    group.mkdir()
    try:
        members = [server.process.pid, *server.workers()]
        for pid in members:
            (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text((group / "pids.current").read_text())
        yield
        (group / "pids.max").write_text("max")
    finally:
        until(lambda: dissolved(group), "the end of the control group")


@contextmanager
def few_descriptors(server: Deployed) -> Iterator[None]:
    """The supervisor has as many as it may have."""
    pid = server.process.pid
    used = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    lowest = next(fd for fd in range(1024) if fd not in used)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def can_limit_processes() -> bool:
    return os.access("/sys/fs/cgroup/pids/cgroup.procs", os.W_OK)


REFUSALS = [
    pytest.param(
        few_processes,
        id="pids.max",
        marks=[
            only_root,
            pytest.mark.skipif(not can_limit_processes(), reason="no pids control group (v1)"),
        ],
    ),
    pytest.param(few_descriptors, id="RLIMIT_NOFILE"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("serving", MODELS)
def test_a_reload_whose_processes_are_refused(serving: str, refusal: Refusal, folder: Path) -> None:
    _, arguments, _ = FOLDERS["site"]
    with deployed(folder, *arguments, *two_workers(serving)) as server:
        server.answers()
        old = set(server.workers())
        with refusal(server):
            server.signal(signal.SIGHUP)
            server.said("no process can be had")
            server.answers()
            assert old <= set(server.workers())
        until(lambda: not old & set(server.workers()), "new workers")
        server.answers()
        assert "Traceback" not in server.log
        assert server.stop() == 0


@only_root
@pytest.mark.skipif(not can_limit_processes(), reason="no pids control group (v1)")
def test_a_refused_connection_process_is_asked_for_again(folder: Path) -> None:
    _, arguments = NEEDED["application"]
    with deployed(folder, *arguments, "--serving", "process", "--fresh") as server:
        server.answers()
        forker = server.workers()[0]
        group = Path("/sys/fs/cgroup/pids", f"fivefold-{forker}")
        group.mkdir()
        (group / "cgroup.procs").write_text(str(forker))
        (group / "pids.max").write_text("1")
        clients = [Client(server.address) for _ in range(8)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        server.said("no connection process can be had")
        (group / "pids.max").write_text("max")
        for client in clients:
            assert client.answer().status == 200
            client.sock.close()
        assert server.stop() == 0
        until(lambda: dissolved(group), "the end of the control group")


@pytest.mark.parametrize("serving", MODELS)
def test_workers_that_never_leave_are_killed_and_their_stack_is_shown(
    serving: str, folder: Path
) -> None:
    """Five reloads, each with a request whose handler never returns."""
    _, arguments = NEEDED["application"]
    target = "crashes:asgi" if serving == "async" else "crashes:app"
    chosen = (target, *arguments[1:], "--serving", serving, "--grace-s", "0.3")
    with deployed(folder, *chosen) as server:
        server.answers()
        old: list[int] = []
        stuck: list[Client] = []
        for times in range(1, 6):
            stuck.append(Client(server.address))
            stuck[-1].send(b"GET /mutex HTTP/1.1\r\nHost: t\r\n\r\n")
            server.said("holds the GIL", times)
            old += set(server.workers()) - set(old)
            server.signal(signal.SIGHUP)
            # An answer alone may be that of another connection process of the old worker; and
            # without one, a thread of it that sleeps in accept(2) would have the next client.
            server.said("reloaded: all workers are new", times)
            server.answers()
        # Not even a zombie is left: one that the supervisor reaps while it stops is a failure.
        supervisor = server.process.pid
        until(lambda: not set(old) & set(children_of(supervisor)), "the end of the old ones")
        if MODELS[serving].traits.scales_by_workers:
            for pid in old:
                server.said(f"worker {pid} is killed: it has not ended")
        else:  # the forker hears, and ends those that do not
            server.said("is killed: it has not ended within the grace time", times=len(old))
        # A process has half a second for its stack, which a busy machine may not give it in time:
        # one in five was missing.
        assert server.log.count("in holds_the_gil") > len(old) // 2
        for client in stuck:
            client.sock.close()
        assert server.stop() == 0


def test_reloads_during_a_reload_are_one_more(folder: Path) -> None:
    """Asked while a successor starts: it may have the old files, so it is replaced as well."""
    name, arguments = NEEDED["application"]
    os.mkfifo(folder / "gate")
    with deployed(folder, *arguments, "--serving", "thread") as server:
        server.answers()
        waits = "open('../gate').read()\nSTARTED = True\n"
        (folder / name).write_text(waits + CRASHES)
        server.signal(signal.SIGHUP)
        gate = os.open(folder / "gate", os.O_WRONLY)  # waits until the successor is there
        (folder / name).write_text(CRASHES.replace("str(os.getpid())", "'newest'"))
        server.signal(signal.SIGHUP)
        server.answers()
        server.signal(signal.SIGHUP)
        os.close(gate)
        until(lambda: server.get("/") == b"newest", "the newest application")
        assert server.stop() == 0


NEEDS_A_DATABASE = """
import os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        kind = "failed" if os.path.exists("away") else "complete"
        if kind == "failed":
            with open("tries", "a") as tries:
                tries.write("x")
        await send({"type": f"lifespan.startup.{kind}"})
        return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


def test_connection_processes_that_cannot_start_for_a_while_do_not_end_the_pool(
    folder: Path,
) -> None:
    (folder / "needs.py").write_text(NEEDS_A_DATABASE)
    with deployed(folder, "needs:app", "--serving", "process", "--fresh") as server:
        server.answers()
        (forker,) = server.workers()
        (folder / "away").touch()
        clients = [Client(server.address) for _ in range(8)]  # more than are idle
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        server.said("no connection process can start: the application's start-up failed")
        until(lambda: (folder / "tries").stat().st_size >= 4, "some tries")
        (folder / "away").unlink()
        for client in clients:
            assert client.answer().status == 200
            client.sock.close()
        assert server.workers() == [forker]
        # Once, and again after each that began before and was ready after that.
        assert server.log.count("no connection process can start") < 4
        assert server.stop() == 0
