"""What every server of the table serves: an answer at once, and what operators are afraid of.

The environment says what shall happen when it is loaded: OPERATIONS_STARTS names a file that gets
a byte for each start, OPERATIONS_BROKEN one whose existence ends the process.
"""

import os
import re
import time
from pathlib import Path

BODY = b"Hello, World!"
LARGE = bytes(1 << 19)

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


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
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
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})
