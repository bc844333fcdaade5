"""The least that an application can do, for every server alike."""

import asyncio

BODY = b"Hello, World!"
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", "13")]
RAW_FIELDS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]


def wsgi(environ, start_response):
    start_response("200 OK", FIELDS)
    return [BODY]


async def lifespan(receive, send):
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": RAW_FIELDS})
    await send({"type": "http.response.body", "body": BODY})


async def sleeping(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(0.01)
    await asgi(scope, receive, send)


async def echo(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
