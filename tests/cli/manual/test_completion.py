"""Completion, as the shells themselves ask for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fivefold.cli import COMMANDS, main
from fivefold.cli.manual.topics import TOPICS
from fivefold.iomodels import choices

BASH = """
eval "$(fivefold completion bash)"
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_fivefold_completion fivefold
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def bash(words: str) -> list[str]:
    """What bash would offer for the last of these words."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH.format(words=words)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PATH": path},
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("fivefold ''", list(COMMANDS)),
        ("fivefold se", ["serve"]),
        ("fivefold serve --tls-k", ["--tls-key", "--tls-key-password-file"]),
        ("fivefold serve --serving ''", ["auto", "process", "thread", "async"]),
        ("fivefold serve --io e", ["epoll"]),
        ("fivefold serve -w a", ["auto"]),
        ("fivefold serve --log-level d", ["debug"]),
        ("fivefold trace --serving a", ["async"]),
        ("fivefold trace --io u", ["uring"]),
        ("fivefold compare --help s", ["servers"]),
        ("fivefold serve --help t", [name for name in TOPICS if name.startswith("t")]),
        ("fivefold serve --bind ''", []),
        ("fivefold completion ''", ["bash", "zsh", "fish"]),
    ],
)
def test_bash_completes_words_and_values(words: str, offered: list[str]) -> None:
    assert bash(words) == offered


def test_every_engine_is_offered() -> None:
    assert bash("fivefold serve --io ''") == ["auto", *choices()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_reads_what_is_printed_for_it(shell: str) -> None:
    """Where it is installed; everywhere, that it asks our command."""
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    assert f"_FIVEFOLD_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=60)


ZSH = """
compdef() { : }
compadd() { print -l -- $completions }
_describe() { print -l -- ${completions_with_descriptions%%:*} }
_path_files() { print -- paths $1 }
eval "$(fivefold completion zsh)"
words=(fivefold serve --io e) CURRENT=4; _fivefold_completion
words=(fivefold se) CURRENT=2; _fivefold_completion
words=(fivefold serve --access-log '') CURRENT=4; _fivefold_completion
"""
"""The three ways in which zsh takes what it is offered are functions here: it completes only where
somebody types."""

FISH = """
fivefold completion fish | source
complete -C 'fivefold serve --io e' | string replace -r '\t.*' ''
complete -C 'fivefold se' | string replace -r '\t.*' ''
complete -C 'fivefold serve --access-log ' > /dev/null; and echo paths -f
"""


@pytest.mark.parametrize(
    ("words", "script"), [(["zsh", "-f", "-c"], ZSH), (["fish", "-N", "-c"], FISH)]
)
def test_other_shells_complete_too(words: list[str], script: str, tmp_path: Path) -> None:
    """CI has both; elsewhere they may be missing."""
    if not shutil.which(words[0]):
        return
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(tmp_path)}
    done = subprocess.run(
        [*words, script], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert done.stdout.splitlines() == ["epoll", "serve", "paths -f"], done.stderr


def test_another_shell_is_refused_with_the_choices() -> None:
    done = CliRunner().invoke(main, ["completion", "tcsh"])
    assert done.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr
