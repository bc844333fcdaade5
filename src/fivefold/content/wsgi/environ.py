"""`environ`: what a WSGI application is told about a request (PEP 3333; RFC 3875).

Safe by construction: a field whose name has an underscore is dropped, because it could
pose as its twin with a hyphen; `Proxy` is dropped, because programs take HTTP_PROXY for
their own setting (CVE-2016-5385); repeated fields are joined.

A UNIX socket has neither name nor port, and both must be there (PEP 3333, "environ
Variables"): they are those that the client asked for, as gunicorn has it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from ...http1.request import Request, fields_of
from ...http1.stream import HttpConnection
from ..application import client_certificate
from ..application.forwarded import TrustedProxies
from ..application.known_heads import KnownHeads
from .file_wrapper import FileWrapper

Environ = dict[str, Any]

PROTOCOLS = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1", "2": "HTTP/2.0"}
"""SERVER_PROTOCOL, as Apache says it."""

OWN_NAMES = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
"""The two fields without HTTP_ before their names."""

SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/?#\s]+)(?::([0-9]*))?")
"""A host, and perhaps a port."""

PORTS = {"http": "80", "https": "443"}

NAMELESS = "localhost"
"""The host that a client of a UNIX socket asks if it names none."""


@dataclass(frozen=True)
class WsgiConstants:
    """What is the same for all requests of a worker."""

    multithread: bool
    multiprocess: bool
    script_name: str = ""
    proxies: TrustedProxies = TrustedProxies()  # noqa: RUF009 - trusts no peer and never changes


class Environs:
    """Makes environs, and remembers those of short heads that come again."""

    def __init__(self, constants: WsgiConstants) -> None:
        self._proxies = constants.proxies
        self._script_name = constants.script_name
        self._known = KnownHeads()
        self._known_as = self._known.get
        self._base: Environ = {
            "SCRIPT_NAME": constants.script_name,
            "SERVER_SOFTWARE": "fivefold",
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": constants.multithread,
            "wsgi.multiprocess": constants.multiprocess,
            "wsgi.run_once": False,
            "wsgi.url_scheme": "http",
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
        }

    def of(self, request: Request, head: bytes, conn: HttpConnection) -> Environ:
        """A fresh dictionary, complete but for `wsgi.input`."""
        known_as = self._known_as
        known = known_as(head)
        if known is None:
            known = self._described(request, head)
            self._known.put(head, known)
        environ = known.copy()
        environ.update(conn.remembered or remember_ends(conn))
        if conn.request_id:
            environ["HTTP_X_REQUEST_ID"] = conn.request_id
        if not self._proxies.none:
            self._apply_proxies(environ, head, conn)
        if "SERVER_PORT" not in environ:
            add_server(environ)
        return environ

    def _described(self, request: Request, head: bytes) -> Environ:
        target, _, query = request.target.partition(b"?")
        environ = self._base | {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": self._path_info(unquote_to_bytes(target).decode("latin-1")),
            "QUERY_STRING": query.decode("latin-1"),
            "REQUEST_URI": request.target.decode("latin-1"),
            "SERVER_PROTOCOL": PROTOCOLS[request.version],
        }
        for name, value in fields_of(head):
            key = OWN_NAMES.get(name)
            if key is None:
                if b"_" in name or name == b"proxy":
                    continue
                key = "HTTP_" + name.replace(b"-", b"_").decode("ascii").upper()
            text = value.decode("latin-1")
            if key in environ:
                text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
            environ[key] = text
        if "HTTP_HOST" in environ:
            environ["HTTP_HOST"] = request.host.decode("latin-1")  # an absolute target rules
        # The server has taken the chunks apart, and the field is hop-by-hop.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return environ

    def _path_info(self, path: str) -> str:
        prefix = self._script_name
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            return path[len(prefix) :]
        return path

    def _apply_proxies(self, environ: Environ, head: bytes, conn: HttpConnection) -> None:
        forwarded = self._proxies.forwarded(conn, fields_of(head))
        environ["wsgi.url_scheme"] = forwarded.scheme
        if forwarded.client is not None:
            environ["REMOTE_ADDR"] = forwarded.client[0]
            environ["REMOTE_PORT"] = str(forwarded.client[1])
        if forwarded.scheme == "https":
            environ["HTTPS"] = "on"
        if forwarded.host is not None:
            environ["HTTP_HOST"] = forwarded.host


def add_server(environ: Environ) -> None:
    """Name and port for a connection that has none, from what the client asked for."""
    asked = SERVER.fullmatch(environ.get("HTTP_HOST", ""))
    name, port = asked.groups() if asked else (NAMELESS, None)
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = port or PORTS.get(environ["wsgi.url_scheme"], PORTS["http"])


def remember_ends(conn: HttpConnection) -> Environ:
    """Both ends of the connection, as environ names them; kept with the connection."""
    host, port = conn.local
    ends: Environ = {}
    if port is not None:
        ends["SERVER_NAME"], ends["SERVER_PORT"] = host, str(port)
    # No REMOTE_ADDR would be honest for a UNIX socket, but applications index it.
    ends["REMOTE_ADDR"], ends["REMOTE_PORT"] = (
        (conn.peer[0], str(conn.peer[1])) if conn.peer else ("", "")
    )
    if conn.scheme == "https":
        ends["wsgi.url_scheme"], ends["HTTPS"] = "https", "on"
    if conn.tls is not None:
        ends |= client_certificate.environ(conn.tls)
    conn.remember(ends)
    return ends
