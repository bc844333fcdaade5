"""What this kernel's io_uring can do, and why it cannot be had: found out by trying.

Facts.        Each release added something: multishot accept and buffer rings 5.19,
              multishot receive 6.0, deferred task work 6.1.  Distributions port features
              back, so the release number proves nothing; set-up flags are refused with
              EINVAL, operations can be asked for (IORING_REGISTER_PROBE), flags of
              operations cannot.
              A ring may be refused altogether: by seccomp (EPERM in Docker since 2023,
              ENOSYS elsewhere), by kernel.io_uring_disabled (EPERM), for lack of locked
              memory before 5.12 (ENOMEM), by some hosts with EOPNOTSUPP.
Consequence.  No list of error numbers is complete: one that named only ENOSYS, EPERM and
              ENOMEM made a program of others fail instead of fall back.
Choice.       Set up a real ring and a real buffer ring; take a flag of an operation for
              granted if an operation of the same release is there.  Any OSError means
              that the engine is not available, and is put into words.
Cost.         0.2 ms per process, once.
"""

from __future__ import annotations

import errno
import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ....errors import Unavailable
from ....linux.io_uring import abi
from ....linux.io_uring import queues as io_uring

SWITCH = Path("/proc/sys/kernel/io_uring_disabled")
ORDERED_STORES = {"x86_64", "i686", "AMD64"}
NEEDED = {
    abi.OP_POLL_ADD,
    abi.OP_ACCEPT,
    abi.OP_ASYNC_CANCEL,
    abi.OP_READ,
    abi.OP_SEND,
    abi.OP_RECV,
}

BUFFER_BYTES = 16384
"""One received piece: as much as the other engines take in one call."""

GROUP = 1
"""The number of the one buffer ring of each ring."""

WORDS = {
    errno.ENOSYS: "this kernel, or the sandbox around it, has no io_uring",
    errno.ENOMEM: "no memory for a ring (before Linux 5.12 RLIMIT_MEMLOCK bounds it)",
    errno.EOPNOTSUPP: "the sandbox around this process does not support io_uring",
    errno.EMFILE: "no descriptor is left for a ring (RLIMIT_NOFILE)",
    errno.ENFILE: "the system has no descriptor left for a ring",
}


class Features(NamedTuple):
    """What of io_uring is in use; all False is what Linux 5.11 had."""

    deferred: bool = False
    """Completions are made only inside our own io_uring_enter (6.1): no interruptions."""
    cooperative: bool = False
    """Completions wait until the thread enters the kernel anyway (5.19)."""
    multishot_accept: bool = False
    """One submission accepts for ever (5.19)."""
    buffer_ring: bool = False
    """The kernel takes a buffer when data comes, instead of holding one per connection (5.19)."""
    multishot_recv: bool = False
    """One submission receives for ever (6.0); needs `buffer_ring`."""
    silent_sends: bool = False
    """A send that succeeds at once leaves no completion; needs `deferred`."""

    def setup_flags(self) -> int:
        if self.deferred:
            single = abi.SETUP_SINGLE_ISSUER | abi.SETUP_DEFER_TASKRUN
            return single | abi.SETUP_SUBMIT_ALL
        if self.cooperative:
            return abi.SETUP_COOP_TASKRUN | abi.SETUP_SUBMIT_ALL
        return 0

    def in_words(self) -> str:
        """For the user: the features in use, and those that are missing."""
        names = {name: name.replace("_", " ") for name in self._fields}
        used = [names[name] for name, there in self._asdict().items() if there]
        missing = [names[name] for name, there in self._asdict().items() if not there]
        return ", ".join(used or ["none"]) + (f"; without {', '.join(missing)}" if missing else "")


@cache
def detected() -> Features:
    """What this kernel offers. Raises `Unavailable`, or OSError if a ring cannot be set up."""
    if not io_uring.bytes_are_where_expected():
        raise Unavailable("the memory layout of bytes objects is not CPython's")
    flags_only = (Features(deferred=True, cooperative=True), Features(cooperative=True), Features())
    for features in flags_only:
        try:
            ring = io_uring.Ring(4, 8, features.setup_flags())
        except OSError as error:
            if error.errno != errno.EINVAL or features is flags_only[-1]:
                raise
            continue
        try:
            return examined(ring, features)
        finally:
            ring.close()
    raise AssertionError


def examined(ring: io_uring.Ring, features: Features) -> Features:
    """`features`, and what else this ring can do."""
    supported = ring.supported()
    if not (ring.features & abi.FEAT_EXT_ARG and supported >= NEEDED):
        raise Unavailable("this io_uring is too old: Linux 5.11 is needed")
    if not features.deferred and platform.machine() not in ORDERED_STORES:
        raise Unavailable("on this processor io_uring needs DEFER_TASKRUN (Linux 6.1)")
    buffer_ring = has_buffer_rings(ring)
    return features._replace(
        # Operations of the same release: IORING_OP_SOCKET is of 5.19, IORING_OP_SEND_ZC of 6.0.
        multishot_accept=abi.OP_SOCKET in supported,
        buffer_ring=buffer_ring,
        multishot_recv=buffer_ring and abi.OP_SEND_ZC in supported,
        # Kernels before 6.1 forget how much a send had moved when the rest was refused.
        silent_sends=features.deferred and bool(ring.features & abi.FEAT_CQE_SKIP),
    )


def has_buffer_rings(ring: io_uring.Ring) -> bool:
    try:
        buffers = io_uring.BufferRing(ring, 1, 1, 16)
    except OSError:
        return False
    buffers.close()
    return True


def refusal() -> str | None:
    """Why no ring can be had, in words; None if one can."""
    try:
        detected()
    except Unavailable as reason:
        return str(reason)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "?")
        return f"{in_words(error)} ({name})"
    return None


def in_words(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return forbidden_by()
    return WORDS.get(error.errno or 0) or f"{error.strerror}"


def forbidden_by() -> str:
    try:
        state = SWITCH.read_text("ascii").strip()
    except OSError:
        state = "0"  # before Linux 6.6 there is no such switch
    if state == "2":
        return "the administrator has switched io_uring off (kernel.io_uring_disabled is 2)"
    if state == "1" and os.geteuid() != 0:
        return "kernel.io_uring_disabled is 1 and this user is not in kernel.io_uring_group"
    return "io_uring is forbidden here, probably by a container's seccomp profile"


def make(features: Features, connections: int) -> tuple[io_uring.Ring, io_uring.BufferRing | None]:
    """A ring, and its buffers if there are such, for about so many connections."""
    # A receive and a send of each connection at once; what is more is submitted on the way. More
    # completions than that, because a multishot operation has many.
    ring = io_uring.Ring(
        power_of_two(2 * connections, 8, 4096),
        power_of_two(4 * connections, 64, 16384),
        features.setup_flags(),
    )
    if not features.buffer_ring:
        return ring, None
    try:
        count = power_of_two(connections // 8, 4, 128)
        return ring, io_uring.BufferRing(ring, GROUP, count, BUFFER_BYTES)
    except BaseException:
        ring.close()
        raise


def power_of_two(number: int, lowest: int, highest: int) -> int:
    """The power of two that holds `number`, within bounds."""
    return 1 << (min(max(number, lowest), highest) - 1).bit_length()
