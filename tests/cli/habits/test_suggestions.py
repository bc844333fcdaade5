"""What is said of a word that is none of ours: what it means elsewhere, and our word for that."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fivefold.cli import COMMANDS, main
from fivefold.cli.habits import suggestions
from fivefold.cli.habits.file_servers import FILE_SERVERS
from fivefold.cli.habits.measuring import BY_COMMAND
from fivefold.cli.habits.nginx import NGINX
from fivefold.cli.habits.translation import PROGRAMS
from fivefold.cli.serve import serve


def fivefold(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="fivefold")


def own(command: click.Command) -> set[str]:
    return {spelling for each in command.params for spelling in (*each.opts, *each.secondary_opts)}


OWN = own(serve)
ELSEWHERE = {"--version"}
"""Options of `fivefold` itself."""


def test_what_is_suggested_is_there() -> None:
    programs = (*PROGRAMS.values(), *FILE_SERVERS, NGINX, suggestions.COMMON)
    for text in (word.ours for program in programs for word in program.words):
        assert set(re.findall(r"--[a-z][a-z0-9-]+", text)) <= OWN | ELSEWHERE
    for text in (word.note for program in programs for word in program.words):
        named = set(re.findall(r"--[a-z][a-z0-9-]+", text))
        assert named <= OWN | ELSEWHERE | {"--help"}
    assert suggestions.COMMANDS.keys() <= set(COMMANDS)


@pytest.mark.parametrize("name", BY_COMMAND)
def test_what_is_suggested_for_a_command_is_there(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for word in BY_COMMAND[name].words:
        named = set(re.findall(r"--[a-z][a-z0-9-]+", f"{word.ours} {word.note}"))
        assert named <= own(command)
        assert not set(word.spellings.split()) & own(command)
        assert fivefold(name, word.spellings.split()[0], "x").exit_code == 2


def test_no_common_word_is_an_option_of_ours() -> None:
    words = suggestions.COMMON.words
    assert not {spelling for word in words for spelling in word.spellings.split()} & OWN


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--timeout", "gunicorn's --timeout is --request-timeout-s here"),
        ("-k", "gunicorn's -k is --serving here"),
        ("-p", "-p is --port here"),
        ("--uds", "uvicorn's and granian's --uds is --bind unix:PATH here"),
        ("--ssl-certfile", "uvicorn's --ssl-certfile is --tls-cert here"),
        ("--worker-processes", "nginx's worker-processes is --workers here"),
        ("--client_max_body_size", "is --body-bytes here"),
        ("--preload", "gunicorn's --preload has no equivalent: each worker imports"),
        ("--directory", "--directory is the argument TARGET here"),
        ("--gzip", "--gzip is --compress here"),
        ("--gzip-static", "nginx's gzip-static is --compress and --precompressed here"),
        ("--listen", "--listen is --bind here"),
        ("-l", "caddy's and npm serve's -l is --bind here"),
        ("-t", "nginx's -t is --check-config here"),
        ("-s", "npm serve's -s is --spa here"),
        ("-c", "-c is --config here"),
        ("-d", "http.server's -d is the argument TARGET here"),
        ("-D", "-D has no equivalent: it stays in the foreground"),
        ("-H", "-H is --header here"),
        # By spelling, where no meaning is known.
        ("--acess-log", "Did you mean"),
    ],
)
def test_an_option_is_answered_by_its_meaning(option: str, said: str) -> None:
    done = fivefold("serve", option, "x")
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("compare -o r.html", "-o is --out here"),
        ("compare -d 30s", "-d is --seconds here"),
        ("compare --bind :80", "it is an option of fivefold serve"),
        ("trace -p 42", "-p is --attach here"),
        ("top -p 42", "-p is the argument PID here"),
        ("lab --host ::", "has no equivalent: the page can be opened on this machine only"),
        ("trace --jsno x", "Did you mean"),
    ],
)
def test_an_option_of_another_command_is_answered_by_its_meaning_there(
    line: str, said: str
) -> None:
    done = fivefold(*line.split())
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-b", ":8000", "."], "fivefold serve -b :8000 ."),
        (["--port", "80"], "fivefold serve --port 80"),
        (["app:app", "-w", "2"], "fivefold serve app:app -w 2"),
        (["run", "app:app"], "fivefold serve app:app"),
        (["sevre", "a b"], "fivefold serve 'a b'"),
        ([":8000"], "fivefold serve --bind :8000"),
        (["8000", "site"], "fivefold serve --bind 8000 site"),
        (["help"], "fivefold --help"),
        (["help", "trace"], "fivefold trace --help"),
        (["gunicorn", "-w", "4", "a:b"], "fivefold translate 'gunicorn -w 4 a:b'"),
        (["bench", "."], "fivefold compare ."),
    ],
)
def test_what_is_no_command_is_answered_with_one_that_can_be_copied(
    words: list[str], line: str
) -> None:
    done = fivefold(*words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].endswith(f": {line}")


def test_what_means_nothing_anywhere_is_no_option_of_serve() -> None:
    assert fivefold("--nonsense").stderr.splitlines()[-1] == "Error: No such option '--nonsense'."


def test_a_key_of_the_file_is_answered_by_its_meaning(tmp_path: Path) -> None:
    config = tmp_path / "fivefold.toml"
    for key, said in (
        ("client_max_body_size", "nginx's client_max_body_size is body_bytes here"),
        ("forwarded_allow_ips", "forwarded_allow_ips is trusted_proxies here"),
        ("workrs", "do you mean workers or"),
    ):
        config.write_text(f"{key} = 1\n")
        done = fivefold("serve", "--config", str(config), "--check-config")
        assert done.exit_code == 2
        assert said in done.stderr
