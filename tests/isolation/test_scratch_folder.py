"""Temporary folders of programs that are killed, and of those that are not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from fivefold.isolation.scratch_folder import MARK, scratch_folder
from support.process_tree import open_files

USER = """
import sys
from fivefold.isolation.scratch_folder import scratch_folder
with scratch_folder("test", sys.argv[1]) as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def user(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that has a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(parent)],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_program_leaves_is_removed_by_the_next_one(tmp_path: Path) -> None:
    killed, left = user(tmp_path)
    (left / "stderr").write_text("its last words")
    living, used = user(tmp_path)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert left.exists()
    with scratch_folder("test", str(tmp_path)) as mine:
        assert sorted(tmp_path.iterdir()) == sorted([mine, used])
    living.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_what_only_has_such_a_name_stays(tmp_path: Path) -> None:
    results = tmp_path / "fivefold-test-results"
    results.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARK).touch()
    (tmp_path / "fivefold-test-link").symlink_to(elsewhere)
    (tmp_path / "fivefold-other-kind").mkdir()
    before = sorted(tmp_path.iterdir())
    with scratch_folder("test", str(tmp_path)):
        pass
    assert sorted(tmp_path.iterdir()) == before


def test_it_is_for_this_user_alone_and_a_child_keeps_no_lock(tmp_path: Path) -> None:
    with scratch_folder("test", str(tmp_path)) as mine:
        assert mine.stat().st_mode & 0o777 == 0o700
        with subprocess.Popen(
            "cat", close_fds=False, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as child:
            assert child.stdin
            assert child.stdout
            child.stdin.write(b"x")
            assert child.stdout.read(1) == b"x"  # its libraries are read, their files closed
            links = open_files(child.pid)
    assert len(links) >= len(("standard input", "output", "error"))
    assert not any(MARK in each for each in links)
