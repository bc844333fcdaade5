"""The options of `compare` by topic."""

from __future__ import annotations

from .topics import Manual, Topic

COMPARE = Manual(
    topics={
        "servers": Topic(
            "Who is measured",
            ("serving", "io", "workers", "against", "i_own_this_host", "interface", "chdir"),
            "fivefold compare site --serving async --io epoll,uring --against nginx",
        ),
        "requests": Topic(
            "What is asked",
            ("scenario", "paths", "path_for", "rate", "http"),
            "fivefold compare shop.wsgi:app --scenario steady,cpu --path-for cpu=/report",
        ),
        "length": Topic(
            "How long it takes, and what makes the load",
            ("quick", "seconds", "rounds", "load", "locust_workers"),
            "fivefold compare site --serving async --io poll,epoll --seconds 4",
        ),
        "output": Topic(
            "What the result is written to; - is standard output",
            ("out", "json_file", "report"),
            "fivefold compare --report result.json --out report.html",
        ),
    },
    first=("quick", "serving", "io", "against", "out", "json_file"),
    examples=(
        "fivefold compare site --quick --out report.html",
        "fivefold compare shop.asgi:app --against uvicorn --workers 1,2",
    ),
)
