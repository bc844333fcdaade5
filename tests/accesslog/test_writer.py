"""Lines on their way to the file: full disks, short writes, a new file."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from fivefold import Server, Settings
from fivefold.accesslog.destination import Destination, Rotation
from fivefold.accesslog.writer import LogFile, Writer
from fivefold.errors import SettingsError
from fivefold.linux.processes import processes_of_tree
from support.client import TIMEOUT_S, Client
from support.servers.embedded import address_of
from support.servers.folder import Serve

LINE = "x" * 99 + "\n"


def until(is_so: Callable[[], bool]) -> None:
    give_up_at = monotonic() + TIMEOUT_S
    while not is_so():
        assert monotonic() < give_up_at
        sleep(0.005)


def test_a_full_disk_stops_nothing_and_what_is_kept_is_written_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    rotation = Rotation()
    writer = Writer(Destination(str(path)), rotation)
    for number in range(30):
        writer.lines += [f"{number:05}{LINE}"] * 500
        writer.flush()
    assert not writer.lines
    path.unlink()
    rotation.turn()
    writer.lines.append("last\n")
    writer.close()
    lines = path.read_text().splitlines()
    assert all(len(line) in (104, 4) for line in lines)
    assert lines == sorted(lines)  # from the first line on, without a gap
    assert lines[0].startswith("00000")
    dropped = 30 * 500 + 1 - len(lines)
    assert dropped > 0
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2, messages
    assert "No space left on device" in messages[0]
    assert messages[1].endswith(f"written again; {dropped} lines were dropped")


def test_a_short_write_is_continued_and_whole_again_in_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rotation = tmp_path / "log", Rotation()
    writer = Writer(Destination(str(path)), rotation)
    room, counting = [250], threading.Lock()
    write = os.write

    def short(fd: int, data: memoryview) -> int:
        with counting:  # the file is seen to have grown before this has counted it
            if not room[0]:
                raise OSError(errno.ENOSPC, "full")
            done = write(fd, data[: room[0]])
            room[0] -= done
            return done

    monkeypatch.setattr(os, "write", short)
    writer.lines += [f"{number}{LINE}" for number in range(4)]
    writer.flush()
    until(lambda: path.exists() and path.stat().st_size == 250)
    with counting:
        room[0] = 100
    writer.lines.append(f"4{LINE}")
    writer.flush()
    until(lambda: path.stat().st_size == 350)
    path.rename(tmp_path / "old")
    rotation.turn()
    with counting:
        room[0] = 10_000
    writer.close()
    assert (tmp_path / "old").read_text().splitlines()[:3] == [f"{n}{LINE[:-1]}" for n in range(3)]
    assert path.read_text().splitlines() == [f"3{LINE[:-1]}", f"4{LINE[:-1]}"]


@pytest.mark.parametrize("step", ["take", "write"])
def test_lines_for_which_there_is_no_memory_for_a_moment_are_written_later(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, failed = tmp_path / "log", threading.Event()
    writer, done = Writer(Destination(str(path)), Rotation()), getattr(LogFile, step)

    def failing(*arguments: object) -> None:
        if not failed.is_set():
            failed.set()
            raise MemoryError
        done(*arguments)

    monkeypatch.setattr(LogFile, step, failing)
    writer.lines.append("first\n")
    writer.flush()
    assert failed.wait(TIMEOUT_S)
    writer.lines.append("second\n")
    writer.close()
    assert path.read_text() == "first\nsecond\n"
    messages = [record.getMessage() for record in caplog.records]
    assert "MemoryError; 1024 KiB of lines are kept" in messages[0]
    assert messages[1].endswith("written again; 0 lines were dropped")
    assert len(messages) == 2


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_a_thread_that_cannot_be_started_fails_no_client_and_is_tried_again(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    writer = Writer(Destination(str(path)), Rotation())

    def refused(_: threading.Thread) -> None:
        raise error("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        writer.lines.append("first\n")
        writer.flush()
    writer.flush()  # without another line
    until(lambda: path.exists() and path.read_text() == "first\n")
    writer.close()


def test_threads_that_append_and_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = Writer(Destination(str(path)), Rotation())

    def work(name: int) -> None:
        for number in range(2000):
            writer.lines.append(f"{name}.{number}\n")
            if number % 7 == 0:
                writer.flush()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    lines = path.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 8000


@pytest.mark.parametrize("path", ["missing/log", "."])
def test_a_log_that_cannot_be_written_is_reported_at_once(path: str, tmp_path: Path) -> None:
    settings = Settings(target=str(tmp_path), access_log=str(tmp_path / path), bind=("[::1]:0",))
    with pytest.raises(SettingsError, match=r"access_log: cannot write .*; name a file"):
        Server(settings).check_target()


def test_the_server_answers_while_its_log_is_full(serve: Serve) -> None:
    with serve(access_log="/dev/full") as address, Client(address) as client:
        for _ in range(500):
            assert client.get("/1.bin", User_Agent="x" * 200).status == 200


@pytest.mark.parametrize("serving", ["async", "process"])
def test_sigusr1_to_the_whole_tree_harms_nobody(serving: str, site: Path, tmp_path: Path) -> None:
    """As `systemctl kill -s USR1` sends it; also where there is no log."""
    settings = Settings(target=str(site), bind=("127.0.0.1:0",), serving=serving)
    with Server(settings) as server:
        for pid in processes_of_tree(server.pid):
            os.kill(pid, signal.SIGUSR1)
        with Client(address_of(server)) as client:
            assert client.get("/1.bin").status == 200
