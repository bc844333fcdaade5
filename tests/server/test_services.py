"""`[[serve]]`: several services under one supervisor, and what is refused."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.cli.serve import as_toml
from fivefold.cli.sources import from_file
from fivefold.errors import BindError, FivefoldError, SettingsError
from fivefold.linux import systemd
from fivefold.server.service_tables import services
from support.client import Client
from support.process_tree import open_files, workers_of

CONFIGURATION = """
body_bytes = 1000
[limits]
keep_alive_s = 7.0
[[serve]]
target = "site"
bind = "127.0.0.1:0"
serving = "thread"
workers = 2
[[serve]]
target = "applications.wsgi.sample:environ_as_json"
bind = "127.0.0.1:0"
serving = "process"
body_bytes = 2000
[[serve]]
target = "applications.wsgi.sample:environ_as_json"
bind = "127.0.0.1:0"
serving = "async"
io = "nonblocking"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("a folder")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(folder: Path, text: str) -> Settings:
    file = folder / "fivefold.toml"
    file.write_text(text)
    return Settings.of(from_file(str(file)))


def asked(address: str) -> str:
    host, _, port = address.removeprefix("http://").rpartition(":")
    with Client((host, int(port))) as client:
        return client.get("/").body.decode()


def listeners_of(pid: int) -> set[str]:
    """The listening sockets that a process holds, by the kernel's numbers."""
    listening = {
        line.split()[9]
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    held = open_files(pid)
    return {inode for inode in listening if f"socket:[{inode}]" in held}


def test_each_service_is_served_by_its_own_pair(site: Path) -> None:
    settings = configured(site, CONFIGURATION)
    with Server(settings) as server:
        folder, *applications = server.addresses
        assert asked(folder) == "a folder"
        models = [json.loads(asked(address))["wsgi.multiprocess"] for address in applications]
        assert models == [True, False]
        pairs = [(each.model.name, each.engine.engine) for each in server.services]
        held = [listeners_of(pid) for pid in workers_of(server.pid)]
    assert pairs == [("thread", "epoll"), ("process", "blocking"), ("async", "nonblocking")]
    assert len(held) == 4
    # A worker has none of the other services' sockets; the two of the folder see each other's.
    assert len(set.union(*held)) == sum(map(len, {frozenset(each) for each in held}))


def test_what_stands_above_the_tables_holds_for_all(site: Path) -> None:
    settings = configured(site, CONFIGURATION)
    found = services(settings)
    assert [each.limits.keep_alive_s for each in found] == [7.0] * 3
    assert [each.limits.body_bytes for each in found] == [1000, 2000, 1000]
    assert services(configured(site, as_toml(settings))) == found


TABLE = {"target": "site", "bind": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"serve": [{"target": "site"}]}, "needs a bind"),
        ({"serve": ["site"]}, "is not a table"),
        ({"serve": [TABLE], "target": "other"}, "target: each table"),
        ({"serve": [TABLE], "bind": "127.0.0.1:9000"}, "bind: each table"),
        ({"serve": [{**TABLE, "stuck_s": 3.0}]}, "stuck_s: it is for the whole server"),
        ({"serve": [{**TABLE, "worker": 3}]}, "serve: worker: there is no such setting; do you"),
        ({"serve": [{**TABLE, "head_s": "x"}]}, "serve: head_s: 'x' is not a number"),
        ({"serve": [TABLE, TABLE]}, "two services listen on 127.0.0.1:8000"),
        ({"serve": [{**TABLE, "bind": "systemd"}]}, "one by one"),
        ({"serve": [TABLE], "reload": True}, "reload: it is for a server of one"),
    ],
)
def test_what_is_refused(site: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Server(Settings.of(values))


def test_one_does_not_take_the_socket_of_another_for_one_that_was_handed_over(site: Path) -> None:
    """The kernel gives the lowest free number to the first socket that is made."""
    services = ({"target": "site", "bind": "127.0.0.1:0"}, {"target": "site", "bind": "fd://0"})
    with open(os.devnull) as probe:  # noqa: PTH123
        free = probe.fileno()
    services[1]["bind"] = f"fd://{free}"
    server = Server(Settings(serve=services))
    with pytest.raises(BindError, match="no socket was handed over under this number"):
        server.listen()


def test_sockets_of_systemd_are_used_if_any_service_has_them(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        number = given.fileno()
        monkeypatch.setattr(systemd, "FIRST_FD", number)
        own, other = (
            Server(Settings(serve=({"target": "site", "bind": "127.0.0.1:0"}, *more)))
            for more in ((), ({"target": "site", "bind": f"fd://{number}"},))
        )
        for server in (own, other):
            monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
            monkeypatch.setenv("LISTEN_FDS", "1")
            server.listen()
            server.close()
    assert [record.getMessage() for record in caplog.records] == [
        "systemd hands over sockets that are not used: add --bind systemd"
    ]


def test_workers_are_for_services_that_have_several(site: Path) -> None:
    tables = ({**TABLE, "serving": "process"}, {**TABLE, "bind": ":9000", "serving": "thread"})
    assert [each.workers for each in services(Settings(workers=3, serve=tables))] == [1, 3]
    wrong = Settings(serve=({**TABLE, "serving": "process", "workers": 3},))
    with pytest.raises(SettingsError, match="process runs each connection"):
        services(wrong)


def test_one_that_cannot_be_served_keeps_no_address(site: Path) -> None:
    taken = {"target": "site", "bind": "127.0.0.1:0"}
    server = Server(Settings(serve=(taken, {"target": "site", "bind": "192.0.2.1:80"})))
    with pytest.raises(FivefoldError, match=r"192\.0\.2\.1"), server:
        pass
    assert server.addresses == []
