"""What a user may have meant by a word that is none of ours: by its meaning, then its spelling.

A word of another server is answered with ours for the same, whatever its spelling: `--timeout`
is near to `--mime` and `--mount`, and means `--request-timeout-s`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from .file_servers import FILE_SERVERS
from .measuring import BY_COMMAND
from .nginx import NGINX
from .translation import PROGRAMS, STARTED_BY
from .word import Program, Word

COMMON = Program(
    "",
    (
        Word("--address --listen --interfaces --addr --ip --socket", "--bind"),
        Word("-p -P", "--port"),
        Word("--unix --sock --unix-socket", "--bind unix:PATH"),
        Word("--dir --directory --root --path --folder --docroot --public", "TARGET"),
        Word("--app --application --module --wsgi --asgi", "TARGET"),
        Word("--processes --procs --concurrency -j --jobs", "--workers"),
        Word("--worker-class --model", "--serving"),
        Word("--ssl --https --tls --cert --certificate --ssl-cert", "--tls-cert"),
        Word("--key --ssl-key --private-key", "--tls-key"),
        Word("--debug", "--log-level debug"),
        Word("--silent", "--log-level warning --no-access-log"),
        Word("--watch --dev --autoreload", "--reload"),
        Word("--daemonize --background --detach -d", note="it stays in the foreground"),
        Word("--log --logs --log-file", "--access-log --log-config"),
        Word("--gzip --brotli --compression", "--compress"),
        Word("--index --ls --browse --directory-listing", "--listing"),
        Word("--single --fallback --history", "--spa"),
        Word("--404 --not-found", "--error-page 404=FILE"),
        Word("--cache --max-age", "--cache-control"),
        Word("--headers -H", "--header"),
        Word("--password --basic-auth --htpasswd", "--auth"),
        Word("--prefix --base-path --base-url --mount-path", "--root-path"),
        Word("--proxy --real-ip --forwarded", "--trusted-proxies"),
        Word("--metrics --health --prometheus --stats", "--status"),
        Word("--max-body --max-body-size --max-upload", "--body-bytes"),
        Word("--keepalive --keep-alive-timeout", "--keep-alive-s"),
        Word("--memory --max-memory --rss", "--max-worker-rss"),
        Word("--pidfile", "--pid-file"),
        Word("--env --dotenv", "--env-file"),
        Word("--cwd --workdir --working-directory --app-dir", "--chdir"),
        Word("--event-loop --backend --engine", "--io"),
    ),
)
"""Words that no single server owns."""

ARGUMENTS = ("TARGET", "PID")

COMMANDS = {
    "serve": ("run", "start", "server", "up", "dev", "runserver", "listen", "s"),
    "compare": ("bench", "benchmark", "measure", "load"),
    "man": ("manual", "help", "doc", "docs"),
    "models": ("list", "info", "doctor", "pairs", "io"),
    "stacks": ("stack", "dump", "py-spy", "threads", "debug"),
    "top": ("ps", "status", "monitor", "live", "ctl"),
    "trace": ("strace", "profile", "explain", "request"),
    "translate": ("migrate", "convert", *STARTED_BY),
}
"""Words for commands, elsewhere; what is called by another server's name is to be translated."""


def by_meaning(text: str) -> list[str]:
    """A sentence for each meaning that an option, a key or a directive has elsewhere."""
    # nginx's directives are no options: only what nobody else knows is one of them.
    return _sentences(text, (COMMON, *PROGRAMS.values(), *FILE_SERVERS)) or _sentences(
        text, (NGINX,)
    )


def by_meaning_for(command: str, text: str) -> list[str]:
    """The same for an option of a command of ours that serves for no long time."""
    program = BY_COMMAND.get(command)
    return _sentences(text, (program,)) if program else []


def _sentences(text: str, programs: Iterable[Program]) -> list[str]:
    spelling = text.lstrip("-").replace("_", "-")
    found: dict[str, list[str]] = {}
    for program in programs:
        for word in _named(program, text, spelling):
            found.setdefault(_meaning(word), []).append(program.name)
    if any(meaning.startswith("is ") for meaning in found):
        found = {meaning: names for meaning, names in found.items() if meaning.startswith("is ")}
    return [
        f"{_owners(names)}{spelling if programs == (NGINX,) else text} {meaning}"
        for meaning, names in found.items()
    ]


def _named(program: Program, text: str, spelling: str) -> Iterable[Word]:
    for word in program.words:
        spellings = word.spellings.split()
        long = {each.lstrip("-").replace("_", "-") for each in spellings if len(each) > 2}  # noqa: PLR2004 - -x
        if text in spellings or spelling in long:
            yield word


def _meaning(word: Word) -> str:
    if not word.ours:
        return f"has no equivalent: {word.note}"
    ours = f"the argument {word.ours}" if word.ours in ARGUMENTS else word.ours
    if " " in ours and " --" in ours and not ours.startswith("--serving"):
        ours = " and ".join(f"--{each}" for each in ours.removeprefix("--").split(" --"))
    return f"is {ours} here" + (f" ({word.note})" if word.note else "")


def _owners(names: list[str]) -> str:
    named = [f"{name}'s" for name in names if name]
    return "" if "" in names or not named else " and ".join(named) + " "


def command_for(text: str, commands: Iterable[str]) -> str | None:
    """Which command a word means, by its meaning or its spelling."""
    for command, words in COMMANDS.items():
        if text in words:
            return command
    near = difflib.get_close_matches(text, list(commands), n=1)
    return near[0] if near else None
