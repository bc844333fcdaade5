"""The server's own log: what stands in each line, and where `--log-config` has it go."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.command_line import fivefold
from support.servers.deployed import Deployed, asked_at, deployed, until

SHOP = """
import logging, logging.config, os

CONFIGURE

def app(environ, start_response):
    raise ValueError("of the shop, in " + str(os.getpid()))
"""

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"

FORGED = "2026-11-28T21:39:47.856+00:00 ERROR [1] fivefold: forged"

TO_ROOT = """
[handlers.file]
class = "logging.FileHandler"
filename = "server.file"
formatter = "own"
[formatters.own]
format = "OWN %(levelname)s %(name)s %(message)s"
[root]
handlers = ["file"]
"""

TO_OURS = json.dumps(
    {
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": "server.file"}},
        "loggers": {"fivefold": {"handlers": ["file"], "level": "WARNING"}},
    }
)

APPLICATIONS_OWN = {
    "basic": "logging.basicConfig(level='INFO', force=True)",
    "dict": "logging.config.dictConfig({'version': 1, 'handlers': {'e': {'class':"
    " 'logging.StreamHandler'}}, 'root': {'handlers': ['e'], 'level': 'INFO'}})",
}
"""Each puts a handler of its own at the root, for standard error."""


def failed_once(server: Deployed) -> None:
    with Client(server.address) as client:
        assert client.get("/").status == 500


def written(folder: Path, configure: str = "") -> None:
    (folder / "shop.py").write_text(SHOP.replace("CONFIGURE", configure))


@pytest.mark.parametrize("serving", MODELS)
def test_every_line_has_time_level_and_process(tmp_path: Path, serving: str) -> None:
    written(tmp_path, f"logging.getLogger('shop').error('by nobody\\n{FORGED}')")
    with deployed(tmp_path, "shop:app", "--serving", serving) as server:
        failed_once(server)
        server.said("of the shop")
        assert server.stop() == 0
    processes: Counter[int] = Counter()
    for line in server.log.splitlines():
        if not line.startswith(" "):
            match = re.fullmatch(
                rf"{TIME} (INFO|ERROR) \[(\d+)\] (?:fivefold[a-z.]*|shop): .+", line
            )
            assert match, line
            assert line != FORGED
            processes[int(match[2])] += 1
    assert f" shop: by nobody\n    {FORGED}\n" in server.log
    said_by = re.search(r"of the shop, in (\d+)", server.log)
    assert said_by
    assert {server.process.pid, int(said_by[1])} <= set(processes)


def test_lines_of_json_and_a_level(tmp_path: Path) -> None:
    written(tmp_path)
    with deployed(tmp_path, "shop:app", "--log-format", "json", "--threads", "3") as server:
        failed_once(server)
        server.said("of the shop")
        assert server.stop() == 0
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert all(re.fullmatch(TIME, line["time"]) for line in lines)
    said = {line["level"]: line for line in lines}
    assert said["INFO"]["process"] == server.process.pid
    assert said["ERROR"]["logger"] == "fivefold.wsgi"
    assert said["ERROR"]["traceback"].splitlines()[-1].startswith("ValueError: of the shop")


def test_a_level_leaves_out_what_is_below(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    socket = tmp_path / "socket"
    with deployed(tmp_path, ".", "--log-level", "error", "--bind", f"unix:{socket}") as server:
        assert asked_at(socket, "/") == b"200"
        assert server.stop() == 0
    assert server.log == ""


@pytest.mark.parametrize("own", APPLICATIONS_OWN.values(), ids=APPLICATIONS_OWN)
@pytest.mark.parametrize(
    ("name", "config"), [("log.toml", TO_ROOT), ("log.json", TO_OURS)], ids=["root", "ours"]
)
def test_a_configuration_of_logging_loses_and_doubles_nothing(
    tmp_path: Path, name: str, config: str, own: str
) -> None:
    written(tmp_path, own)
    (tmp_path / name).write_text(config)
    socket = tmp_path / "socket"
    arguments = ("--log-config", name, "--bind", f"unix:{socket}")
    with deployed(tmp_path, "shop:app", *arguments) as server:
        assert asked_at(socket, "/") == b"500"
        if config is TO_ROOT:  # a server that is stopped before says nothing of it
            until(lambda: "listening on" in (tmp_path / "server.file").read_text(), "its line")
        assert server.stop() == 0
    text = (tmp_path / "server.file").read_text()
    assert text.count("Traceback") == 1
    assert text.count("ValueError: of the shop") == 1
    assert ("OWN INFO fivefold listening on" in text) == (config is TO_ROOT)
    assert server.log == ""


def test_a_configuration_without_a_handler_leaves_standard_error(tmp_path: Path) -> None:
    (tmp_path / "log.toml").write_text('[loggers.shop]\nlevel = "INFO"\n')
    with deployed(tmp_path, ".", "--log-config", "log.toml") as server:
        server.said("listening on")
        assert server.stop() == 0
    assert re.match(rf"{TIME} INFO \[\d+\] fivefold: listening", server.log)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read: No such file"),
        ("handlers = [", "Invalid value"),
        ('[handlers.a]\nclass = "logging.Nothing"', "Unable to configure handler 'a'"),
        ('[root]\nhandlers = ["none"]', "none"),
        ("version = 7", "Unsupported version: 7"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path: Path, text: str | None, reason: str) -> None:
    config = tmp_path / "log.toml"
    if text is not None:
        config.write_text(text)
    done = fivefold("serve", str(tmp_path), "--log-config", str(config), "--check-config")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"fivefold: log_config: {config}: ")
    assert reason in line
    assert line.endswith("(option --log-config)")
