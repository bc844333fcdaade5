"""What fails for want of something is tried again: no event will tell when it is there."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fivefold.errors import DeadlineExceeded
from fivefold.iomodels.files import Helped
from fivefold.iomodels.interface import File, IOModel
from fivefold.iomodels.nonblocking import Nonblocking
from fivefold.linux import page_cache
from support.applicable import only
from support.engines.fixtures import Pair, makes_calls, received_by

SHORTAGES = [errno.ENOMEM, errno.ENOBUFS]


def failing(call: Callable[..., Any], number: int, times: float) -> Callable[..., Any]:
    """`call`, which fails so often before it works."""
    left = [times]

    def wrapped(*arguments: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(number, "shortage")
        return call(*arguments)

    return wrapped


@only(makes_calls)
@pytest.mark.parametrize("number", SHORTAGES)
def test_calls_that_find_no_memory(
    number: int, io: IOModel, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, peer = pair()
    for name in ("_recv", "_send", "_sendfile"):
        monkeypatch.setattr(connection, name, failing(getattr(connection, name), number, 2))
    path = tmp_path / "file"
    path.write_bytes(b"content")

    async def main() -> bytes:
        peer.sendall(b"question")
        question = await connection.recv()
        await connection.send(b"answer ")
        with path.open("rb") as opened:
            await connection.send_file(b"head ", File(opened.fileno(), 7), 0, 7)
        connection.shutdown_send()
        await connection.close()
        return question

    connection.deadline = monotonic() + 30
    assert io.run(main()) == b"question"
    assert received_by(peer) == b"answer head content"


@only(makes_calls)
@pytest.mark.parametrize("operation", ["recv", "send"])
def test_a_shortage_without_end_meets_the_deadline(
    operation: str, io: IOModel, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, peer = pair()
    monkeypatch.setattr(connection, f"_{operation}", failing(print, errno.ENOMEM, float("inf")))

    async def main() -> None:
        peer.sendall(b"question")
        connection.deadline = monotonic() + 0.1
        await (connection.recv() if operation == "recv" else connection.send(b"x"))

    with pytest.raises(DeadlineExceeded):
        io.run(main())


def test_a_helper_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor, or no thread: the file is read in place, and nothing leaks."""
    path = tmp_path / "file"
    path.write_bytes(b"content")

    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with path.open("rb") as opened:
        highest = opened.fileno()
        for missing, failure in (
            ("os.dup", failing(print, errno.EMFILE, 1)),
            ("concurrent.futures.ThreadPoolExecutor.submit", no_thread),
        ):
            helped = Helped(print)
            with monkeypatch.context() as patched:
                patched.setattr(page_cache, "CAN_TELL", False)
                patched.setattr(missing, failure)
                reading = helped.read(File(opened.fileno(), 7), 0, 7)
                with pytest.raises(StopIteration) as result:
                    next(reading)
            helped.close()
            assert result.value.value == b"content"
        with path.open("rb") as next_one:
            assert next_one.fileno() == highest + 1


def test_without_preadv2(
    io: IOModel, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A C library may lack it: who needs it says so, the others read by other means."""
    monkeypatch.delattr("os.RWF_NOWAIT")
    monkeypatch.setattr(page_cache, "CAN_TELL", False)
    reason = Nonblocking.available()
    assert reason is not None
    assert "RWF_NOWAIT" in reason
    if type(io).available() is not None:
        return
    connection, _ = pair()
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as opened:
        assert io.run(connection.read_file(File(opened.fileno(), 7), 0, 7)) == b"content"
