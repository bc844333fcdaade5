"""`ps ax` says who is who, in every serving model; a program that embeds the server keeps its
name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.processes.titles import ProcessTitle
from support.command_line import fivefold
from support.process_tree import descendants_of
from support.servers.deployed import CRASHES, deployed, until

ROLES = {
    "process": {"worker 1", "acceptor of worker 1", "connection process of worker 1"},
    "thread": {"worker 1", "worker 2"},
    "async": {"worker 1", "worker 2"},
}

APART = {"control process for trace, stacks and top", "status process"}

EMBEDDING = """
import sys
from pathlib import Path
import fivefold

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]

if __name__ == "__main__":
    fivefold.serve(app, bind="127.0.0.1:0", access_log="off")
"""


def title_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    except OSError:
        return ""


def titles_below(pid: int) -> Iterator[str]:
    return map(title_of, descendants_of(pid))


@pytest.mark.parametrize("serving", ROLES)
def test_each_process_says_what_it_is(serving: str, tmp_path: Path) -> None:
    (tmp_path / "crashes.py").write_text(CRASHES)
    several = () if serving == "process" else ("--workers", "2")
    environment = title_environment()
    words = ("crashes:app", "--serving", serving, "--status", "127.0.0.1:0", *several)
    with deployed(tmp_path, *words) as server:
        server.answers()
        host, port = server.address
        supervisor = server.process.pid
        about = f" [crashes:app] {serving}+"
        where = f" http://{host}:{port}"
        expected = ROLES[serving] | APART

        def roles() -> set[str]:
            found = [text for text in titles_below(supervisor) if text.startswith("fivefold: ")]
            assert all(text.endswith(where) for text in found if len(text) < environment), found
            return {text.removeprefix("fivefold: ").partition(about)[0] for text in found}

        until(lambda: roles() == expected, f"{expected}")
        assert title_of(supervisor).startswith(f"fivefold: supervisor{about}")
        variables = Path(f"/proc/{server.workers()[0]}/environ").read_bytes()
        assert f"PATH={os.environ['PATH']}".encode() in variables  # a title takes no room of theirs

        def are_shown() -> bool:
            shown = fivefold("stacks", str(supervisor)).stdout  # nothing where it took too long
            return all(f"({role})" in shown for role in expected | {"supervisor"})

        until(are_shown, "the same words in `fivefold stacks`")
        assert server.stop() == 0


def title_environment() -> int:
    """A title that is shorter was not cut: it is as long as a server's command line at most."""
    return len(f"{sys.executable} -m fivefold serve crashes:app --serving async")


def test_a_program_that_embeds_the_server_keeps_its_name(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(EMBEDDING)
    with subprocess.Popen([sys.executable, program], stderr=subprocess.DEVNULL) as process:
        try:
            until(
                lambda: any(
                    text.startswith("fivefold: worker 1") for text in titles_below(process.pid)
                ),
                "a worker",
            )
            assert title_of(process.pid) == f"{sys.executable}\0{program}"
        finally:
            process.terminate()


def test_a_title_that_is_too_long_is_cut() -> None:
    script = "import sys; from fivefold.processes.titles import title; title.is_for('x' * 99999);"
    script += "title.be('worker 1'); print(open('/proc/self/cmdline').read(), end='')"
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert shown.startswith("fivefold: worker 1 xxx")
    assert len(shown) == len(sys.executable) + len(script) + 5
    assert shown.endswith("x\0")


def test_without_a_place_for_it_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> None:
        raise FileNotFoundError(text)

    monkeypatch.setattr("fivefold.processes.titles.show_command_line", refuse)
    title = ProcessTitle()
    title.be("worker 1")
    assert title.name == "worker 1"
