"""How each server is started: its program, its Debian package, its command.

Every server stays in the foreground as our child, and listens on 127.0.0.1 only.
Ours and the floor choose their port and print it; the peers are told one that is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fivefold.compare.plan.contenders import Contender, literal
from fivefold.compare.plan.peers import APACHE_MODULES, account, filled, find, with_words

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
FLOOR = BUILD / "floor"


@dataclass(frozen=True)
class Server:
    """The command's {words} are filled in by `contender`, or when the server starts."""

    program: str
    package: str  # what to install if the program is missing
    command: tuple[str, ...]
    template: str | None = None  # in peers/
    version: tuple[str, ...] = ("--version",)
    listens_on_port: bool = False  # it is told a port, rather than announcing one
    application: bool = False  # it runs in the environment of application servers
    scheme: str = "http"
    http: str = "1.1"  # the version that it shall speak
    words: Mapping[str, str] = field(default_factory=dict, hash=False)  # for the template


PROCESSES = "StartServers 128\nMinSpareServers 1\nMaxSpareServers 128\nServerLimit 128"
THREADS = (
    "StartServers 1\nServerLimit 1\nThreadLimit 128\nThreadsPerChild 128\n"
    "MinSpareThreads 1\nMaxSpareThreads 128"
)


def apache(mpm: str, limits: str = THREADS) -> Server:
    return Server(
        program="apache2",
        package="apache2",
        command=("-d", "{folder}", "-f", "{config}", "-D", "FOREGROUND"),
        template="apache.conf",
        version=("-v",),
        words={"mpm": mpm, "limits": limits},
    )


def pair(name: str) -> Server:
    """One of ours, by the name of its row: SERVING+IO."""
    serving, io = name.split("+")
    return Server(
        program="fivefold",
        package="fivefold (this project: pip install -e .)",
        command=("serve", "{files}", "--serving", serving, "--io", io, "--bind", "127.0.0.1:0"),
    )


def nginx(
    scheme: str = "http", *, log: str = "off", listen: str = "", tls: str = "", http: str = "1.1"
) -> Server:
    return Server(
        "nginx",
        "nginx",
        ("-p", "{folder}", "-e", "stderr", "-c", "{config}"),
        "nginx.conf",
        ("-v",),
        scheme=scheme,
        http=http,
        words={"log": log, "listen": listen, "tls": tls},
    )


def with_options(*options: str, scheme: str = "http") -> Server:
    """Ours, on epoll, serving files with some more options."""
    epoll = pair("async+multiplexing:epoll")
    return replace(epoll, command=(*epoll.command, *options), scheme=scheme)


TLS = ("--tls-cert", "{cert}", "--tls-key", "{key}")
NGINX_TLS = "ssl_certificate @cert@; ssl_certificate_key @key@;"


def secured(each: Server, *options: str, http: str = "2") -> Server:
    """Ours over TLS, where a client that offers HTTP/2 gets it unless `options` leave it out."""
    return replace(each, command=(*each.command, *TLS, *options), scheme="https", http=http)


PEERS = {
    "floor": Server("gcc", "gcc libc6-dev", ("{files}{path}",)),
    "nginx": nginx(),
    "nginx-log": nginx(log="@folder@/access.log combined buffer=64k flush=1s"),
    "nginx-tls": nginx("https", listen="ssl", tls=NGINX_TLS),
    "nginx-h2": nginx("https", listen="ssl http2", tls=NGINX_TLS, http="2"),
    "epoll-log": with_options("--access-log", "{folder}/access.log"),
    "epoll-tls": with_options(*TLS, scheme="https"),
    "epoll-h2": secured(pair("async+multiplexing:epoll")),
    "uring-h2": secured(pair("async+aio:uring")),
    "sigio-h2": secured(pair("async+sigio")),
    "epoll-h1": secured(pair("async+multiplexing:epoll"), "--http", "1.1", http="1.1"),
    "lighttpd": Server("lighttpd", "lighttpd", ("-D", "-f", "{config}"), "lighttpd.conf", ("-v",)),
    "apache-prefork": apache("prefork", PROCESSES),
    "apache-worker": apache("worker"),
    "apache-event": apache("event"),
}


def server(name: str) -> Server:
    return pair(name) if "+" in name else PEERS[name]


PEER_BIN = BUILD / "peers" / "bin"
APPS = str(HERE / "apps")


def python_server(program: str, *command: str) -> Server:
    """A server of applications, in their environment, told its port."""
    return Server(program, program, command, listens_on_port=True, application=True)


def ours(target: str, *options: str) -> Server:
    """Fivefold, with an application."""
    fixed = ("serve", target, "--chdir", APPS, "--bind", "127.0.0.1:0")
    return Server("fivefold", "fivefold", (*fixed, *options), application=True)


def granian(interface: str, target: str, *options: str) -> Server:
    quiet = ("--no-access-log", "--log-level", "warning", "--working-dir", APPS)
    # Its loop is named, because it would take whichever is installed.
    one = ("--workers", "1", "--runtime-threads", "1", "--blocking-threads", "1")
    fixed = ("--port", "{port}", "--loop", "uvloop", *one, *quiet)
    http = options or ("--http", "1")
    return python_server("granian", "--interface", interface, *http, *fixed, target)


def uvicorn(target: str) -> Server:
    quiet = ("--no-access-log", "--log-level", "warning")
    # Both are what it chooses where they are installed; named, so that it fails where not.
    fast = ("--loop", "uvloop", "--http", "httptools")
    return python_server("uvicorn", "--port", "{port}", "--app-dir", APPS, *fast, *quiet, target)


def over_http2(each: Server) -> Server:
    """Its command says so, and names the certificate."""
    return replace(each, scheme="https", http="2")


EPOLL_OPTIONS = ("--serving", "async", "--io", "multiplexing:epoll")
# --timeout 0: a server that waits for its turn is paused, which gunicorn would take for a hang.
GUNICORN = ("-k", "gthread", "--threads", "64", "--timeout", "0", "-w", "1", "--chdir", APPS)

PEERS |= {
    "wsgi-inline": ours("hello:wsgi", *EPOLL_OPTIONS, "--inline"),
    "unsampled": ours("hello:wsgi", *EPOLL_OPTIONS, "--inline"),
    "sampled": ours("hello:wsgi", *EPOLL_OPTIONS, "--inline", "--trace-sample", "1/100"),
    "wsgi-thread": ours("hello:wsgi", "--serving", "thread", "--io", "blocking"),
    "wsgi-granian": granian("wsgi", "hello:wsgi"),
    "bjoern": python_server("python", f"{APPS}/bjoern_server.py", "{port}"),
    "gunicorn-gthread": python_server(
        "gunicorn", *GUNICORN, "--keep-alive", "60", "-b", "127.0.0.1:{port}", "hello:wsgi"
    ),
    "asgi-epoll": ours("hello:asgi", *EPOLL_OPTIONS),
    "asgi-uring": ours("hello:asgi", "--serving", "async", "--io", "aio:uring"),
    "asgi-granian": granian("asgi", "hello:asgi"),
    "uvicorn": uvicorn("hello:asgi"),
    "asgi-epoll-h2": secured(ours("hello:asgi", *EPOLL_OPTIONS)),
    "asgi-uring-h2": secured(ours("hello:asgi", "--serving", "async", "--io", "aio:uring")),
    "asgi-sigio-h2": secured(ours("hello:asgi", "--serving", "async", "--io", "sigio")),
    "asgi-granian-h2": over_http2(
        granian(
            *("asgi", "hello:asgi", "--http", "2"),
            *("--ssl-certificate", "{cert}", "--ssl-keyfile", "{key}"),
        )
    ),
    "hypercorn-h2": over_http2(
        python_server(
            *("hypercorn", "-b", "127.0.0.1:{port}", "--certfile", "{cert}", "--keyfile", "{key}"),
            f"{APPS}/hello:asgi",
        )
    ),
    "hypercorn": python_server("hypercorn", "-b", "127.0.0.1:{port}", f"{APPS}/hello:asgi"),
    "starlette-epoll": ours("frameworks:starlette", *EPOLL_OPTIONS),
    "starlette-granian": granian("asgi", "frameworks:starlette"),
    "starlette-uvicorn": uvicorn("frameworks:starlette"),
    "fastapi-epoll": ours("frameworks:fastapi", *EPOLL_OPTIONS),
    "fastapi-granian": granian("asgi", "frameworks:fastapi"),
    "fastapi-uvicorn": uvicorn("frameworks:fastapi"),
    "websocket-epoll": ours("hello:echo", *EPOLL_OPTIONS),
    "websocket-granian": granian("asgi", "hello:echo"),
    "websocket-uvicorn": uvicorn("hello:echo"),
    "sleep-epoll": ours("hello:sleeping", *EPOLL_OPTIONS),
    "sleep-granian": granian("asgi", "hello:sleeping"),
    "sleep-uvicorn": uvicorn("hello:sleeping"),
}


def path_of(each: Server) -> str | None:
    """Where its program is."""
    return find(str(PEER_BIN / each.program) if each.application else each.program)


def contender(name: str, files: Path, path: str) -> Contender:
    """For compare: what serves `files`, or answers at `path`."""
    each = server(name)
    program = str(FLOOR) if name == "floor" else path_of(each)
    if program is None:
        return Contender(
            name, reason=f"{each.program} is not there: delete {BUILD}, it is made anew"
        )
    user, group = account()
    known = {
        "files": str(files),
        "path": path,
        "cert": str(files / "cert.pem"),
        "key": str(files / "key.pem"),
        "user": user,
        "group": group,
        "modules": APACHE_MODULES,
    }
    ready = {word: literal(said) for word, said in known.items()}
    command = tuple(filled(word, ready) for word in each.command)
    if each.template is None:
        return Contender(name, (literal(program), *command), announces=not each.listens_on_port)
    text = with_words((HERE / "peers" / each.template).read_text(), dict(each.words) | known)
    return Contender(name, (literal(program), *command), announces=False, configuration=text)


def missing(names: set[str]) -> list[str]:
    """The packages to install before these servers, and the load, can run."""
    wanted = {server(name) for name in names}
    debian = [each for each in wanted if not each.application]
    packages = {each.package for each in debian if find(each.program) is None}
    loads = {"wrk": "wrk"}
    if any(each.http == "2" for each in wanted):
        loads |= {"h2load": "nghttp2-client", "curl": "curl"}
    packages |= {package for program, package in loads.items() if find(program) is None}
    if any(each.scheme == "https" for each in wanted) and find("openssl") is None:
        packages.add("openssl")  # makes the certificate
    return sorted(packages)
