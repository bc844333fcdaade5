"""Messages between a websocket's connection and its application's tasks."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from fivefold.content.asgi_inbox import AHEAD, Inbox

MESSAGE = {"type": "websocket.receive", "text": "x"}


async def opened() -> Inbox:
    inbox = Inbox(cast("Any", None))
    assert await inbox.take() == {"type": "websocket.connect"}
    return inbox


def test_a_message_passes_over_a_listener_that_gives_up() -> None:
    async def main() -> Any:
        inbox = await opened()
        leaving, staying = [asyncio.ensure_future(inbox.take()) for _ in range(2)]
        await asyncio.sleep(0)
        leaving.cancel()
        inbox.put(MESSAGE)
        inbox.tell()  # it is the first in the row, and has not heard yet that it is cancelled
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
            inbox.put({"number": number})
            inbox.tell()
        return await asyncio.gather(*listeners)

    assert asyncio.run(main()) == [{"number": number} for number in range(3)]


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
