"""A user's mistake is answered in a line or two, with a status, and never with a traceback."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fivefold.cli import main

FILES = {
    "broken.py": "import no_such_module_anywhere\n",
    "wrong.py": "def app(:\n",
    "leaves.py": "raise SystemExit(5)\n",
    "interrupts.py": "raise KeyboardInterrupt\n",
    "raises.py": "1 / 0\n",
    "number.py": "app = 5\n",
    "text.txt": "nothing that anybody asked for\n",
    "bad.toml": "workers = = 2\n",
    "type.toml": 'workers = "many"\n',
    "limits.toml": '[limits]\nkeep_alive_s = "long"\n',
    "flat.toml": "limits = 5\n",
    "host.toml": 'host = "a"\n',
    "hosts.toml": '[[host]]\nnmae = "a"\n',
    "services.toml": "[[serve]]\nworkers = 0\n",
    "nul.toml": 'target = "a\\u0000b"\n',
    "nuls.toml": 'header = ["*: a: \\u0000"]\n',
    "bind.toml": "bind = 8000\n",
    "typo.toml": "[limits]\nkeep_alive = 5\n",
    "where.toml": "[shop]\nworkers = 2\n",
    "log.toml": "version = 7\n",
    "report.json": "{}",
    "list.json": "[1, 2]",
    "half.json": '{"format": ',
    "urls.txt": "no slash\n",
    "empty.txt": "",
    "users": "nobody\n",
    "site/index.html": "hello\n",
}

SERVE = """
nothing-there | app:missing | 'app:' | ':app' | 'a..b:c' | 'site:app' | /dev/null | text.txt
broken:app | wrong:app | leaves:app | interrupts:app | raises:app | number:app | json:dumps
number:app.x.y | 'number:make()' | 'json:dumps()' | broken.py | wrong.py | site/index.html
site --bind localhost | site -b 127.0.0.1:99999 | site -b 127.0.0.1:-1 | site -b :x
site -b '[::1' | site -b unix: | site -b fd://x
site -b tcp://1:2 | site -b http://127.0.0.1:8000 | site -b '' | site --port 99999 | site --port x
site -b 127.0.0.1:8001 --port 8001
site --io quick | site --io epoll:uring | site --serving fast | site --serving async --fresh
site --workers 0 | site --workers -1 | site --workers x | site --serving process -w 2
site --threads 0 | site --max-connections 0 | site --io posix --serving async --max-connections 9999
site --io blocking --serving async --overload 503
site --mount /x | site --mount x=site | site --mount /a=nothing | site --mount /a=text.txt
site --auth nothing | site --auth site | site --auth text.txt | site --auth users
site --tls-cert nothing | site --tls-cert text.txt | site --tls-key text.txt | site --tls-min 9
site --redirect-http :80 | site --tls-client-ca nothing | site --http 9
site --config nothing | site --config site | site --config bad.toml | site --config type.toml
site --config limits.toml | site --config flat.toml | --config host.toml | --config hosts.toml
--config services.toml | --config nul.toml | site --config nuls.toml | site --config bind.toml
site --config latin.toml
site --env-file nothing | site --env-file site | app:app --env-file latin.toml
site --log-config nothing | site --log-config log.toml | site --log-config bad.toml
site --log-level loud | site --log-format xml | site -q --log-level debug | site -v -q
site --access-log site | site --access-log /nothing/there/log
site --access-log-format '{nonsense}'
site --access-log-format '{' | site --access-log a --no-access-log
site --error-page 404 | site --error-page x=y | site --error-page 404=nothing
site --error-page 99=a
site --mime x | site --header x | site --cache-control x | site --content-encoding x
site --spa nothing
site --cors '' | site --root-path x
site --trusted-proxies nonsense | site --forwarded-fields x | site --proxy-protocol
site --trace-sample 2 | site --trace-sample 1/0 | site --status nonsense
site --trace-spans /nothing/x
site --user no-such-user | site --group no-such-group | site --umask 999 | site --unix-mode rw
site --chdir nothing | site --grace-s 0 | site --grace-s nan | site --grace-s inf | site --head-s x
site --max-requests 0 | site --max-worker-rss 5X | site --interface wsgi | site --interface cgi
site --asgi-extensions x | site --lifespan maybe | site --slow-request-s -1 | site --port
site --no-such-option | site extra words | site --listing=maybe
"""

OTHERS = """
trace | serv site | -x | --bind :8000 | models extra | completion | completion tcsh | man extra
trace nothing | trace site nothing | trace site extra words
trace site /nothing --json /nothing/there
trace --attach 0 | trace --attach 99999999 | trace --attach x | trace --attach 1 --timeout 0
trace site / --io quick | trace site / --serving fast | trace broken:app /
compare nothing | compare site --io quick | compare site --serving fast
compare site --scenario odd | compare site --against nobody | compare site --paths nothing
compare site --paths urls.txt | compare site --paths empty.txt | compare --report nothing
compare --report report.json --out a.html | compare --report list.json --out a.html
compare --report half.json --out a.html | compare site --seconds 0 | compare site --rounds 0
compare site --against http://example.org:80 | compare site --out /nothing/there/a.html
stacks 0 | stacks 99999999 | stacks x | top 0 | top 99999999 | top 1 --interval-s 0
translate | translate 'gunicorn \"' | translate '' | translate nothing
"""

LINES = 5
"""click's usage, a hint and our line; what an application says at its import besides."""


OF_PYTHON = ("Errno", "codec", "invalid literal", "openat2", "valid float", " a int", "<class")
"""Words that say how it was noticed, not what is wrong."""

SENTENCES = {
    "site 8080": "unexpected extra argument (8080): a port is --port 8080",
    "site --root x": "No such option '--root': --root is the argument TARGET here\n",
    "site --autoindex": "No such option '--autoindex': nginx's autoindex is --listing here",
    "nothing-there": "there is no folder 'nothing-there' in {folder}, and an application is named",
    "site/index.html": "is a file, not a folder; to serve the folder in which it is, name 'site'",
    "text.txt": "is a file, not a folder; to serve the folder in which it is, name '.'",
    "number:app": "number:app is of type int, which cannot be called: name the application",
    "'number:make()'": "number has no attribute 'make'",
    "--workers x": "workers: 'x' is not a whole number, or auto (option --workers)",
    "--head-s x": "head_s: 'x' is not a number (option --head-s)",
    "--bind localhost": "(for example localhost:8000)",
    "--bind '[::1'": "in brackets, and its port behind them, such as [::1]:8000",
    "--tls-cert text.txt": "tls_cert: text.txt holds no certificate in PEM form",
    "--tls-key text.txt": "tls_key: 1 named, but of tls_cert 0: give a key for each certificate",
    "--config flat.toml": "limits is a table: write [limits], and its settings below it",
    "--config hosts.toml": "nmae: there is no such setting of a host; do you mean name?",
    "--config latin.toml": "cannot read latin.toml: line 1 is not UTF-8: save the file in this",
    "--config bad.toml": "bad.toml is not TOML: Invalid value (at line 1, column 11)",
    "--config typo.toml": "keep_alive: there is no such setting",
    "--config where.toml": "shop: there is no such setting; `fivefold serve --help-all`",
    "--env-file site": "env_file: 'site' is not a file",
    "--log-config bad.toml": "it is not TOML (Invalid value (at line 1, column 11)); JSON belongs",
    "-q --log-level debug": "--quiet means 'warning' here: give one of the two",
    "site --spa nothing": "spa: cannot read 'nothing' in 'site': No such file or directory",
}
"""What is wrong, where, and what to do."""


def split(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line]
    return [each.strip() for line in lines for each in line.split(" | ")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "latin.toml").write_bytes(b'target = "caf\xe9"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said_of(words: list[str]) -> tuple[int, str]:
    done = CliRunner().invoke(main, words, prog_name="fivefold")
    unexpected = done.exception and not isinstance(done.exception, SystemExit)
    assert not unexpected, f"{words}: {done.exception!r}"
    return done.exit_code, done.output


@pytest.mark.parametrize("line", split(SERVE))
def test_of_serve(line: str, folder: Path) -> None:
    status, said = said_of(["serve", *shlex.split(line), "--check-config"])
    assert status in {1, 2}, said
    assert "Traceback" not in said or "application" in said
    assert 0 < len(said.splitlines()) <= LINES, said
    assert not [word for word in OF_PYTHON if word in said], said


@pytest.mark.parametrize("line", SENTENCES)
def test_the_line_says_what_where_and_what_to_do(line: str, folder: Path) -> None:
    said = said_of(["serve", *shlex.split(line), "--check-config"])[1]
    assert SENTENCES[line].format(folder=folder) in said


def test_a_trace_that_cannot_be_written_is_not_begun(folder: Path) -> None:
    words = ["trace", "site", "/", "--unprivileged", "--html"]
    assert said_of([*words, "/nothing/there"]) == (
        2,
        "fivefold: html: cannot write /nothing/there: No such file or directory\n",
    )


@pytest.mark.parametrize("line", split(OTHERS))
def test_of_other_commands(line: str, folder: Path) -> None:
    status, said = said_of(shlex.split(line.removeprefix("| ")))
    assert status in {1, 2}, said
    assert "Traceback" not in said
    assert said
    assert not [word for word in OF_PYTHON if word in said], said
    assert os.listdir(folder)  # the folder is ours again: no command has left it
