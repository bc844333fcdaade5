"""Which answer is right: asked before the load, more than once, and remembered.

What two answers have in common is expected of all: the status always, the length and
the body's hash where they did not differ (an application may put the time on its page).
"""

from __future__ import annotations

import hashlib
import http.client

from ..errors import LoadFailed
from .job import Expected

HOST = "localhost"
"""The Host that the load names: applications that check it allow this one in development."""

OTHER_PATHS = "write paths that are answered into a file, one a line, and name it with --paths"

TIMES = 2
TIMEOUT_S = 30.0


def learn(
    address: tuple[str, int],
    path: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    remedy: str = OTHER_PATHS,
) -> Expected:
    """The right answer to a request. Raises `LoadFailed` if there is none, or an error's, with the
    `remedy`."""
    answers = [once(address, path, method, body) for _ in range(TIMES)]
    statuses = {answer.status for answer in answers}
    if len(statuses) > 1 or answers[0].status >= http.client.BAD_REQUEST:
        seen = " and ".join(map(str, sorted(statuses)))
        raise LoadFailed(f"{method} {path} is answered with {seen}: {remedy}")
    return common(answers)


def once(address: tuple[str, int], path: str, method: str, body: bytes) -> Expected:
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body or None, {"Host": HOST, "Connection": "close"})
        with connection.getresponse() as response:
            digest, length = hashlib.sha256(), 0
            while piece := response.read(1 << 20):
                digest.update(piece)
                length += len(piece)
            return Expected(response.status, length, digest.digest())
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{method} {path} is not answered: {error!r}") from None
    finally:
        connection.close()


def common(answers: list[Expected]) -> Expected:
    """What all answers agree on; their statuses are the same."""
    first = answers[0]
    lengths = {answer.length for answer in answers}
    digests = {answer.digest for answer in answers}
    return Expected(
        first.status,
        first.length if len(lengths) == 1 else None,
        first.digest if len(digests) == 1 else None,
    )
