"""`--user`, `--group` and `--umask`: the supervisor stays root, all that it forks is the user's."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.errors import SettingsError
from fivefold.linux.libc import libc
from fivefold.linux.process_control import PR_GET_DUMPABLE, PR_GET_PDEATHSIG, die_with_parent
from fivefold.server import identity
from fivefold.server.identity import IdentitySettings, Rights
from fivefold.serving import MODELS
from support.client import TIMEOUT_S, Client
from support.command_line import fivefold
from support.nobody import NOBODY, as_nobody, only_root
from support.openssl import self_signed
from support.process_tree import descendants_of, is_alive
from support.servers.deployed import Deployed, asked_at, deployed, until
from support.servers.embedded import address_of

IDS = ("Uid", "Gid", "Groups")

UMASK = """
import os

def app(environ, start_response):
    mask = os.umask(0)
    os.umask(mask)
    body = f"{mask:o} {os.environ['HOME']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Root's, where everybody gets to, unlike `tmp_path`; `logs` is nobody's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for inner in ("site", "logs"):
            (folder / inner).mkdir()
            (folder / inner).chmod(0o755)
        os.chown(folder / "logs", NOBODY, NOBODY)
        (folder / "site" / "open").write_text("open")
        (folder / "site" / "secret").write_text("secret")
        (folder / "site" / "secret").chmod(0o600)
        yield folder


def ids_of(pid: int) -> dict[str, set[int]]:
    """Real, effective, saved and of the file system: /proc/PID/status."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    found = dict(line.partition(":")[::2] for line in lines)
    return {name: set(map(int, found[name].split())) for name in IDS}


OURS = {"Uid": {0}, "Gid": {0}}
THEIRS = {"Uid": {NOBODY}, "Gid": {NOBODY}, "Groups": {NOBODY}}


def guard_of(pid: int) -> int:
    """It is no child of the supervisor; both write to one log."""
    log = Path(f"/proc/{pid}/fd/2").stat()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            same = os.path.samestat((entry / "fd" / "2").stat(), log)
            if same and b"fivefold: guard" in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    return 0


def all_are_theirs(supervisor: int) -> bool:
    below = [ids_of(pid) for pid in (*descendants_of(supervisor), guard_of(supervisor))]
    return len(below) > 2 and all(ids in (THEIRS, {}) for ids in below)


def serves_as_the_user(server: Deployed, supervisor: int) -> None:
    until(lambda: all_are_theirs(supervisor), "processes of the user")
    assert {name: ids_of(supervisor)[name] for name in OURS} == OURS
    assert server.get("/open") == b"open"
    assert server.status("/secret") == 403


def stacks_are_shown(supervisor: int) -> bool:
    shown = fivefold("stacks", str(supervisor)).stdout
    return "(worker 1)" in shown and "parent.py:" in shown  # the worker has answered itself


@only_root
@pytest.mark.parametrize("serving", MODELS)
def test_everything_but_the_supervisor_is_the_users(serving: str, folder: Path) -> None:
    words = ["site", "--serving", serving, "--user", "nobody", "--pid-file", "server.pid"]
    words += ["--access-log", "logs/access.log", "--umask", "027", "--bind", "127.0.0.1:0"]
    words += ["--bind", "unix:web.sock", "--status", "unix:status.sock"]
    pid_file = folder / "server.pid"
    with deployed(folder, *words) as server:
        server.said("serving")
        supervisor = server.process.pid
        serves_as_the_user(server, supervisor)
        modes = {"web.sock": 0o750, "status.sock": 0o600, "logs/access.log": 0o640}
        for name, mode in modes.items():
            state = (folder / name).stat()
            assert (state.st_uid, state.st_gid) == (NOBODY, NOBODY)
            assert state.st_mode & 0o777 == mode
        assert (pid_file.stat().st_uid, pid_file.stat().st_mode & 0o777) == (0, 0o640)
        assert asked_at(folder / "status.sock", "/health/ready") == b"200"
        until(lambda: stacks_are_shown(supervisor), "stacks of the user's processes")
        old = server.workers()
        server.signal(signal.SIGHUP)
        until(lambda: not set(old) & set(server.workers()), "new workers")
        serves_as_the_user(server, supervisor)
        server.signal(signal.SIGUSR2)
        server.said("serves as well")
        new = int(re.findall(r"supervisor (\d+) serves as well", server.log)[-1])
        try:
            assert server.stop() == 0
            serves_as_the_user(server, new)
            assert pid_file.read_text() == f"{new}\n"
        finally:
            os.kill(new, signal.SIGTERM)
            until(lambda: not is_alive(new), "an end")
    assert sorted(file.name for file in folder.iterdir()) == ["logs", "server.log", "site"]


@only_root
def test_a_certificate_that_only_root_may_read_is_renewed_by_a_reload(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(0o700)
    made = self_signed(private, "localhost")
    words = ("--tls-cert", made.cert, "--tls-key", made.key, "--user", "nobody")

    def served() -> str:
        return ssl.get_server_certificate(server.address, timeout=TIMEOUT_S).strip()

    with deployed(folder, "site", *words) as server:
        assert served() == Path(made.cert).read_text().strip()
        self_signed(private, "localhost")
        server.signal(signal.SIGHUP)
        until(lambda: served() == Path(made.cert).read_text().strip(), "the new certificate")
        assert all_are_theirs(server.process.pid)
        assert server.stop() == 0


@only_root
def test_the_application_has_the_umask_and_the_home_of_its_user(folder: Path) -> None:
    (folder / "shop.py").write_text(UMASK)
    with deployed(folder, "shop:app", "--user", "daemon", "--umask", "0o27") as server:
        server.said("serving")
        assert server.get("/") == b"27 /usr/sbin"
        assert ids_of(server.workers()[0])["Uid"] == {1}


@only_root
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("hidden",), "no permission to read the folder"),
        (("site", "--access-log", "access.log"), "access_log: cannot write"),
        (("site", "--trace-sample", "1/1", "--trace-spans", "spans"), "trace_spans: root would"),
    ],
)
def test_what_the_user_may_not_is_said_before_anything_listens(
    words: tuple[str, ...], why: str, folder: Path
) -> None:
    (folder / "hidden").mkdir(0o700)
    (folder / "access.log").symlink_to("new")  # a file of root's would be made there
    with deployed(folder, *words, "--user", "nobody") as server:
        assert server.process.wait(60) == 2
        assert why in server.log
        assert "listening" not in server.log
    assert not (folder / "new").exists()


@only_root
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("target", ("shown",)),
        ("mount", ("{site}", "--mount", "/more=shown")),
        ("auth", ("{site}", "--auth", "shown/users")),
    ],
)
def test_a_relative_path_below_a_folder_that_the_user_may_not_pass(
    setting: str, words: tuple[str, ...], folder: Path
) -> None:
    """As in root's home: what is open there is found, and by its absolute path it is not."""
    home = folder / "home"
    here = home / "here"
    (here / "shown").mkdir(parents=True)
    (here / "shown" / "users").write_text("u:$2y$05$abcdefghijklmnopqrstuv\n")
    home.chmod(0o700)
    chosen = [word.format(site=folder / "site") for word in words]
    with deployed(here, *chosen, "--user", "nobody") as server:
        assert server.process.wait(60) == 2
        assert f"{setting}: this user may not pass the folder '{home}', on the way" in server.log
        assert "listening" not in server.log


@only_root
def test_a_user_who_cannot_read_our_own_modules_hears_it_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a clone in root's home: a worker imports some of them later."""
    rights = Rights(IdentitySettings(user="nobody"))
    monkeypatch.setattr(identity, "MODULES", folder / "site")
    rights.attempt(lambda: None)
    (folder / "hidden").mkdir(0o700)
    monkeypatch.setattr(identity, "MODULES", folder / "hidden")
    with pytest.raises(SettingsError, match=r"may not read .*hidden, where Fivefold's own"):
        rights.attempt(lambda: None)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"user": "not-there"}, "user: there is no user 'not-there'"),
        ({"group": "not-there"}, "group: there is no group 'not-there'"),
        ({"user": "54321"}, "user: 54321 has no entry and so no group: name one"),
        ({"user": "4294967295", "group": "0"}, "there is no user"),  # "leave it" for the kernel
        ({"user": "-1", "group": "0"}, "there is no user"),
        ({"group": "4294967295"}, "there is no group"),
        ({"umask": "999"}, "umask: '999' is not a mode such as 027"),
        ({"umask": "-1"}, "umask: '-1' is not a mode such as 027"),
    ],
)
def test_nonsense_is_refused(settings: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        Rights(IdentitySettings(**settings))


def test_a_service_has_no_user_of_its_own() -> None:
    table = {"target": ".", "bind": "127.0.0.1:0", "user": "nobody"}
    with pytest.raises(SettingsError, match="user: it is for the whole server"):
        Server(Settings(serve=(table,)))


def test_reloading_needs_the_same_user() -> None:
    with pytest.raises(SettingsError, match="reload: it is for development"):
        Server(Settings.of({"target": "a:b", "reload": True, "user": str(os.geteuid())}))


@only_root
def test_without_root_only_the_same_user_will_do() -> None:
    same = IdentitySettings(user=str(NOBODY))
    assert as_nobody(lambda: Rights(same).take()) == "nothing"
    said = as_nobody(lambda: Rights(IdentitySettings(user="root")))
    assert said.startswith("SettingsError: user: only root may serve as another one")


def in_child(look: Callable[[], str]) -> str:
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(theirs, look().encode())
        except BaseException as error:  # noqa: BLE001 - the parent looks at it
            os.write(theirs, repr(error).encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with os.fdopen(ours) as pipe:
        return pipe.read()


@only_root
def test_no_group_is_left_over_and_the_ties_stay() -> None:
    def look() -> str:
        os.setgroups([0, 4, 27])
        die_with_parent(signal.SIGTERM, os.getppid())
        libc.prctl(4, 1, 0, 0, 0)
        Rights(IdentitySettings(user="1234", group="4321")).take()
        number = ctypes.c_int()
        libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(number), 0, 0, 0)
        ids = [os.getresuid(), os.getresgid(), os.getgroups()]
        return f"{ids} {number.value} {libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)}"

    expected = [(1234,) * 3, (4321,) * 3, [4321]]
    assert in_child(look) == f"{expected} {signal.SIGTERM.value} 1"


@only_root
def test_a_way_back_is_refused() -> None:
    """SECBIT_NO_SETUID_FIXUP: a change of the user leaves all capabilities (capabilities(7))."""

    def look() -> str:
        pr_set_securebits, no_setuid_fixup = 28, 1 << 2
        assert libc.prctl(pr_set_securebits, no_setuid_fixup, 0, 0, 0) == 0
        Rights(IdentitySettings(user="nobody")).take()
        return "it was taken"

    assert "lets this process become root again" in in_child(look)


@only_root
def test_only_the_socket_itself_is_given_away(folder: Path) -> None:
    rights = Rights(IdentitySettings(user="nobody"))
    (folder / "root's").write_text("")
    (folder / "link").symlink_to("root's")
    for name in ("root's", "link"):
        rights.give(os.fspath(folder / name))
        assert (folder / name).lstat().st_uid == 0


def test_a_program_that_embeds_the_server_keeps_its_umask(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(UMASK)
    before = os.umask(0o022)
    try:
        path = tmp_path / "web.sock"
        settings = {"target": "shop:app", "chdir": tmp_path, "umask": "077"}
        settings["bind"] = ("127.0.0.1:0", f"unix:{path}")
        with Server(Settings.of(settings)) as server:
            assert path.stat().st_mode & 0o777 == 0o700
            with Client(address_of(server)) as client:
                assert client.get("/").body.startswith(b"77 ")
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
