"""Command lines of other servers, beside the option lists of these servers themselves."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import granian.cli
import hypercorn.__main__
import pytest
import uvicorn.main
from click.testing import CliRunner, Result
from gunicorn.config import Config
from waitress.adjustments import Adjustments, asbool

from fivefold.cli import main
from fivefold.cli.habits.translation import PROGRAMS, translated
from fivefold.cli.habits.word import Word
from fivefold.cli.serve import merged, serve

DAPHNE_HELP = Path(__file__).with_name("daphne-4.2.3-help.txt")
"""It is not installed with the others: its Twisted wants a zope.interface that gevent refuses."""

OLD_PYTHON = {"--tls-cert", "--tls-key", "--tls-password-file"}
"""Of `http.server`, since Python 3.14."""


class Asked(Exception):
    pass


def parser_of(call: Any, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """What the command would read its arguments with."""

    def ask(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise Asked(self)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", ask)
    with pytest.raises(Asked) as asked:
        call()
    parser: argparse.ArgumentParser = asked.value.args[0]
    return parser


def of_argparse(parser: argparse.ArgumentParser) -> Iterator[tuple[str, bool]]:
    for action in parser._actions:
        for spelling in action.option_strings:
            yield spelling, action.nargs in (0, "?")


def of_click(command: Any) -> Iterator[tuple[str, bool]]:
    for each in command.params:
        if each.param_type_name == "option":
            for spelling in (*each.opts, *each.secondary_opts):
                yield spelling, each.is_flag


def of_help(said: str) -> Iterator[tuple[str, bool]]:
    """What `--help` says."""
    for line in said.splitlines():
        for part in line.strip().split(", ") if line.strip().startswith("-") else ():
            spelling, _, rest = part.partition(" ")
            yield spelling, not rest or rest.startswith(" ")


def waitress() -> Iterator[tuple[str, bool]]:
    """As its `parse_args` gives them to getopt."""
    yield "--call", True
    for name, kind in Adjustments._params:
        spelling = name.replace("_", "-")
        yield f"--{spelling}", kind is asbool
        if kind is asbool:
            yield f"--no-{spelling}", True


def real(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Every spelling of the installed server, and whether it takes no value."""
    if name == "gunicorn":
        found = of_argparse(Config().parser())
    elif name == "hypercorn":
        found = of_argparse(parser_of(lambda: hypercorn.__main__.main(["a:b"]), monkeypatch))
    elif name == "http.server":
        words = [sys.executable, "-m", name, "--help"]
        found = of_help(subprocess.run(words, capture_output=True, check=True, text=True).stdout)
    elif name == "daphne":
        found = of_help(DAPHNE_HELP.read_text())
    elif name == "waitress-serve":
        found = waitress()
    else:
        found = of_click({"uvicorn": uvicorn.main, "granian": granian.cli.cli}[name])
    options = dict(found)
    for asked in ("-h", "--help", "--version", *(() if name == "daphne" else ("-v",))):
        options.pop(asked, None)
    return options


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_words_are_those_of_the_server_itself(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {
        spelling: word.flag for word in PROGRAMS[name].words for spelling in word.spellings.split()
    }
    theirs = real(name, monkeypatch)
    here = {spelling: flag for spelling, flag in ours.items() if spelling in theirs}
    assert here == theirs
    assert ours.keys() - theirs.keys() <= {"--version", "-h", "--help", *OLD_PYTHON}


EVERY = [(name, word) for name, program in PROGRAMS.items() for word in program.words]

SAMPLES = {
    "--bind": "127.0.0.1:0",
    "--log-level": "debug",
    "--cert-reqs": "2",
    "--verify-mode": "CERT_REQUIRED",
    "--ssl-cert-reqs": "1",
    "--interface": "wsgi",
    "--lifespan": "on",
    "--asgi-lifespan": "off",
    "--worker-class": "gthread",
    "--forwarded-allow-ips": "10.0.0.1,10.0.0.2",
    "--proxy-allow-from": "10.0.0.1",
    "--uds-permissions": "0600",
    "--umask": "7",
    "--user": "root",
    "--group": "root",
    "--header": "x-a: b",
    "--env": "A=b",
    "--ssl-protocol-min": "tls1.3",
    "--static-path-mount": ".",
    "--host": "127.0.0.1",
    "http.server -b": "127.0.0.1",
    "http.server --bind": "::1",
    "daphne -b": "127.0.0.1",
    "daphne --bind": "::1",
    "--listen": "*:8080",
    "--trusted-proxy": "10.0.0.1",
    "--trusted-proxy-headers": "x-forwarded-for",
    "--unix-socket-perms": "0600",
    "--url-prefix": "/shop",
    "granian --http": "2",
    "--http-protocols": "h1,h2",
    "--directory": ".",
    "--root-path": "/shop",
    "--url-path-prefix": "/shop",
    "--insecure-bind": "127.0.0.1:0",
    "--ws-per-message-deflate": "false",
}


NEEDS = {
    "--tls-": ["--tls-cert", "a.pem"],
    "2": ["--h2c"],
    "--redirect-http": ["--tls-cert", "a.pem"],
    "--tls-client-ca": ["--tls-client-auth", "required"],
    "--tls-client-auth": ["--tls-client-ca", "a.pem"],
    "--proxy-protocol": ["--trusted-proxies", "10.0.0.1"],
    "--max-requests-jitter": ["--max-requests", "100"],
}
"""What options of ours make sense with."""


def check(line: list[str]) -> None:
    """Whether our own parser and settings take it; nothing is served."""
    words = line[line.index("serve") + 1 :]
    for option, needed in NEEDS.items():
        if any(word.startswith(option) for word in words) and needed[0] not in words:
            words += needed
    given = serve.make_context("serve", words).params
    for name in ("config", "check_config", "print_config"):
        given.pop(name)
    merged(given, None).settings()


@pytest.mark.parametrize(
    ("name", "word"), EVERY, ids=[f"{n}{w.spellings.replace(' ', '')}" for n, w in EVERY]
)
def test_every_word_becomes_a_command_line_that_we_take_or_is_answered(
    name: str, word: Word
) -> None:
    for spelling in word.spellings.split():
        keys = (f"{name} {spelling}", word.spellings.split()[-1], spelling)
        value = next((SAMPLES[key] for key in keys if key in SAMPLES), "5")
        argument = [] if name == "http.server" else ["no.such:app"]
        done = translated([name, spelling, *([] if word.flag else [value]), *argument])
        plain = translated([name, *argument])
        assert done.command != plain.command or done.notes not in ([], plain.notes)
        check(done.command)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("gunicorn -w 4 -k gthread app:app", "--workers 4 --serving async app:app"),
        ("gunicorn --threads 8 a:b", "--serving async --threads 8 a:b"),
        ("gunicorn -k gthread --threads=8 a:b", "--serving async --threads 8 a:b"),
        ("gunicorn -w4 -b :80 -b unix:/x a:b", "--workers 4 --bind :80 --bind unix:/x a:b"),
        ("gunicorn -k uvicorn.workers.UvicornWorker a:b", "a:b"),
        ("gunicorn --graceful 5 a:b", "--grace-s 5 a:b"),
        ("gunicorn --timeout 0 --max-requests 0 a:b", "a:b"),
        ("gunicorn -DR a:b", "a:b"),
        ("gunicorn --http-protocols h2,h1 a:b", "--http 1.1,2 a:b"),
        ("python3 -m gunicorn -- a:b", "a:b"),
        ("uvicorn a:b --host 0.0.0.0 --port 80 --reload", "--host 0.0.0.0 --port 80 --reload a:b"),
        ("uvicorn --factory a:b", "a:b()"),
        ("uvicorn --uds /x a:b --no-access-log", "--bind unix:/x --no-access-log a:b"),
        ("hypercorn -b [::]:1 --keep-alive 3 a:b", "--bind [::]:1 --keep-alive-s 3 a:b"),
        ("granian --workers-max-rss 300 a:b", "--max-worker-rss 300M a:b"),
        ("granian --http1-header-read-timeout 2500 a:b", "--head-s 2.5 a:b"),
        ("python -m http.server", "--host 0.0.0.0 --listing"),
        ("python3.12 -m http.server 80 -b ::1 -d x", "--host ::1 x --listing --port 80"),
    ],
)  # fmt: skip
def test_a_command_line_becomes_ours(theirs: str, ours: str) -> None:
    assert translated(shlex.split(theirs)).command == ["fivefold", "serve", *shlex.split(ours)]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("--listen=*:80 --threads=8", "--bind :80 --serving async --threads 8 a:b"),
        ("--listen '127.0.0.1:80 [::1]:80'", "--bind 127.0.0.1:80 --bind [::1]:80 a:b"),
        ("--call --port 80", "--port 80 --host 0.0.0.0 a:b()"),
        ("", "--host 0.0.0.0 --port 8080 a:b"),
        (
            "--host ::1 --trusted-proxy-headers 'forwarded x-forwarded-by'",
            "--host ::1 --forwarded-fields forwarded --port 8080 a:b",
        ),
    ],
)
@pytest.mark.parametrize("program", ["waitress-serve", "python3 -m waitress"])
def test_waitress_listens_everywhere_unless_an_address_is_given(
    program: str, theirs: str, ours: str
) -> None:
    done = translated(shlex.split(f"{program} {theirs} a:b"))
    assert done.command == ["fivefold", "serve", *shlex.split(ours)]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("-b 0.0.0.0 -p 80", "--host 0.0.0.0 --port 80"),
        ("-v 2 -u /run/x", "--access-log - --log-level debug --bind unix:/run/x"),
        ("--verbosity=0 --fd 3", "--log-level warning --no-access-log --bind fd://3"),
        ("-e tcp:80 --websocket-max-message-size 0", ""),
    ],
)
def test_daphne_s_words_become_ours(theirs: str, ours: str) -> None:
    done = translated(shlex.split(f"daphne {theirs} a:b"))
    assert done.command == ["fivefold", "serve", *shlex.split(ours), "a:b"]


def test_what_stands_before_the_command_stays() -> None:
    done = translated(shlex.split("A=1 uv run gunicorn -e B=2 --pythonpath lib a:b"))
    assert done.line() == "A=1 uv run env B=2 PYTHONPATH=lib fivefold serve a:b"
    done = translated(shlex.split("A=1 gunicorn -e B=2 a:b"))
    assert done.line() == "A=1 B=2 fivefold serve a:b"


def fivefold(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_command_prints_the_line_and_says_what_differs() -> None:
    done = fivefold("translate", "gunicorn -w 4 --preload \\\n app:app  # production")
    assert done.stdout == "fivefold serve --workers 4 app:app\n"
    assert "fivefold: --preload: each worker imports the application itself" in done.stderr
    assert "add --serving process" in done.stderr
    same = fivefold("translate", "gunicorn", "-w", "4", "--preload", "app:app")
    assert (same.stdout, same.stderr) == (done.stdout, done.stderr)


def test_programs_can_read_it() -> None:
    done = fivefold("translate", "--json", "uvicorn --factory a:b")
    assert json.loads(done.stdout) == {
        "command": ["fivefold", "serve", "a:b()"],
        "line": "fivefold serve 'a:b()'",
        "notes": ["--factory: a factory is written with ()"],
    }
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lighttpd -f x", "name the whole command line of one of gunicorn, uvicorn"),
        ("gunicorn --nope a:b", "gunicorn has no option --nope"),
        ("gunicorn --log a:b", "gunicorn has no option --log"),
        ("gunicorn a:b -w", "-w needs a value"),
        ("gunicorn 'a:b", "is no command line: No closing quotation"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line_and_status_2(text: str, message: str) -> None:
    done = fivefold("translate", text)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
