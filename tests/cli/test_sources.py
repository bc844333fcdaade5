"""Where settings come from, as people and platforms set them, and what is said of wrong ones."""

from __future__ import annotations

import os
import socket
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fivefold.cli import main
from fivefold.listening.sockets import Address

KUBERNETES = {
    "FIVEFOLD_SERVICE_HOST": "10.0.0.1",
    "FIVEFOLD_SERVICE_PORT": "80",
    "FIVEFOLD_PORT": "tcp://10.0.0.1:80",
    "FIVEFOLD_PORT_80_TCP": "tcp://10.0.0.1:80",
    "FIVEFOLD_PORT_80_TCP_ADDR": "10.0.0.1",
}
"""What its kubelet sets in every pod beside a Service that is called fivefold."""


def fivefold(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def printed(*arguments: str, **environment: str) -> dict[str, object]:
    done = fivefold("serve", *arguments, "--print-config", **environment)
    assert done.exit_code == 0, done.stderr
    return tomllib.loads(done.stdout)


def test_variables_that_are_no_settings_are_passed_over_with_a_warning(
    capfd: pytest.CaptureFixture[str],
) -> None:
    done = fivefold("serve", "--check-config", **KUBERNETES)
    assert done.exit_code == 0
    said = capfd.readouterr().err
    for variable in KUBERNETES:
        assert f"fivefold: {variable}: there is no such setting" in said
    done = fivefold("serve", "--check-config", FIVEFOLD_WORKRS="2")
    assert done.exit_code == 0
    assert "do you mean FIVEFOLD_WORKERS" in capfd.readouterr().err


def test_a_wrong_value_says_where_it_came_from(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text("workers = 0\n")
    cases: tuple[tuple[tuple[str, ...], dict[str, str], str], ...] = (
        (("--config", str(config)), {}, f"(key workers in {config})"),
        ((), {"FIVEFOLD_WORKERS": "0"}, "(variable FIVEFOLD_WORKERS)"),
        (("--workers", "0"), {"FIVEFOLD_WORKERS": "2"}, "(option --workers)"),
        ((), {"FIVEFOLD_KEEP_ALIVE_S": "-1"}, "(variable FIVEFOLD_KEEP_ALIVE_S)"),
        (("/does/not/exist",), {}, "(argument TARGET)"),
    )
    for arguments, environment, place in cases:
        done = fivefold("serve", *arguments, "--check-config", **environment)
        assert done.exit_code == 2
        assert place in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "bind"),
    [
        (("-b", "127.0.0.1:1"), {}, ["127.0.0.1:1"]),
        (("--host", "::1", "--port", "2"), {}, ["[::1]:2"]),
        (("--host", "10.1.2.3"), {}, ["10.1.2.3:8000"]),
        (("--port", "3"), {"FIVEFOLD_BIND": "127.0.0.1:9"}, ["127.0.0.1:3"]),
        ((), {"PORT": "4"}, ["0.0.0.0:4"]),
        (("--host", "127.0.0.2"), {"PORT": "4"}, ["127.0.0.2:4"]),
        (("--bind", "127.0.0.1:5"), {"PORT": "4"}, ["127.0.0.1:5"]),
        ((), {"PORT": "tcp://10.0.0.1:80"}, ["127.0.0.1:8000"]),
    ],
)
def test_addresses_are_written_as_people_write_them(
    arguments: tuple[str, ...], environment: dict[str, str], bind: list[str]
) -> None:
    assert printed(*arguments, **environment)["bind"] == bind


def test_an_address_may_be_a_port_alone() -> None:
    assert (Address.parse(":81").host, Address.parse(":81").port) == ("0.0.0.0", 81)
    assert (Address.parse("81").host, Address.parse("81").port) == ("127.0.0.1", 81)


def test_two_words_for_one_address_are_refused() -> None:
    done = fivefold("serve", "--bind", "127.0.0.1:1", "--port", "2")
    assert done.exit_code == 2
    assert "give one of the two" in done.stderr


def test_web_concurrency_is_the_number_of_workers_unless_set() -> None:
    assert printed("--serving", "async", WEB_CONCURRENCY="3")["workers"] == 3
    assert printed("-w", "2", WEB_CONCURRENCY="3")["workers"] == 2
    assert printed("--serving", "process", WEB_CONCURRENCY="3")["workers"] == 1
    for wrong, said in (("many", "is not a whole number, or auto"), ("0", "greater than zero")):
        done = fivefold("serve", "--check-config", WEB_CONCURRENCY=wrong)
        assert done.exit_code == 2
        assert said in done.stderr
        assert "(variable WEB_CONCURRENCY)" in done.stderr


def test_auto_is_a_worker_for_each_processor() -> None:
    several = range(1, len(os.sched_getaffinity(0)) + 1)
    assert printed("--workers", "auto")["workers"] in several
    assert printed("--workers", "auto", "--serving", "process")["workers"] == 1
    assert printed(WEB_CONCURRENCY="auto") == printed(FIVEFOLD_WORKERS="auto")
    done = fivefold("serve", "--workers", "auto4", "--check-config")
    assert done.exit_code == 2


def test_settings_without_effect_are_explained(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "env"
    empty.touch()
    application = "wsgiref.simple_server:demo_app"
    cases = (
        ((application, "--threads", "2"), "threads: it has no effect here"),
        ((application, "--inline"), "inline: it has no effect here"),
        ((application, "--no-websocket-deflate"), "websocket_deflate: it has no effect here"),
        ((application, "--lifespan-s", "2"), "lifespan_s: it has no effect here"),
        ((".", "--ws-queue-bytes", "5"), "websocket_queue_bytes: it has no effect here"),
        ((application, "--listing"), "listing: it has no effect here: it is for folders"),
        ((".", "--tls-min", "1.3"), "tls_min: it has no effect here: add --tls-cert"),
        ((".", "--tls-handshake-s", "3"), "tls_handshake_s: it has no effect here"),
        ((".", "--access-log-format", "json"), "access_log_format: it has no effect here"),
        ((".", "--reload-dir", "."), "reload_dir: it has no effect here"),
        ((".", "--env-file", str(empty)), "env_file: it has no effect here"),
    )
    for arguments, message in cases:
        done = fivefold("serve", *arguments, "--check-config")
        assert done.exit_code == 0, done.stderr
        assert message in capfd.readouterr().err
    without: list[tuple[str, ...]] = [
        (application, "--serving", "async", "--threads", "2"),
        (application, "--mount", "/files=.", "--listing"),
        (".", "--listing", "--head-s", "3"),
        (".", "--otel", "--env-file", str(empty)),
    ]
    for words in without:
        done = fivefold("serve", *words, "--check-config")
        assert (done.exit_code, done.stderr) == (0, "")
        assert "no effect" not in capfd.readouterr().err


def test_short_options_and_help() -> None:
    assert fivefold("-V").stdout.partition(", version ")[2]
    assert "--workers" in fivefold("serve", "-h").stdout


@pytest.mark.parametrize("prefix", ["--websocket-", "--ws-"])
def test_websockets_are_set_by_their_long_name_or_the_usual_one(prefix: str) -> None:
    options = (f"{prefix}message-bytes", "1", f"{prefix}queue-bytes", "2")
    settings = printed(f"--no-{prefix[2:]}deflate", *options, FIVEFOLD_WEBSOCKET_PING_S="3")
    assert settings["websocket_deflate"] is False
    limits = settings["limits"]
    assert isinstance(limits, dict)
    assert limits["websocket_message_bytes"] == 1
    assert limits["websocket_queue_bytes"] == 2
    assert limits["websocket_ping_s"] == 3.0
    assert printed(f"{prefix}deflate", FIVEFOLD_WEBSOCKET_DEFLATE="no")["websocket_deflate"] is True
    assert printed(FIVEFOLD_WEBSOCKET_DEFLATE="no")["websocket_deflate"] is False


def test_a_dash_is_standard_output(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("x")
    done = fivefold("trace", str(tmp_path), "/", "--unprivileged", "--json", "-")
    assert done.stdout.startswith("{"), done.stderr
    assert not Path("-").exists()


def test_one_io_model_and_all_of_them_contradict(tmp_path: Path) -> None:
    done = fivefold("trace", str(tmp_path), "/", "--all-io", "--io", "sigio")
    assert done.exit_code == 2
    assert "give one of the two" in done.stderr


def test_a_port_alone_is_listened_on() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert printed("--bind", str(port))["bind"] == [str(port)]


def test_an_application_may_be_named_as_elsewhere_and_its_source_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "wsgi.py").write_text("def application(environ, start_response): ...\n")
    monkeypatch.chdir(tmp_path)
    for target in ("shop.wsgi", "shop/wsgi.py"):
        assert printed(target)["target"] == "shop.wsgi:application"
    assert printed("--chdir", "shop", "wsgi.py")["target"] == "wsgi:application"
    (tmp_path / "manage.py").touch()
    assert fivefold("serve", "--check-config", "shop.wsgi").exit_code == 0
    for folder in ((), (".",), (str(tmp_path),)):
        done = fivefold("serve", "--check-config", *folder)
        assert done.exit_code == 2
        assert "PROJECT.wsgi:application" in done.stderr
    assert fivefold("serve", "--check-config", "--interface", "static").exit_code == 0


@pytest.mark.parametrize(
    ("short", "meant"),
    [
        ("-q", {"log_level": "warning", "access_log": "off"}),
        ("--quiet", {"log_level": "warning", "access_log": "off"}),
        ("-v", {"log_level": "debug"}),
        ("--no-access-log", {"access_log": "off"}),
    ],
)
def test_one_word_stands_for_others(short: str, meant: dict[str, str]) -> None:
    settings = printed(short)
    flat = {**settings, **settings["log"]}  # type: ignore[dict-item]
    assert {name: flat[name] for name in meant} == meant
    assert printed(short, *(f"--{n.replace('_', '-')}={v}" for n, v in meant.items())) == settings
    for name in meant:
        done = fivefold("serve", short, f"--{name.replace('_', '-')}=error")
        assert done.exit_code == 2
        assert "here: give one of the two" in done.stderr
