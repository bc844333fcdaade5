"""What every server of the table serves: an answer at once, and what operators are afraid of.

The environment says what shall happen when it is loaded: OPERATIONS_STARTS names a file that gets
a byte for each start, OPERATIONS_BROKEN one whose existence ends the process.
"""

import asyncio
import os
import re
import time
from pathlib import Path

BODY = b"Hello, World!"
LARGE = bytes(1 << 19)
BLOCK = bytes(1 << 16)

if starts := os.environ.get("OPERATIONS_STARTS"):
    with Path(starts).open("ab", buffering=0) as file:
        file.write(b".")
if (broken := os.environ.get("OPERATIONS_BROKEN")) and Path(broken).exists():
    os._exit(5)


def hang():
    """Minutes in C, with the GIL held."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    body = BODY
    if path == "/hang":
        hang()
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/large":
        body = LARGE
    elif path == "/sleep":
        time.sleep(1)
    elif path == "/length":
        source = environ["wsgi.input"]
        body = str(sum(map(len, iter(lambda: source.read(65536), b"")))).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def stubborn(receive, send):
    """Does not look whether its client is still there."""
    await asyncio.sleep(0.5)
    await answer(send, BODY)


async def endless(receive, send):
    """As good as: a server need not say that its client has gone."""
    await answer(send, *[BLOCK] * 100)


async def silent(receive, send):
    while (await receive())["type"] == "http.request":
        pass


AMONG_FLOODS = {"/stubborn": stubborn, "/endless": endless, "/silent": silent}
"""What is asked for by clients that want no answer (`applications.asgi.counted` of the tests)."""


async def lifespan(receive, send):
    event = ""
    while event != "lifespan.shutdown":
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})


async def asgi(scope, receive, send):
    apart = lifespan if scope["type"] == "lifespan" else AMONG_FLOODS.get(scope["path"])
    if apart is not None:
        await apart(receive, send)
        return
    body = BODY
    if scope["path"] == "/hang":
        hang()
    elif scope["path"] == "/large":
        body = LARGE
    elif scope["path"] == "/length":
        more, length = True, 0
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            length, more = length + len(event.get("body", b"")), event.get("more_body", False)
        body = b"%d" % length
    elif scope["path"] == "/pid":
        body = str(os.getpid()).encode()
    await answer(send, body)


async def answer(send, *parts):
    length = b"%d" % sum(map(len, parts))
    fields = [(b"content-type", b"text/plain"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    *first, last = parts
    for part in first:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": last})
