"""Logging belongs to the application: what it configures works, and hides nothing of ours."""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import subprocess
import sys
import textwrap
from asyncio import CancelledError
from pathlib import Path

import pytest

from fivefold.cli.speaking import Lines
from fivefold.cli.starting import Stopped
from fivefold.isolation.reporting import Log, logger, report
from fivefold.processes.ending import TimeIsOver
from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import asked_at, deployed

APPLICATION = """
import logging, logging.config, sys

def configure():
CONFIGURE

def app(environ, start_response):
    if environ["PATH_INFO"] == "/configure":
        configure()
    elif environ["PATH_INFO"] == "/fail":
        logging.getLogger("shop").info("sold")
        raise ValueError("of the shop")
    start_response("200 OK", [])
    return [b"fine"]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    body = app({"PATH_INFO": scope["path"]}, lambda *_: None)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body[0]})

if AT_IMPORT:
    configure()
"""

BASIC = 'logging.basicConfig(filename="shop.log", level="INFO")'

DICT = """logging.config.dictConfig({
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": "shop.log"}},
        "root": {"handlers": ["file"], "level": "INFO"},
    })"""

FILE = """logging.config.fileConfig(__import__("io").StringIO(
        "[loggers]\\nkeys=root\\n[handlers]\\nkeys=f\\n[formatters]\\nkeys=\\n"
        "[logger_root]\\nlevel=INFO\\nhandlers=f\\n"
        "[handler_f]\\nclass=FileHandler\\nargs=('shop.log',)\\n"))"""

FAILING = """
class Failing(logging.Handler):
    def emit(self, record):
        raise OSError("the log host is away")
logging.getLogger("fivefold").addHandler(Failing())
logging.getLogger("fivefold.wsgi").addFilter(lambda record: 1 / 0)
logging.basicConfig(filename="shop.log", level="INFO")"""

CLOSED = """
sys.stderr.close()
sys.stderr = None
logging.basicConfig(filename="shop.log", level="INFO")"""


def written(folder: Path, configure: str, *, at_import: bool) -> None:
    body = textwrap.indent(configure or "pass", "    ")
    code = APPLICATION.replace("CONFIGURE", body).replace("AT_IMPORT", str(at_import))
    (folder / "shop.py").write_text(code)


@pytest.mark.parametrize(
    ("serving", "application"),
    [("process", "shop:app"), ("thread", "shop:asgi"), ("async", "shop:app")],
)
@pytest.mark.parametrize("configure", [BASIC, DICT, FILE], ids=["basic", "dict", "file"])
def test_an_application_configures_logging(
    tmp_path: Path, serving: str, application: str, configure: str
) -> None:
    written(tmp_path, configure, at_import=True)
    with deployed(tmp_path, application, "--serving", serving) as server:
        with Client(server.address) as client:
            assert client.get("/fail").status == 500
        server.said("failed at /fail")
        server.said("ValueError: of the shop")
        assert server.log.count("ValueError: of the shop") == 1
        assert "sold" in (tmp_path / "shop.log").read_text()
        assert server.stop() == 0


@pytest.mark.parametrize("configure", [DICT, FAILING, CLOSED], ids=["dict", "failing", "closed"])
@pytest.mark.parametrize("application", ["shop:app", "shop:asgi"])
def test_logging_that_is_configured_late_or_fails_hides_nothing(
    tmp_path: Path, application: str, configure: str
) -> None:
    written(tmp_path, configure, at_import=False)
    with deployed(tmp_path, application, "--serving", "thread") as server:
        with Client(server.address) as client:
            assert client.get("/configure").status == 200
        with Client(server.address) as client:
            assert client.get("/fail").status == 500
        server.said("failed at /fail")
        server.said("ValueError: of the shop")
        with Client(server.address) as client:
            assert client.get("/").status == 200
        assert "sold" in (tmp_path / "shop.log").read_text()
        assert server.stop() == 0


@pytest.mark.parametrize("serving", MODELS)
@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-"])
def test_a_log_that_nobody_can_write_stops_nothing(
    tmp_path: Path, serving: str, redirected: str
) -> None:
    written(tmp_path, "", at_import=False)
    # The address is known by the socket alone: nothing can be said.
    command = [sys.executable, "-m", "fivefold", "serve", "shop:app", "--serving", serving]
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh", *command]
    with subprocess.Popen([*shell, "--bind", "unix:shop.sock"], cwd=tmp_path) as process:
        try:
            for path, status in (("/fail", b"500"), ("/", b"200")):
                assert asked_at(tmp_path / "shop.sock", path) == status
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, GeneratorExit, CancelledError])
def test_whatever_a_filter_raises_ends_in_its_record(
    raised: type[BaseException], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ours = failing_logger(raised)
    monkeypatch.setattr(signal, "getsignal", lambda _: None)  # as in workers
    ours.warning("the limit of %d is reached", 7)
    said = capfd.readouterr().err
    assert "fivefold.tested: the limit of 7 is reached" in said
    assert f"(logging it failed: {raised.__name__}" in said


def test_what_could_not_be_logged_cannot_look_like_a_line_of_ours(
    capfd: pytest.CaptureFixture[str],
) -> None:
    try:
        raise ValueError("of a client\n2026-11-28T00:00:00 INFO forged\x1b[31m\u2028x")
    except ValueError as error:
        report(failing_logger(OSError), "failed", error=error)
    first, *others = capfd.readouterr().err.splitlines()
    assert first.endswith(f"ERROR [{os.getpid()}] fivefold.tested: failed")
    assert all(line.startswith("    ") for line in others)
    assert r"    2026-11-28T00:00:00 INFO forged\x1b[31m\u2028x" in others


@pytest.mark.parametrize("raised", [Stopped, TimeIsOver, KeyboardInterrupt])
def test_what_a_signal_raises_passes_through_logging(raised: type[BaseException]) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(raised):
        failing_logger(raised).warning("the limit is reached")


def failing_logger(raised: type[BaseException]) -> Log:
    def fails(_: logging.LogRecord) -> bool:
        raise raised

    ours = Log("fivefold.tested")
    ours.addFilter(fails)
    return ours


def test_a_program_that_embeds_the_server_configures_its_logging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = logger("fivefold.test")
    logging.config.dictConfig({"version": 1, "incremental": False, "root": {}})
    logging.getLogger().addHandler(caplog.handler)  # dictConfig has taken it away
    logging.disable(logging.CRITICAL)
    log.error("is heard")
    logging.disable(logging.NOTSET)
    logging.getLogger("fivefold").setLevel(logging.CRITICAL)
    try:
        log.error("is not")
    finally:
        logging.getLogger("fivefold").setLevel(logging.NOTSET)
    assert [record.getMessage() for record in caplog.records] == ["is heard"]


def test_what_a_client_sends_cannot_look_like_a_line_of_ours() -> None:
    record = logging.LogRecord(
        "fivefold.http", logging.ERROR, "", 0, "failed at %s", ("/\r\x1b[31m\n\x85forged",), None
    )
    assert Lines("%(name)s: %(message)s").format(record) == (
        "fivefold.http: failed at /\\r\\x1b[31m\n    \\x85forged"
    )
