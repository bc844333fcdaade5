"""Where a coroutine is: its frames while it waits, and those of its thread while it runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from ..iomodels.asyncio_loop.started import Started

FRAMES = ("cr_frame", "gi_frame", "ag_frame")
AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")
"""By the names of coroutines, generators and asynchronous generators (inspect module)."""

MOST_FRAMES = 200


def waiting_in(coroutine: Any) -> list[FrameType]:
    """The frames of a coroutine that waits, the outermost first; of one that runs, its own."""
    frames: list[FrameType] = []
    while coroutine is not None and len(frames) < MOST_FRAMES:
        frame = first_of(coroutine, FRAMES)
        if frame is None:
            break
        frames.append(frame)
        coroutine = first_of(coroutine, AWAITED)
        if frame.f_code is Started.end.__code__:  # what the model drives for a task of asyncio
            coroutine = frame.f_locals["self"].steps
    return frames


def first_of(what: Any, names: tuple[str, ...]) -> Any:
    return next((found for name in names if (found := getattr(what, name, None)) is not None), None)


class RunningThreads:
    """The threads of this process that run Python, and the frames of each, the outermost first."""

    def __init__(self, here: FrameType | None) -> None:
        """`here`: where the calling thread is, or was before a signal's handler interrupted it;
        None to leave it out."""
        # Of the threads that `threading` did not start only the identifier is known.
        natives = {thread.ident: thread for thread in tuple(threading.enumerate())}
        self.stacks = {
            ident: list(outwards(frame))[::-1]
            for ident, frame in sys._current_frames().items()  # noqa: SLF001
        }
        own = threading.get_ident()
        del self.stacks[own]
        if here is not None:
            self.stacks[own] = list(outwards(here))[::-1]
        self.threads = {ident: natives.get(ident) for ident in self.stacks}
        self._running = {
            id(frame): ident for ident, stack in self.stacks.items() for frame in stack
        }

    def native_id(self, ident: int) -> int | None:
        """As the kernel knows it; None where Python does not."""
        thread = self.threads.get(ident)
        if thread is threading.main_thread():  # whose own attribute is that of a parent process
            return os.getpid()
        return None if thread is None else thread.native_id

    def runs(self, frame: FrameType) -> int | None:
        """The identifier of the thread that runs this frame now."""
        return self._running.get(id(frame))

    def inwards(self, frame: FrameType, ident: int) -> list[FrameType]:
        """What the thread does in this frame, from it on."""
        stack = self.stacks[ident]
        return stack[stack.index(frame) :]


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def shown(frames: list[FrameType]) -> list[str]:
    """One line each, the outermost first."""
    return [
        f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        for frame in frames[-MOST_FRAMES:]
    ]


def located(coroutine: Any, threads: RunningThreads) -> tuple[list[FrameType], int | None]:
    """Its frames, and the thread that runs it now."""
    frames = waiting_in(coroutine)
    ident = threads.runs(frames[0]) if frames else None
    return (frames, None) if ident is None else (threads.inwards(frames[0], ident), ident)
