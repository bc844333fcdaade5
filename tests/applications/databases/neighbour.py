"""Another server that applications ask over HTTP; run by uvicorn."""

from __future__ import annotations

from applications.notes_and_gates import Message, Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"].startswith("/linger"):
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    number = int(scope["path"][1:])
    start: Message = {"type": "http.response.start", "status": 200}
    await send(start | {"headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"%d" % (2 * number)})
