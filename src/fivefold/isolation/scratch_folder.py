"""A temporary folder that does not outlive a program that is killed: the next one removes it.

`tempfile.TemporaryDirectory` is gone after an exception, not after SIGKILL or a crash.

Facts.        A lock of flock(2) belongs to an open file: it ends with the last process that has it,
              however that ends.  A child that executes another program has it no more (O_CLOEXEC).
Choice.       In the folder lies a file, `MARK`, which is locked as long as the folder is used.
              Whoever makes a folder of the same kind in the same place removes those whose mark can
              be locked.  A folder without a mark is not ours, whatever its name, and stays.
Assumption.   A file system whose locks hold on one machine.  Where flock(2) is refused no folder is
              marked, and none is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

MARK = ".fivefold-scratch"


@contextlib.contextmanager
def scratch_folder(kind: str, parent: str | None = None) -> Iterator[Path]:
    """A new folder, readable for this user alone, until the block ends. `kind`: a word of its name.

    Raises OSError if none can be made.
    """
    prefix = f"fivefold-{kind}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as name:
        folder = Path(name)
        remove_abandoned(folder.parent, prefix)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(marked(folder))
            yield folder


@contextlib.contextmanager
def marked(folder: Path) -> Iterator[None]:
    """Locked before it has its name: a mark that can be locked is always an abandoned one."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=MARK, delete=False) as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        Path(mark.name).rename(folder / MARK)
        yield


def remove_abandoned(parent: Path, prefix: str) -> None:
    """What cannot be removed stays."""
    with contextlib.suppress(OSError):
        for each in parent.glob(f"{prefix}*"):
            if is_abandoned(each):
                shutil.rmtree(each, ignore_errors=True)


def is_abandoned(folder: Path) -> bool:
    """Whether it is ours, and nobody uses it."""
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        fd = os.open(folder / MARK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
