"""The words of `python -m http.server`."""

from __future__ import annotations

from collections.abc import Sequence

from .word import Ours, Program, Word, fixed

DEFAULT_PORT = "8000"


def bound(given: Sequence[str]) -> Ours:
    """Its only argument is the port."""
    return Ours(("--port", *given[:1])) if given else Ours()


WORDS = (
    Word(
        "--cgi", note="programs are not started for requests; write a WSGI application", flag=True
    ),
    Word("-b --bind", "--host"),
    Word("-d --directory", "TARGET", into=lambda value: Ours((value,))),
    Word("-p --protocol", note="HTTP/1.1 is spoken, 1.0 understood"),
    Word("--tls-cert", "--tls-cert"),
    Word("--tls-key", "--tls-key"),
    Word(
        "--tls-password-file",
        "--tls-key-password-file",
        into=lambda value: Ours(("--tls-key-password-file", value)),
    ),
    Word("-h --help", note="fivefold serve --help", flag=True, into=fixed()),
)

HTTP_SERVER = Program(
    "http.server",
    WORDS,
    defaults=("--host", "0.0.0.0", "--listing"),  # noqa: S104 - as it has it
    arguments=bound,
)
