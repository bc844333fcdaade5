"""The command line as a user meets it: words, messages, statuses."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fivefold import Settings
from fivefold.errors import SettingsError
from support.command_line import COMMAND, fivefold
from support.servers.deployed import deployed

WRONG = {
    "unknown serving model": (["--serving", "fibre"], "serving: 'fibre' is unknown"),
    "unknown I/O model": (["--io", "magic"], "io: 'magic' is unknown"),
    "no such address": (["--bind", "nowhere"], "bind: 'nowhere' is not HOST:PORT"),
    "port out of range": (["--bind", "127.0.0.1:99999"], "at most 65535"),
    "no such folder": (["/does/not/exist"], "there is no folder '/does/not/exist'"),
    "a file": (["/etc/hostname"], "is a file, not a folder"),
    "a module without an application": ([__file__], "defines none of application, app"),
    "where to listen": (["8000"], "if it is where to listen: --bind 8000"),
    "workers of processes": (["--serving", "process", "--workers", "2"], "--workers is for"),
    "fresh event loop": (["--serving", "async", "--fresh"], "makes no process or thread for"),
    "no workers": (["--workers", "0"], "workers: 0 must be a number greater than zero"),
    "unlimited select": (
        ["--io", "select", "--max-connections", "5000"],
        "FD_SETSIZE",
    ),
    "no such option": (["--colour"], "No such option"),
    "a field of ours": (["--header", "*: Date: now"], "header: Date is set by the server itself"),
    "no field": (["--header", "X-A: b"], "header: 'X-A: b' is not 'GLOB: NAME: VALUE'"),
    "no media type": (["--mime", "txt=text"], "mime: 'txt=text' is not .EXT=TYPE/SUBTYPE"),
    "no origin": (["--cors", "example.com"], "cors: 'example.com' is not an origin"),
    "no page": (["--error-page", "404=none.html"], "error_page: cannot read 'none.html' in"),
    "no such error": (["--error-page", "200=a"], "is not STATUS=FILE with a STATUS of 403"),
    "no application page": (["--spa", "none.html"], "spa: cannot read 'none.html' in"),
    "page of an application": (
        ["wsgiref.simple_server:demo_app", "--spa", "index.html"],
        "spa: it is for a folder",
    ),
    "nobody": (["--auth", "/does/not/exist"], "auth: "),
    "no configuration": (["--config", "/does/not/exist"], "cannot read /does/not/exist"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_one_clear_line_and_status_2(case: str) -> None:
    arguments, message = WRONG[case]
    done = fivefold("serve", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_status_1_and_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fivefold("serve", "--bind", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert "choose another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_models_lists_every_pair_and_engine() -> None:
    table = json.loads(fivefold("models", "--json").stdout)
    assert len(table["pairs"]) == 15
    assert [row["engine"] for row in table["engines"]] == [
        "blocking",
        "nonblocking",
        "epoll",
        "poll",
        "select",
        "sigio",
        "uring",
        "posix",
    ]
    for row in (*table["pairs"], *table["engines"]):
        assert row["available"] or row["reason"]
    assert table["auto"] == {
        "folder": "async + multiplexing",
        "WSGI application": "thread + blocking",
        "ASGI application": "async + multiplexing",
    }
    assert [(row["http"], row["available"]) for row in table["http"]] == [
        ("1.1", True),
        ("2", True),
    ]
    text = fivefold("models").stdout
    assert "available (ngh2 " in text
    for row in table["pairs"]:
        assert f"{row['serving']} + {row['io']}" in text


def test_settings_come_from_file_environment_and_command_line_in_this_order(
    tmp_path: Path,
) -> None:
    config = tmp_path / "fivefold.toml"
    config.write_text('workers = 2\nserving = "thread"\nio = "poll"\n[limits]\nbody_bytes = 7\n')
    done = fivefold(
        *("serve", str(tmp_path), "--config", str(config), "--io", "select", "--print-config"),
        FIVEFOLD_SERVING="async",
        FIVEFOLD_IO="epoll",
        FIVEFOLD_BIND="127.0.0.1:0 [::1]:0",
    )
    printed = tomllib.loads(done.stdout)
    assert printed["workers"] == 2
    assert printed["serving"] == "async"
    assert printed["io"] == "select"
    assert printed["bind"] == ["127.0.0.1:0", "[::1]:0"]
    assert printed["limits"]["body_bytes"] == 7


def test_rules_come_from_file_and_environment_and_may_contain_spaces(tmp_path: Path) -> None:
    config = tmp_path / "fivefold.toml"
    config.write_text('listing = true\n[rules]\nheader = ["*.pdf: X-A: b c"]\nspa = "a b.html"\n')
    done = fivefold(
        *("serve", str(tmp_path), "--config", str(config), "--print-config"),
        FIVEFOLD_CACHE_CONTROL="*.css: max-age=1, public\n*.js: no-store",
    )
    rules = tomllib.loads(done.stdout)["rules"]
    assert rules["listing"] is True
    assert rules["spa"] == "a b.html"
    assert rules["header"] == ["*.pdf: X-A: b c"]
    assert rules["cache_control"] == ["*.css: max-age=1, public", "*.js: no-store"]


def test_what_print_config_prints_can_be_read_again(tmp_path: Path) -> None:
    printed = fivefold("serve", str(tmp_path), "--print-config").stdout
    config = tmp_path / "printed.toml"
    config.write_text(printed)
    assert fivefold("serve", "--config", str(config), "--print-config").stdout == printed


def test_settings_that_are_right_are_called_so() -> None:
    done = fivefold("serve", "--check-config", "--bind", ":8001")
    assert done.returncode == 0
    assert "the settings are right: serving the folder " in done.stderr
    assert done.stderr.endswith(", on :8001\n")
    assert "right" not in fivefold("serve", "--check-config", "--bind", "x:y").stderr
    assert fivefold("serve", "--check-config", "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"FIVEFOLD_WORKERS": "many"}, "workers: 'many' is not a whole number"),
        ({"FIVEFOLD_WORKERS": "many"}, "(variable FIVEFOLD_WORKERS)"),
    ],
)
def test_a_wrong_environment_is_named(environment: dict[str, str], message: str) -> None:
    done = fivefold("serve", "--check-config", **environment)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    "name", ["chdir", "root_path", "auth", "env_file", "access_log", "unix_mode", "trace_spans"]
)
def test_what_a_file_holds_instead_of_a_text(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: 5 is not a text: put it in quotes"):
        Settings.of({name: 5})


@pytest.mark.parametrize(("io", "each"), [("blocking", 2), ("multiplexing:epoll", 1)])
def test_a_thread_that_hears_of_one_address_has_a_worker_for_each(
    io: str, each: int, site: Path
) -> None:
    words = ("--serving", "thread", "--io", io, "--bind", "127.0.0.1:0", "--bind", "[::1]:0")
    with deployed(site, str(site), *words) as server:
        server.said("serving the folder")
        assert (", 1 worker for each address\n" in server.log) == (each > 1)
        assert len(server.workers()) == each
        assert server.stop() == 0


def test_curl_gets_the_bytes_over_ipv4_ipv6_and_a_unix_socket(site: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    binds = ["--bind", "127.0.0.1:0", "--bind", "[::1]:0", "--bind", f"unix:{path}"]
    with subprocess.Popen(
        [*COMMAND, "serve", str(site), *binds], stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        said = [next(server.stderr) for _ in range(3)]
        urls = re.findall(r"http://\S+", "".join(said))
        assert len(urls) == 2
        how = "async + multiplexing:epoll, 1 worker"
        assert said[2].endswith(f"listening on unix:{path}\n")
        said_last = f" serving the folder {site} with {how}\n"
        assert next(server.stderr).endswith(said_last)
        for where in (
            [f"{urls[0]}/1m.bin"],
            [f"{urls[1]}/1m.bin"],
            ["--unix-socket", str(path), "http://t/1m.bin"],
        ):
            got = subprocess.run(
                ["curl", "-sSg", *where], capture_output=True, check=True, timeout=60
            )
            assert got.stdout == (site / "1m.bin").read_bytes()
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    assert not path.exists()


def test_serving_does_not_import_what_compares() -> None:
    """Whose import would be a quarter of the time until a server listens."""
    code = "import sys, fivefold.cli as c; c.main.get_command(None, 'serve'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fivefold.cli.serve" in done.stdout.split()
    assert not [name for name in done.stdout.split() if name.startswith("fivefold.compare")]
