"""Applications behind nginx: a prefix, a UNIX socket, what it says of its client, and what not."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.load.external import free_port
from fivefold.serving import MODELS
from support import TESTS
from support.client import TIMEOUT_S, Client

PATHS = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1;
    location /shop/ {{  # takes the prefix away, and says nothing of the host
      proxy_pass http://unix:{folder}/x-forwarded:/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
    }}
    location /whole/ {{  # another host, and the one that was asked for in a field
      proxy_pass http://unix:{folder}/x-forwarded-host;
      proxy_set_header Host backend.internal;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Host $http_host;
    }}
    location /rfc/ {{
      proxy_pass http://unix:{folder}/forwarded:/;
      proxy_set_header Host backend.internal;
      proxy_set_header Forwarded '$http_forwarded, for=$remote_addr;proto=https;host="$http_host"';
    }}
  }}
}}
"""

BELIEVED = {
    "x-forwarded": (("x-forwarded",), "/shop"),
    "x-forwarded-host": (("x-forwarded", "x-forwarded-host"), "/whole"),
    "forwarded": (("forwarded",), "/rfc"),
}

CLIENT = "127.0.0.9"
"""It is of the loopback network as well, and so nobody else's."""

CLAIMS = {
    "Forwarded": 'for=6.6.6.6;proto=ftp;host="evil.example"',
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_For": "6.6.6.6",
    "X_Forwarded_Proto": "ftp",
}


@contextmanager
def nginx(folder: Path) -> Iterator[tuple[str, int]]:
    program = shutil.which("nginx", path=PATHS)
    if program is None:
        pytest.skip("needs nginx: apt-get install nginx")
    port = free_port()
    (folder / "conf").write_text(CONFIGURATION.format(folder=folder, port=port))
    running = subprocess.Popen([program, "-e", f"{folder}/errors", "-c", f"{folder}/conf"])
    try:
        give_up_at = monotonic() + TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert running.poll() is None, (folder / "errors").read_text()
                assert monotonic() < give_up_at
                sleep(0.01)
        yield "127.0.0.1", port
    finally:
        running.terminate()
        running.wait(TIMEOUT_S)


def asked(address: tuple[str, int], path: str) -> Any:
    with Client(address) as client:
        client.sock.close()
        client.sock = socket.create_connection(address, TIMEOUT_S, source_address=(CLIENT, 0))
        client.send(
            f"GET {path} HTTP/1.1\r\nHost: shop.example:8443\r\n".encode()
            + b"".join(f"{n.replace('_', '-')}: {v}\r\n".encode() for n, v in CLAIMS.items())
            + b"\r\n"
        )
        answer = client.answer()
        assert answer.status == 200, answer
        return json.loads(answer.body)


@pytest.mark.parametrize("serving", MODELS)
@pytest.mark.parametrize(
    "application", ["applications.wsgi.sample:app", "applications.asgi.sample:app"]
)
def test_what_nginx_says_and_nothing_else(application: str, serving: str, tmp_path: Path) -> None:
    with nginx(tmp_path) as address:
        for name, (believed, prefix) in BELIEVED.items():
            values = {
                "target": application,
                "chdir": TESTS,
                "bind": f"unix:{tmp_path / name}",
                "trusted_proxies": "unix",
                "forwarded_fields": believed,
                "root_path": prefix,
                "serving": serving,
            }
            with Server(Settings.of(values)):
                seen = asked(address, f"{prefix}/a%20b?c")
            if application.startswith("applications.wsgi"):
                assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (prefix, "/a b")
                assert seen["REMOTE_ADDR"] == CLIENT
                assert (seen["wsgi.url_scheme"], seen["HTTPS"]) == ("https", "on")
                assert seen["HTTP_HOST"] == "shop.example:8443"
                assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("shop.example", "8443")
            else:
                assert (seen["root_path"], seen["path"]) == (prefix, f"{prefix}/a b")
                assert seen["client"] == [CLIENT, 0]
                assert seen["scheme"] == "https"
                assert ["host", "shop.example:8443"] in seen["headers"]
