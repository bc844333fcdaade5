"""A renewed certificate outlives the worker that has read it, in every serving model."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from fivefold import Server, Settings
from fivefold.errors import SettingsError
from fivefold.serving import MODELS
from fivefold.transport.tls.certificates import Certificates
from fivefold.transport.tls.options import TlsSettings
from support.client import TIMEOUT_S
from support.openssl import EC, Made, openssl, self_signed
from support.process_tree import workers_of
from support.servers.embedded import address_of
from support.servers.logged import logged

Address = tuple[str, int]


def served(address: Address) -> str:
    """The certificate, as a client gets it; no client has a session to resume."""
    return ssl.get_server_certificate(address, timeout=TIMEOUT_S).strip()


def until(address: Address, wanted: Callable[[str], bool]) -> None:
    give_up_at = monotonic() + TIMEOUT_S
    while True:
        try:
            if wanted(served(address)):
                return
        except OSError:
            pass  # its worker has just died
        assert monotonic() < give_up_at
        sleep(0.02)


def text(made: Made) -> str:
    return Path(made.cert).read_text().strip()


@contextmanager
def serving(made: Made, site: Path, **settings: object) -> Iterator[tuple[Server, Address]]:
    files = {"tls_cert": made.cert, "tls_key": made.key}
    values = {"target": str(site), "bind": "127.0.0.1:0", "grace_s": 5.0, **files, **settings}
    with Server(Settings.of(values)) as server:
        yield server, address_of(server)


@pytest.mark.parametrize("settings", [*({"serving": name} for name in MODELS), {"workers": 3}])
@pytest.mark.parametrize("loss", ["nonsense", "gone"])
def test_a_new_worker_serves_what_another_has_read(
    settings: dict[str, object], loss: str, tmp_path: Path, site: Path
) -> None:
    made = self_signed(tmp_path, "localhost")
    first = text(made)
    with serving(made, site, **settings) as (server, address):
        assert served(address) == first
        self_signed(tmp_path, "localhost")
        second = text(made)
        os.kill(server.pid, signal.SIGHUP)  # its workers look at once, others within 2 seconds
        until(address, lambda shown: shown == second)
        for path in (made.cert, made.key):
            if loss == "gone":
                Path(path).unlink()
            else:
                Path(path).write_text("nonsense")
        for end in (signal.SIGHUP, signal.SIGKILL):
            before = workers_of(server.pid)
            if end == signal.SIGHUP:
                os.kill(server.pid, end)
            for pid in before if end == signal.SIGKILL else ():
                os.kill(pid, end)
            give_up_at = monotonic() + TIMEOUT_S
            while before & workers_of(server.pid):
                assert monotonic() < give_up_at
                sleep(0.02)
            until(address, bool)
            for _ in range(6):
                assert served(address) == second


@pytest.mark.parametrize("serving_model", MODELS)
def test_relative_paths_are_those_of_the_start(
    serving_model: str, tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers go to another folder (`--chdir`), and look for a renewed certificate there."""
    first, following = self_signed(tmp_path, "first"), self_signed(tmp_path, "following")
    old, new = text(first), text(following)
    monkeypatch.chdir(tmp_path)
    relative = Made(Path(first.cert).name, Path(first.key).name)
    with serving(relative, site, serving=serving_model, chdir=str(site)) as (_, address):
        until(address, lambda found: found == old)
        Path(following.key).replace(first.key)
        Path(following.cert).replace(first.cert)
        until(address, lambda found: found == new)


def test_what_cannot_be_used_is_said_once_and_tried_again(tmp_path: Path, site: Path) -> None:
    """By all workers together, those that come later included."""
    made = self_signed(tmp_path, "localhost")
    with logged(tmp_path / "log"), serving(made, site, workers=2) as (server, address):
        Path(made.key).write_text("nonsense")
        for _ in range(2):
            before = workers_of(server.pid)
            os.kill(server.pid, signal.SIGHUP)
            give_up_at = monotonic() + TIMEOUT_S
            while before & workers_of(server.pid):
                assert monotonic() < give_up_at
                sleep(0.02)
        self_signed(tmp_path, "localhost")
        until(address, lambda shown: shown == text(made))
    said = [line for line in (tmp_path / "log").read_text().splitlines() if "is not used" in line]
    assert len(said) == 1, said
    assert "holds no private key" in said[0]


def name_that_is_no_text(made: Made) -> None:
    """OpenSSL takes it; Python's ssl raises UnicodeDecodeError, neither SSLError nor OSError."""
    files = ["-keyout", made.key, "-out", made.cert]
    name = "subjectAltName=DER:30:06:82:04:6d:fc:6c:6c"
    openssl("req", *EC, "-nodes", "-x509", "-subj", "/CN=x", *files, "-addext", name)


def fifo_without_writer(made: Made) -> None:
    Path(made.cert).unlink()
    os.mkfifo(made.cert)


@pytest.mark.parametrize("spoil", [name_that_is_no_text, fifo_without_writer])
@pytest.mark.parametrize("model", MODELS)
def test_no_file_stops_a_worker(
    model: str, spoil: Callable[[Made], None], tmp_path: Path, site: Path
) -> None:
    made = self_signed(tmp_path, "localhost")
    first = text(made)
    log = tmp_path / "log"
    with logged(log), serving(made, site, serving=model) as (server, address):
        before = workers_of(server.pid)
        spoil(made)
        until(address, lambda _: "is not used" in log.read_text())
        assert served(address) == first
        assert workers_of(server.pid) == before
        Path(made.cert).unlink()
        self_signed(tmp_path, "localhost")
        until(address, lambda shown: shown == text(made))


def test_a_name_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    name_that_is_no_text(made)
    with pytest.raises(SettingsError, match="has a name that cannot be read"):
        Certificates(TlsSettings(tls_cert=(made.cert,), tls_key=(made.key,)))


def test_openssl_sees_it_too(tmp_path: Path, site: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    with serving(made, site) as (server, address):
        self_signed(tmp_path, "localhost", "second.example")
        os.kill(server.pid, signal.SIGHUP)
        until(address, lambda shown: shown == text(made))
        Path(made.cert).unlink()
        for pid in workers_of(server.pid):
            os.kill(pid, signal.SIGKILL)
        until(address, bool)
        command = ["openssl", "s_client", "-connect", "{}:{}".format(*address), "-showcerts"]
        done = subprocess.run(command, check=False, capture_output=True, input=b"", timeout=30)
        shown = subprocess.run(
            ["openssl", "x509", "-noout", "-ext", "subjectAltName"],
            check=True,
            capture_output=True,
            input=done.stdout,
        )
        assert b"second.example" in shown.stdout


def test_who_gives_up_its_rights_waits_for_others_that_read(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    certificates = Certificates(TlsSettings(tls_cert=(made.cert,), tls_key=(made.key,)))
    before = certificates.current()
    reads, go_on = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        with certificates._renewals.alone() as alone:  # as a process that reads
            os.write(reads[1], b"1" if alone else b"0")
            os.read(go_on[0], 1)
        os._exit(0)
    assert os.read(reads[0], 1) == b"1"
    self_signed(tmp_path, "localhost")
    assert not certificates._look()
    assert certificates.current() is before
    os.write(go_on[1], b"1")
    certificates.look_now()
    os.waitpid(pid, 0)
    assert certificates.current() is not before
    for fd in (*reads, *go_on):
        os.close(fd)
