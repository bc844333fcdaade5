"""Messages between a websocket's connection and its application's tasks."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any, cast

import pytest
from websockets.frames import Frame, Opcode

from fivefold.content.asgi.websocket.inbox import Inbox

AHEAD = 3
MOST_BYTES = 10_000

MESSAGE = {"type": "websocket.receive", "text": "x"}


async def opened() -> Inbox:
    inbox = Inbox(cast("Any", None), AHEAD, MOST_BYTES)
    assert await inbox.take() == {"type": "websocket.connect"}
    return inbox


def test_a_message_passes_over_a_listener_that_gives_up() -> None:
    async def main() -> Any:
        inbox = await opened()
        leaving, staying = [asyncio.ensure_future(inbox.take()) for _ in range(2)]
        await asyncio.sleep(0)
        leaving.cancel()
        inbox.put(MESSAGE)
        inbox.deliver()  # it is the first in the row, and has not heard yet that it is cancelled
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        return await staying

    assert asyncio.run(asyncio.wait_for(main(), 30)) == MESSAGE


def test_listeners_are_served_in_their_order() -> None:
    async def main() -> list[Any]:
        inbox = await opened()
        listeners = [asyncio.ensure_future(inbox.take()) for _ in range(3)]
        await asyncio.sleep(0)
        for number in range(3):
            inbox.put({"type": "websocket.receive", "number": number})
            inbox.deliver()
        return await asyncio.gather(*listeners)

    assert asyncio.run(main()) == [
        {"type": "websocket.receive", "number": number} for number in range(3)
    ]


def test_it_is_full_above_what_is_read_ahead() -> None:
    async def main() -> None:
        inbox = await opened()
        for _ in range(AHEAD + 1):
            assert not inbox.full
            inbox.put(MESSAGE)
        assert inbox.full
        await inbox.take()
        assert not inbox.full

    asyncio.run(main())


@pytest.mark.parametrize(
    ("opcode", "data"),
    [
        (Opcode.BINARY, bytes(MOST_BYTES)),
        (Opcode.TEXT, b"x" * MOST_BYTES),
        (Opcode.TEXT, b"x" * (MOST_BYTES // 4) + "😀".encode()),
    ],
    ids=["bytes", "text", "text of which one character makes four bytes of each"],
)
def test_it_is_full_above_so_many_bytes_of_memory(opcode: Opcode, data: bytes) -> None:
    async def main() -> None:
        inbox = await opened()
        for count, kept in ((1, True), (0, False), (1, True), (0, False)):
            if count:
                inbox.put_frame(Frame(opcode, data))
            else:
                await inbox.take()
            assert inbox.full is kept

    asyncio.run(main())


def test_fragments_take_the_memory_of_their_message() -> None:
    """Two bytes in an object of their own would take 35, and a pointer to it eight."""

    async def main() -> None:
        inbox = await opened()
        frame = Frame(Opcode.CONT, b"ab", fin=False)
        inbox.put_frame(Frame(Opcode.BINARY, b"", fin=False))
        tracemalloc.start()
        for _ in range(20_000):
            inbox.put_frame(frame)
            inbox.put_frame(Frame(Opcode.CONT, b"", fin=False))
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 60_000
        inbox.put_frame(Frame(Opcode.CONT, b"c"))
        assert await inbox.take() == {"type": "websocket.receive", "bytes": b"ab" * 20_000 + b"c"}

    asyncio.run(main())


@pytest.mark.parametrize("last", [True, False], ids=["the last fragment", "one before it"])
def test_fragments_that_are_no_text_are_noticed_at_once(*, last: bool) -> None:
    async def main() -> None:
        inbox = await opened()
        inbox.put_frame(Frame(Opcode.TEXT, b"\xc3", fin=False))
        inbox.put_frame(Frame(Opcode.CONT, b"\xbc", fin=False))
        with pytest.raises(UnicodeDecodeError):
            inbox.put_frame(Frame(Opcode.CONT, b"\xc3" if last else b"\xff", fin=last))

    asyncio.run(main())
