"""The interface between a connection and its I/O model, and nothing else.

A connection coroutine is written once and awaits the methods of `Connection` and
`Listener`; each I/O model supplies those methods.  What differs between the models
is only *how they wait*: a coroutine that has to wait yields a `Waiter`, and the
model resumes the coroutine when trying (or collecting) is worth while.

Rules of the folder:

- One `IOModel` per thread, created in that thread and after any fork: rings, epoll
  descriptors, signal masks and owners must not cross either.
- `wake` and `Connection.interrupt` may be called from any thread; everything else
  only from the model's own thread.
- A pending operation raises `DeadlineExceeded` once `Connection.deadline` has passed,
  in every model; it is noticed within one `tick_s`.
"""

from __future__ import annotations

from .connection import Connection
from .file import File
from .io_model import IOModel
from .listener import Listener
from .traits import Traits
from .waiter import NO_WAITER, Task, Waiter

__all__ = ["NO_WAITER", "Connection", "File", "IOModel", "Listener", "Task", "Traits", "Waiter"]
