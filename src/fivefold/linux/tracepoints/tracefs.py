"""The kernel's trace events: a private instance of tracefs, its ring buffer, its text.

Facts.
    tracefs is one folder for the whole machine, wherever it is mounted, but every folder under
    `instances` is a tracer of its own: ring buffers, clock, events, filters.  `set_event_pid`
    lets an event pass if the *current* task is listed (sched_waking and sched_switch also if they
    are about a listed one); `event-fork` adds the children of listed tasks.  `trace_clock=mono`
    is CLOCK_MONOTONIC, printed rounded to the microsecond.  A full buffer overwrites its
    oldest events and counts them.
    An instance outlives the process that made it, and its buffers are kernel memory.

Consequence.
    Tracing one request disturbs no other tracer, but a forgotten instance goes on recording,
    at the machine's cost.

Choice.
    The name holds our process id and start time.  Leaving the context, an exception and the
    end of the interpreter remove the instance; after kill -9 `cleaning` does, and what is
    left even so `sweep` removes.
    Text, not the binary pages: its layout is the kernel's business and it is the same text
    that `cat trace` shows.

Cost (measured, Linux 6.18).  60 ms to set up, about 140 ms to remove with a hundred
events on; in between 0.1 to 0.3 us per recorded event, and per processor `buffer_kib`.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from ..processes import in_first_pid_namespace, start_time
from . import mounting

MOUNT = "mount -t tracefs nodev /sys/kernel/tracing"
ROOTS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))

_NAME = re.compile(r"fivefold-(\d+)-(\d+)-\d+")
_LOST = ("overrun", "commit overrun", "dropped events")
_STAMP = re.compile(rb" (\d+\.\d{6}): ")
_numbers = itertools.count()

LAST_LINES = 4096
"""Bytes at the end of a part in which its last event stands."""


def root() -> Path | None:
    """Where tracefs is mounted, as far as we may see; as root, a mount of our own if nowhere."""
    for candidate in ROOTS:
        try:
            if (candidate / "trace_clock").exists():
                return candidate
        except PermissionError:
            continue
    return mounting.own_root()


def available() -> str | None:
    """Why this process cannot trace, and what would help; None if it can."""
    if "tracefs" not in Path("/proc/filesystems").read_text():
        return "this kernel has no trace events (CONFIG_TRACING)"
    folder = root()
    if folder is None and os.geteuid() != 0:
        return "only root may have them, and then sees more"
    if folder is None:
        return f"tracefs is not mounted, nor may we ({mounting.refusal()}): {MOUNT}"
    return _refusal(folder)


def _refusal(folder: Path) -> str | None:
    if not in_first_pid_namespace():
        return "trace events name processes as the host does, and this is another PID namespace"
    if not os.access(folder / "instances", os.W_OK | os.X_OK):
        return f"no right to write to {folder}/instances: run as root"
    if not (folder / "events").is_dir():
        return "this kernel has no event tracing (CONFIG_EVENT_TRACING)"
    try:
        (folder / "trace_clock").read_text()
    except OSError as error:  # EPERM although root: kernel_lockdown(7)
        return f"{folder} cannot be read ({error.strerror}): is the kernel locked down?"
    return None


def own_descriptors() -> list[int]:
    """Through which `root` leads; a program that shall follow it has to inherit them."""
    folder = root()
    return [] if folder is None or folder in ROOTS else [int(folder.name)]


def own_name() -> str:
    """What the names of this process's instances begin with."""
    return f"fivefold-{os.getpid()}-{start_time(os.getpid())}"


def sweep() -> list[str]:
    """Remove the instances whose process is gone; the names of those removed."""
    folder = root()
    if folder is None or available() is not None:
        return []
    return [left.name for left in (folder / "instances").iterdir() if _swept(left)]


def _swept(instance: Path) -> bool:
    match = _NAME.fullmatch(instance.name)
    if match is None or start_time(int(match[1])) == int(match[2]):
        return False
    try:
        instance.rmdir()
    except OSError:  # another process reads it, or swept faster
        return False
    return True


class Instance:
    """Recording from `start` to `stop`; removed on leaving the context."""

    def __init__(
        self,
        events: Iterable[str],
        *,
        filters: Mapping[str, str] | None = None,
        pids: Collection[int] | None = None,
        buffer_kib: int = 4096,
    ) -> None:
        """`pids`: record only them and the threads and processes they make; None: all."""
        folder = root()
        if folder is None:
            raise OSError(errno.ENOENT, f"tracefs is not mounted: {MOUNT}")
        self.path = folder / "instances" / f"{own_name()}-{next(_numbers)}"
        self.missing: list[str] = []
        """Events that this kernel does not have."""
        self.unfiltered: list[str] = []
        """Events whose filter this kernel refused; everything of theirs is recorded."""
        self._events = tuple(events)
        self._filters = filters or {}
        self._pids = pids
        self._buffer_kib = buffer_kib
        self._owner = os.getpid()

    def __enter__(self) -> Self:
        atexit.register(self.remove)
        try:
            self.path.mkdir()
            self.stop()
            self._set_up()
        except BaseException:  # Ctrl-C too
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _set_up(self) -> None:
        self._write("trace_clock", "mono")
        self._write("buffer_size_kb", str(self._buffer_kib))
        with contextlib.suppress(OSError):  # before Linux 4.14: threads are not told by process
            self._write("options/record-tgid", "1")
        if self._pids is not None:
            self._write("options/event-fork", "1")
            self._write("set_event_pid", " ".join(map(str, self._pids)))
        for event in self._events:
            self._enable(event)

    def _enable(self, event: str) -> None:
        folder = f"events/{event.replace(':', '/')}"
        if not (self.path / folder).is_dir():
            self.missing.append(event)
            return
        if event in self._filters:
            try:
                self._write(f"{folder}/filter", self._filters[event])
            except OSError:  # EINVAL: a field that this kernel's event does not have
                self.unfiltered.append(event)
        self._write(f"{folder}/enable", "1")

    def follow(self, pids: Iterable[int]) -> None:
        """Record these threads too."""
        for pid in pids:
            self._append("set_event_pid", str(pid))

    def start(self) -> None:
        self._write("tracing_on", "1")

    def stop(self) -> None:
        self._write("tracing_on", "0")

    def clear(self) -> None:
        """Forget what was recorded, and what was lost."""
        self._write("trace", "")

    def read(self) -> str:
        """What was recorded since the last read and before this one, without waiting for more: a
        busy machine records faster than its text can be read, and would never be read out."""
        until_s = time.monotonic()
        pipe = os.open(self.path / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return b"".join(chunks(pipe, until_s)).decode(errors="replace")
        finally:
            os.close(pipe)

    def lines(self) -> list[str]:
        return self.read().splitlines()

    def lost(self) -> int:
        """How many events the ring buffers could not keep."""
        return sum(
            int(number)
            for stats in self.path.glob("per_cpu/cpu*/stats")
            for name, _, number in (line.partition(": ") for line in stats.read_text().split("\n"))
            if name in _LOST
        )

    def remove(self) -> None:
        """Remove the instance; nothing happens a second time, or in a forked child."""
        if os.getpid() != self._owner:
            return
        for _ in range(100):
            try:
                self.path.rmdir()
            except FileNotFoundError:
                break
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                time.sleep(0.01)  # another process looks into it
        atexit.unregister(self.remove)

    def _write(self, name: str, text: str) -> None:
        """Over what is there.

        A file object, which closes itself: clearing takes its time within open(2), and Ctrl-C
        comes then more often than not. A descriptor that nobody knows would keep the instance.
        """
        with (self.path / name).open("wb", buffering=0) as file:
            file.write(text.encode())

    def _append(self, name: str, text: str) -> None:
        # Python's own append mode would seek, which tracefs refuses.
        file = os.open(self.path / name, os.O_WRONLY | os.O_CLOEXEC | os.O_APPEND)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)


def chunks(pipe: int, until_s: float) -> Iterator[bytes]:
    """What is in the pipe, in order, up to the part whose last event is later."""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(pipe, 65536):
            yield chunk
            stamps = _STAMP.findall(chunk[-LAST_LINES:])
            if stamps and float(stamps[-1]) > until_s:
                return
