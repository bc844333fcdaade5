"""`fivefold top`: what a running server does, again and again, in a terminal.

Choice.       Plain ANSI on the alternate screen: two tables cut to the terminal need no library.
Assumption.   Request lines are the client's to choose, and names of threads the application's: all
              that is not printable ASCII is shown as an escape of Python, so that nothing of it
              reaches the terminal as a command, and each character is one column wide.
              A look takes as long as the slowest process (1.3 s for each that is stuck in C), and a
              key is seen after it; Ctrl-C ends at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import termios
from collections.abc import Iterator
from time import monotonic

import click

from ..inspection.phrases import counted, doing, peer, streams
from ..inspection.snapshot import Document
from ..status.rates import Rates
from ..tracing.attach.inspected import inspected
from ..tracing.attach.running import only_server
from .starting import Stopped, stop

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""The alternate screen, without a cursor; and back (xterm's control sequences)."""
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"

CONNECTIONS = (
    " REQUEST_S     AGE_S  PROCESS  STATE                           CLIENT                 ASKS"
)
THREADS = "  PROCESS   THREAD  NAME              DOES"
FIRST_LINES = 2
HEADINGS = 3
"""Lines that are no connection and no thread, after the first ones: two titles, one empty line."""

ENDS = (b"q", b"Q", b"")
"""Keys; nothing, when the terminal is gone."""


def run(pid: int | None, *, once: bool, as_json: bool, interval_s: float) -> None:
    """Show what a running server does: connections, the slowest requests first, and threads with
    the call that each sleeps in. q or Ctrl-C ends it.

    PID is the server, or any process of it; the only server that runs here need not be named.
    See docs/status.md.
    """
    pid = only_server() if pid is None else pid
    if once or as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        processes = inspected(pid)
        rates = Rates().look(one["pid"] for one in processes)
        said = {"pid": pid, "rates": rates, "processes": processes}
        click.echo(
            json.dumps(said, indent=1) if as_json else "\n".join(overview(pid, processes, rates))
        )
        return
    # Whoever ends the look on has not failed; a server that is gone is an error (`TraceFailed`).
    with contextlib.suppress(KeyboardInterrupt, Stopped), full_screen() as resized:
        look_on(pid, interval_s, resized)


def look_on(pid: int, interval_s: float, resized: int) -> None:
    keys = sys.stdin.fileno()
    counts = Rates()
    while True:
        processes = inspected(pid)
        due = monotonic() + interval_s
        rates = counts.look(one["pid"] for one in processes)
        show(pid, processes, rates)
        while (left := due - monotonic()) > 0:
            ready = select.select([keys, resized], [], [], left)[0]
            if keys in ready and os.read(keys, 1) in ENDS:
                return
            if resized in ready:
                os.read(resized, 1)
                show(pid, processes, rates)


def show(pid: int, processes: list[Document], rates: str) -> None:
    columns, rows = shutil.get_terminal_size()
    # A full last column, or a line after the last row, would scroll the terminal.
    lines = [line[: columns - 1] for line in overview(pid, processes, rates, rows)[:rows]]
    sys.stdout.write(HOME + f"{REST_OF_LINE}\r\n".join(lines) + REST_OF_LINE + REST_OF_SCREEN)
    sys.stdout.flush()


@contextlib.contextmanager
def full_screen() -> Iterator[int]:
    """Keys come at once and unseen; a descriptor can be read when the terminal has another size.
    All is as before afterwards, however it ends."""
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    ours = termios.tcgetattr(keys)
    ours[3] &= ~(termios.ICANON | termios.ECHO)
    ours[6][termios.VSUSP] = b"\0"  # Ctrl-Z would leave the shell on our screen
    resized, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    handlers = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGTERM, stop), (signal.SIGWINCH, lambda *_: None))
    }
    wakeup = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    try:
        termios.tcsetattr(keys, termios.TCSANOW, ours)
        sys.stdout.write(ENTER)
        yield resized
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, before_us in handlers.items():
            signal.signal(number, before_us)
        termios.tcsetattr(keys, termios.TCSANOW, before)
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        os.close(resized)
        os.close(woken)


def overview(pid: int, processes: list[Document], rates: str, rows: int | None = None) -> list[str]:
    """`rates`: the line about them; `rows`: how many lines there may be; None for all."""
    served = [(one["pid"], conn) for one in processes for conn in one["connections"]]
    served.sort(key=lambda each: (-(each[1]["request_s"] or 0.0), -each[1]["age_s"]))
    connections = [plain(of_connection(*each)) for each in served]
    threads = [
        plain(of_thread(one["pid"], thread)) for one in processes for thread in one["threads"]
    ]
    open_now = sum(conn["stream"] is None for _, conn in served)
    stuck = ", ".join(str(one["pid"]) for one in processes if one["raw"])
    first = [
        f"fivefold {pid}: {counted(len(processes), 'process', 'processes')},"
        f" {counted(len(threads), 'thread', 'threads')},"
        f" {counted(open_now, 'connection', 'connections')}"
        + (f"; without an answer, so connections unknown: {stuck}" if stuck else ""),
        rates,
    ]
    if rows is not None:
        room = max(rows - FIRST_LINES - HEADINGS, 0)
        fair = max(room // 2, room - len(threads))
        connections = cut(connections, fair)
        threads = cut(threads, room - len(connections))
    return [*first, CONNECTIONS, *connections, "", THREADS, *threads]


def cut(lines: list[str], room: int) -> list[str]:
    if len(lines) <= room:
        return lines
    kept = lines[: max(room - 1, 0)]
    return [*kept, f"  and {len(lines) - len(kept)} more"][:room]


def of_connection(pid: int, conn: Document) -> str:
    since = "" if conn["request_s"] is None else f"{conn['request_s']:.2f}"
    return (
        f"{since:>10}{conn['age_s']:>10.2f}{pid:>9}  {conn['state']:<32}{peer(conn):<22} "
        f"{conn['request'] or ('' if conn['streams'] is None else streams(conn))}"
    ).rstrip()


def of_thread(pid: int, thread: Document) -> str:
    return f"{pid:>9}{thread['tid'] or '?':>9}  {thread['name']:<17} {doing(thread)}"


def plain(line: str) -> str:
    return line.encode("unicode_escape").decode("ascii")


top = click.Command(
    "top",
    callback=run,
    help=run.__doc__,
    short_help="Watch the connections and threads of a running server.",
    params=[
        click.Argument(["pid"], type=int, required=False),
        click.Option(["--once"], is_flag=True, help="Print it once, whole, as plain text."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print it once, as JSON."),
        click.Option(
            ["--interval-s"],
            type=click.FloatRange(0.1),
            metavar="S",
            default=1.0,
            help="Seconds between two looks.  [default: 1.0]",
        ),
    ],
)
