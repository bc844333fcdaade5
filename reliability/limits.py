"""What a machine runs out of, and its clock: descriptors, disks, memory for idle clients."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from fivefold.compare.measure.servers import Running
from fivefold.linux.accounting import clock_s
from fivefold.linux.processes import proportional_bytes
from fivefold.load.job import Group
from support.process_tree import descendants_of

from .ends import ended_well
from .outcome import Outcome, Trial
from .servers import KEPT, SERVERS, answers, connections, up, wait_until
from .steady import MODEST, loaded, p99_ms

IDLE = 10_000
SLOWER = 2.0
SLOWER_MS = 5.0
"""What the timing of a shared machine moves by itself."""

DESCRIPTORS = 64
SPINNING = 0.2
"""Of a processor: a server that cannot accept must not try without end."""

DAY_S = 86_400
FAKETIME = "*/faketime/libfaketimeMT.so.1"
"""Of Debian, in the folder of the machine's kind below /usr/lib."""


def pss_kib(running: Running) -> int:
    """Proportional set size of all processes."""
    pids = (running.pid, *descendants_of(running.pid))
    return sum(map(proportional_bytes, pids)) // 1024


def idle(trial: Trial) -> Outcome:
    """Ten thousand connections, each after one answered request, while others ask."""
    outcome, seen = Outcome(), [0, 0]
    many = ("--max-connections", str(IDLE + 100)) if SERVERS[trial.server].ours else ()
    with up(trial.server, *many) as running:
        half = trial.seconds / 2
        loaded(running.address, half, groups=MODEST)  # a process grows until it has served
        alone = loaded(running.address, half, groups=MODEST)
        before = pss_kib(running)

        def look(seconds: float) -> None:
            time.sleep(seconds)
            seen[:] = pss_kib(running), connections(running.pid, running.port)

        held = Group("idle", IDLE, (KEPT,), first=True, counted=False)
        among = loaded(running.address, half, look, (held, *MODEST))
        each = (seen[0] - before) / max(seen[1], 1)
        others = sum(group.count for group in MODEST)
        outcome.figures = {
            "held": str(seen[1]),
            "PSS of each": f"{each:.2f} KiB",
            "p99 before": f"{p99_ms(alone):.1f} ms",
            "p99 among them": f"{p99_ms(among):.1f} ms",
        }
        outcome.must(IDLE <= seen[1] <= IDLE + others, f"{seen[1]} of {IDLE} were held")
        outcome.must(each <= SERVERS[trial.server].idle_kib, f"{each:.2f} KiB each")
        slower = p99_ms(among) <= SLOWER * p99_ms(alone) + SLOWER_MS
        outcome.must(slower, f"p99 {p99_ms(alone):.1f} -> {p99_ms(among):.1f} ms")
        ended_well(running, outcome)
    return outcome


def processor_s(running: Running) -> float:
    return sum(clock_s(pid) for pid in (running.pid, *descendants_of(running.pid)))


def descriptors(trial: Trial) -> Outcome:
    """More clients than a process may have descriptors; then they leave."""
    outcome = Outcome()
    limit = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    with up(trial.server, before=limit) as running, contextlib.ExitStack() as clients:
        made = 0
        for _ in range(DESCRIPTORS * 4):
            with contextlib.suppress(OSError):
                clients.enter_context(socket.create_connection(running.address, 1))
                made += 1
        outcome.must(made > DESCRIPTORS * 2, f"{made} clients could connect")
        time.sleep(0.5)  # the burst is over
        used = processor_s(running)
        time.sleep(trial.seconds)
        share = (processor_s(running) - used) / trial.seconds
        clients.close()
        try:
            back = wait_until(lambda: answers(running.address, timeout=1), "an answer")
        except TimeoutError:
            back = float("inf")
        outcome.figures = {"processor": f"{share:.0%}", "an answer after": f"{back:.2f} s"}
        outcome.must(share < SPINNING, f"it took {share:.0%} of a processor")
        outcome.must(back < 1, f"it answered after {back:.1f} s")
        ended_well(running, outcome)
    return outcome


def post(address: tuple[str, int], size: int) -> int:
    """The status of a request with a body; 0 if there was none."""
    head = f"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n"
    with contextlib.suppress(OSError), socket.create_connection(address, 20) as sock:
        with contextlib.suppress(OSError):  # refused before its end, and still answered
            sock.sendall(head.encode() + b"Connection: close\r\n\r\n" + bytes(size))
        return int(sock.recv(65536).split(b" ")[1])
    return 0


def disk(trial: Trial) -> Outcome:
    """The disk of the access log is full, and that of body spools smaller than a body."""
    outcome = Outcome()
    log, spool = trial.folder / "log", trial.folder / "spool"
    log.mkdir()
    spool.mkdir()
    # Mounted for the server alone, whose namespace goes with it.
    mounts = f"mount -t tmpfs -o size=64k n {log} && mount -t tmpfs -o size=4m n {spool}"
    before = ("unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh")
    options = ("--access-log", f"{log}/access.log")
    with up(trial.server, *options, before=before, environment={"TMPDIR": str(spool)}) as running:
        # Its view of the mount, through the kernel: ours has none.
        full = Path(f"/proc/{running.pid}/root{log}/full")
        with contextlib.suppress(OSError), full.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        outcome.must(full.exists() and full.stat().st_size > 0, "the disk was not filled")
        statuses: list[int] = []

        def upload(_: float) -> None:
            statuses.append(post(running.address, 8 << 20))

        tally = loaded(running.address, trial.seconds, upload, MODEST)
        outcome.figures = {
            "requests": f"{tally.requests:,}",
            "lost": str(tally.lost + sum(tally.errors.values())),
            "a body beyond the disk": str(statuses[0]),
        }
        outcome.must(not tally.lost + sum(tally.errors.values()), f"{tally.lost}, {tally.errors}")
        outcome.must(statuses == [507], f"the body was answered with {statuses}")
        full.unlink()
        after = post(running.address, 2 << 20)
        outcome.must(after == 200, f"with room again a body was answered with {after}")
        ended_well(running, outcome)
    return outcome


def clock(trial: Trial) -> Outcome:
    """The wall clock of the server jumps by a day, forth and back, among kept connections."""
    outcome, now = Outcome(), trial.folder / "now"
    now.write_text("+0")
    library = next(Path("/usr/lib").glob(FAKETIME), None)
    if library is None:
        raise RuntimeError("libfaketime is missing: apt-get install libfaketime")
    known = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(now),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with up(trial.server, environment=known) as running:
        dates = []

        def jump(seconds: float) -> None:
            for days in (1, -1, 0):
                now.write_text(f"{days * DAY_S:+}")
                time.sleep(seconds / 3)
                dates.append(date(running.address))

        tally = loaded(running.address, trial.seconds, jump)
        with socket.create_connection(running.address, 5) as sock:
            # Asked before a jump, and again after it, on one connection.
            kept = [exchanged(sock)]
            for days in (1, -1, 0):
                now.write_text(f"{days * DAY_S:+}")
                time.sleep(1.5)  # deadlines are looked at meanwhile
                kept.append(exchanged(sock))
        lost = tally.lost + sum(tally.errors.values())
        outcome.figures = {
            "requests": f"{tally.requests:,}",
            "lost": str(lost),
            "days that Date named": str(len(set(dates))),
            "an idle connection was kept": str(all(kept)),
        }
        outcome.must(not lost, f"{tally.lost} lost, {dict(tally.errors)}")
        outcome.must(all(kept), "a kept connection was closed")
        outcome.must(len(set(dates)) == 3, f"the clock did not jump: {dates}")
        ended_well(running, outcome)
    return outcome


def exchanged(sock: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        sock.sendall(KEPT.data)
        return sock.recv(65536).startswith(b"HTTP/1.1 200")
    return False


def date(address: tuple[str, int]) -> str:
    """The day that its Date names."""
    with socket.create_connection(address, 5) as sock:
        sock.sendall(KEPT.data)
        head = sock.recv(65536).decode("latin-1").lower()
    return head.partition("\r\ndate: ")[2][:16]
