"""Asking all processes of a server what they do: one page, two files in memory, two signals.

A page that all share has the number of the question.  A process that hears NOTICE and finds a new
number writes its document (`snapshot`) as one line to the file for documents.  One whose main
thread does not get to its signal handler (C code that never returns, or that holds the GIL) is
asked by SHOW for its stacks, which faulthandler(3) writes to the other file, without Python.  What
its threads sleep in the kernel tells, and needs no process to answer; it is asked first, because
a signal ends the sleep.

Assumption.   Writes with O_APPEND to a memory file are whole and in order (shmem takes the inode's
              lock around each).  No code of the application takes SHOW (`processes.stack`).
Cost.         Two descriptors in each process, and a handler of signals.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import json
import mmap
import os
import signal
import struct
import weakref
from collections.abc import Iterable
from time import monotonic
from types import FrameType
from typing import Any

from ..iomodels.interface import IOModel
from ..isolation.foreign_documents import number_of, object_of
from ..linux.memory_file import MemoryFile
from ..linux.proc.descriptors import SocketTables
from ..linux.processes import entry_of
from ..processes.forking import send
from ..serving.base import ServingModel
from ..serving.open_connections import OpenConnections
from .merging import merged, seen_from_outside
from .snapshot import Document, snapshot
from .working_tasks import loops_of

SHOW = signal.SIGRTMIN + 14
"""`processes.stack` and `processes.stopping` have the two before it."""

ANSWER_S = 1.0
"""How long a process may take to come to its handler, before it is asked for its stacks."""

STACKS_S = 0.3
"""Within this faulthandler has written: a hundred threads are a few milliseconds."""

STILL_S = 0.1
"""What has begun and writes nothing for so long has written all."""

ALL_STACKS_S = 5.0
"""Of all processes together, after which the rest of them are shown without: whoever asks gives up
after ten seconds (`tracing.control.rendezvous`)."""

STOPPED = ("T", "t")
"""States of a thread that takes no signal; each one sent would lie in the kernel until it does."""

NUMBER = struct.Struct("Q")


class Inspection:
    """Of one server. Make it before the first fork."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._documents = appended("fivefold-snapshots")
        self._stacks = appended("fivefold-stacks")
        # Of a worker.
        self._answered = 0
        self._model: ServingModel | None = None
        self._ios: weakref.WeakSet[IOModel] = weakref.WeakSet()

    @property
    def number(self) -> int:
        """Of the last question."""
        number: int = NUMBER.unpack_from(self._page)[0]
        return number

    # runs in: a worker

    def install(self) -> None:
        """Before its first fork, so that its processes inherit it."""
        self._answered = self.number
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            faulthandler.register(SHOW, file=self._stacks.fileno(), all_threads=True)

    def watch(self, model: ServingModel) -> None:
        """Whose connections are seen."""
        self._model = model

    def waits(self, io: IOModel) -> None:
        """One of the I/O models of this process."""
        self._ios.add(io)

    def answer(self, here: FrameType | None) -> None:
        """Called in a handler of NOTICE, which has interrupted `here`; raises nothing."""
        number = self.number
        if number == self._answered:
            return
        self._answered = number
        opened = OpenConnections() if self._model is None else self._model.open
        document: Document
        try:
            document = snapshot(opened, loops_of(list(self._ios)), here)
        except BaseException as error:  # noqa: BLE001 - its stacks are told by `SHOW`
            document = {"pid": os.getpid(), "failed": repr(error)}
        with contextlib.suppress(OSError):  # no memory: as if it had not answered
            line = json.dumps({"number": number} | document)
            os.write(self._documents.fileno(), line.encode() + b"\n")

    # runs in: the supervisor

    def close(self) -> None:
        self._documents.close()
        self._stacks.close()

    # runs in: the process that asks

    def begin(self) -> None:
        """A new question."""
        for file in (self._documents, self._stacks):
            os.ftruncate(file.fileno(), 0)
        NUMBER.pack_into(self._page, 0, self.number + 1)

    def answers(self) -> dict[int, Document]:
        """Those to the present question, by their processes."""
        lines = whole(self._documents).splitlines(keepends=True)
        documents = [document_of(line) for line in lines if line.endswith(b"\n")]
        number = self.number
        return {one["pid"]: one for one in documents if one.get("number") == number}

    def stacks_of(self, pid: int) -> None:
        """Have them written."""
        os.ftruncate(self._stacks.fileno(), 0)
        send(pid, SHOW)

    def stacks(self) -> str:
        return whole(self._stacks).decode(errors="replace")


class Question:
    """What is to be known of all processes, once; `look` at it now and then until it says."""

    def __init__(self, inspection: Inspection, everyone: Iterable[int], asked: set[int]) -> None:
        """`everyone`: the processes of the server; `asked`: those that can answer. The caller
        sends NOTICE to `self.asked` afterwards."""
        self._inspection = inspection
        tables = SocketTables()
        self._outside = {pid: seen_from_outside(pid, tables) for pid in everyone if entry_of(pid)}
        self.asked = {pid for pid in asked & self._outside.keys() if not self._is_stopped(pid)}
        """Those that are waited for."""
        self._until = monotonic() + ANSWER_S
        self._give_up_at = self._until + ALL_STACKS_S
        self._written, self._last = "", 0.0
        """What the process that is asked for its stacks has written so far, and until when."""
        self._shows: int | None = None
        """The process that is asked for its stacks."""
        self._stacks: dict[int, str] = {}
        inspection.begin()

    def look(self) -> list[dict[str, Any]] | None:
        """The processes (`merging`), once all have answered, or had their time; else None."""
        inspection = self._inspection
        answers = inspection.answers()
        now = monotonic()
        if self._shows is not None:
            self._read(self._shows, now)
        missing = self.asked - answers.keys() - self._stacks.keys()
        if now >= self._give_up_at:
            self._stacks |= dict.fromkeys(missing, "(not asked for: too many are stuck)")
            missing = set()
        if not missing:
            return merged(self._outside, answers, self._stacks)
        if self._shows is None and now >= self._until:
            self._shows = min(missing)
            inspection.stacks_of(self._shows)
            self._written, self._last = "", now + STACKS_S
            self._until = self._last
        return None

    def _read(self, pid: int, now: float) -> None:
        """The stacks, until their writer has had its time, or seems to have done."""
        written = self._inspection.stacks()
        if written != self._written:
            self._written = written
            self._until = min(self._last, now + STILL_S)
        elif now >= self._until:
            self._stacks[pid] = written
            self._shows = None

    def _is_stopped(self, pid: int) -> bool:
        threads = self._outside[pid]["threads"]
        return bool(threads) and all(thread["state"] in STOPPED for thread in threads)


def document_of(line: bytes) -> Document:
    """What a process has written; nothing, if another one's end was cut off, for want of memory,
    and this one follows it in the same line."""
    try:
        found = object_of(line)
        number_of(found.get("pid"))
    except ValueError:
        return {}
    return found


def appended(name: str) -> MemoryFile:
    """What is written is added, whoever writes."""
    file = MemoryFile(name)
    fcntl.fcntl(file.fileno(), fcntl.F_SETFL, os.O_APPEND)
    return file


def whole(file: MemoryFile) -> bytes:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
