"""The options of `trace` by topic."""

from __future__ import annotations

from .topics import Manual, Topic

TRACE = Manual(
    topics={
        "server": Topic(
            "The server that is asked, and how",
            (
                "chdir",
                "serving",
                "io",
                "all_io",
                "all_serving",
                "method",
                "http2",
                "https",
                "tls_cert",
                "tls_key",
            ),
            "fivefold trace shop.wsgi:app /cart --serving thread --all-io",
        ),
        "waiting": Topic(
            "What the request has to wait for",
            ("cold", "client_sends_late", "slow_client", "warm_up", "first"),
            "fivefold trace site /film.mp4 --cold",
        ),
        "running": Topic(
            "A server that already runs",
            ("attach", "match", "count", "timeout", "metrics"),
            "fivefold trace --attach 4242 --match '/api/**' --count 3",
        ),
        "output": Topic(
            "What the trace is written to; - is standard output",
            ("html", "json_file", "perfetto", "verbose", "unprivileged"),
            "fivefold trace site / --html trace.html",
        ),
    },
    first=("all_io", "cold", "html", "json_file", "attach"),
    examples=(
        "fivefold trace site /index.html --html trace.html",
        "fivefold trace shop.wsgi:app / --all-io",
        "fivefold trace --attach 4242",
    ),
)
