"""Words of servers that are started for a folder, or have short options of their own.

They are looked up for a word that is none of ours; their command lines are not translated.
"""

from __future__ import annotations

from .word import Program, Word

BROWSER = "open the address that it prints in a browser"
SIGNALS = (
    "a running server takes signals: kill -HUP PID reloads, kill PID stops (docs/operations.md)"
)

CADDY = Program(
    "caddy",
    (
        Word("-l --listen", "--bind"),
        Word("-r --root", "TARGET"),
        Word("-a --access-log", "--access-log"),
    ),
)

NPM_SERVE = Program(
    "npm serve",
    (
        Word("-l --listen", "--bind"),
        Word("-s --single", "--spa"),
        Word("-L --no-request-logging", "--no-access-log"),
        Word("-C --cors", "--cors"),
        Word("-o --open", note=BROWSER),
    ),
)

HTTP_SERVER_OF_NPM = Program(
    "http-server",
    (
        Word("-a", "--host"),
        Word("-i", "--listing"),
        Word("-e --ext", "--clean-urls"),
        Word("-s --silent", "--quiet"),
        Word("-o", note=BROWSER),
        Word("-S", "--tls-cert --tls-key"),
        Word("-C", "--tls-cert"),
        Word("-K", "--tls-key"),
    ),
)

NGINX_COMMAND = Program(
    "nginx",
    (
        Word("-t", "--check-config"),
        Word("-T", "--print-config"),
        Word("-c", "--config", "a file of TOML"),
        Word("-s --signal", note=SIGNALS),
    ),
)

FILE_SERVERS = (CADDY, NPM_SERVE, HTTP_SERVER_OF_NPM, NGINX_COMMAND)
