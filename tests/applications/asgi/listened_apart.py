"""One task listens, another sends on, and ends by being cancelled, as frameworks have it."""

from __future__ import annotations

import asyncio

from applications.notes_and_gates import Message, Receive, Send, note


async def end_of_sending(send: Send, message: Message) -> str:
    """What ends it."""
    try:
        while True:
            await send(message)
    except BaseException as error:  # noqa: BLE001 - whatever ends it is asked for
        return type(error).__name__


async def listen_apart(receive: Receive, send: Send, message: Message) -> None:
    """Notes how the client's end was heard, and what ended the task that sends."""
    sender = asyncio.create_task(end_of_sending(send, message))
    while not (heard := (await receive())["type"]).endswith("disconnect"):
        pass
    for _ in range(10):
        await asyncio.sleep(0)  # a framework needs its turns
    sender.cancel()
    note(f"{heard}, {await sender}")
