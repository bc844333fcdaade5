"""SO_TIMESTAMPING, SO_TIMESTAMPNS: when the kernel moved our bytes, without any rights.

Facts.        A socket can ask for a stamp when a segment is handed to the packet scheduler
              (SCHED), to the interface (SND), is acknowledged (ACK), and when one arrives
              (Documentation/networking/timestamping.rst).  Stamps are CLOCK_REALTIME.
              Those of sending wait in the socket's error queue, which raises POLLERR until
              it is read.  Over loopback the whole way to the other side is made within the
              call that sends.
              An accepted socket inherits from its listener that it stamps what arrives, so that
              its first bytes have a stamp although they came before accept(2).  A UNIX socket
              stamps nothing.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from dataclasses import dataclass

SO_TIMESTAMPNS_NEW = 64
SO_TIMESTAMPING_NEW = 65
IP_RECVERR = 11
IPV6_RECVERR = 25

TX_SOFTWARE, RX_SOFTWARE, SOFTWARE = 1 << 1, 1 << 3, 1 << 4
OPT_ID, TX_SCHED, TX_ACK, OPT_TSONLY, OPT_ID_TCP = 1 << 7, 1 << 8, 1 << 9, 1 << 11, 1 << 16

# OPT_ID_TCP (Linux 6.2) counts bytes from the right one even while some are on their way; when
# it is asked for none are, and an older kernel refuses what it does not know as a whole.
SENDING = TX_SOFTWARE | TX_SCHED | TX_ACK | OPT_ID | OPT_TSONLY | OPT_ID_TCP
RECEIVING = RX_SOFTWARE

KINDS = {0: "SND", 1: "SCHED", 2: "ACK"}
"""ee_info of a stamp of sending (linux/errqueue.h, SCM_TSTAMP_*)."""

STAMPS = struct.Struct("=qqqqqq")
"""Three of (seconds, nanoseconds); software is the first."""

TIMESPEC = struct.Struct("=qq")
"""Seconds, nanoseconds."""

ERROR = struct.Struct("=IBBBBII")
"""struct sock_extended_err."""

CONTROL_BYTES = 512


@dataclass(frozen=True)
class Stamp:
    """One time stamp of a socket."""

    kind: str
    """SCHED, SND, ACK, or RX."""
    at_ns: int
    """On the monotonic clock."""
    byte: int = 0
    """For stamps of sending: the last byte it is about, counted from when it was enabled."""


def enable(sock: socket.socket) -> str | None:
    """Ask for all stamps of a connected TCP socket; the reason if the kernel refuses."""
    refused = ""
    for sending in (SENDING, SENDING & ~OPT_ID_TCP):
        try:
            flags = sending | RECEIVING | SOFTWARE
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING_NEW, flags)
        except OSError as error:
            refused = f"they need Linux 5.1 ({error.strerror})"
        else:
            return None
    return refused


def realtime_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC; the tightest of a few readings."""
    readings = []
    for _ in range(5):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


UNIX, PEEK, DONT_WAIT = int(socket.AF_UNIX), int(socket.MSG_PEEK), int(socket.MSG_DONTWAIT)
SOL_SOCKET = socket.SOL_SOCKET
"""Plain numbers: to look at a socket's `family`, or to join two flags, makes objects of an enum,
which took 8 of the 12 us of `waited_s`."""


def received(ancillary: list[tuple[int, int, bytes]], offset_ns: int) -> Stamp | None:
    """The stamp that came with data, of its last segment."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING_NEW:
            return Stamp("RX", stamp_ns(data) - offset_ns)
    return None


def stamp_arrivals(listener: socket.socket) -> None:
    """Let the connections that are accepted from it tell when their bytes have arrived.

    What needs the stamps goes without, where the kernel has none (before Linux 5.1).
    """
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1)


def waited_s(sock: socket.socket, flags: int = 0) -> float | None:
    """How long the next byte to be read has been in the kernel; None if that is not known.

    The byte stays there.  It is waited for as recv(2) with these flags would.  Raises what that
    raises.
    Assumption.   CLOCK_REALTIME is not set meanwhile: the result would be wrong by as much, and
                  never negative.
    """
    family: int = super(socket.socket, sock).family
    if family == UNIX:  # which would hand over descriptors with the byte
        return None
    ancillary = sock.recvmsg(1, CONTROL_BYTES, flags | PEEK)[1]
    now = time.time_ns()
    for level, kind, data in ancillary:
        if level == SOL_SOCKET and kind == SO_TIMESTAMPNS_NEW:
            seconds, nanoseconds = TIMESPEC.unpack(data)
            at_ns = int(seconds) * 1_000_000_000 + int(nanoseconds)
            return max(0, now - at_ns) / 1e9
    return None


def sent(sock: socket.socket, offset_ns: int) -> list[Stamp]:
    """Empty the error queue: the stamps of what was sent so far."""
    stamps: list[Stamp] = []
    while True:
        try:
            _, ancillary, _, _ = sock.recvmsg(
                0, CONTROL_BYTES, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return stamps
        at_ns = kind = None
        byte = 0
        for level, number, data in ancillary:
            if level == socket.SOL_SOCKET and number == SO_TIMESTAMPING_NEW:
                at_ns = stamp_ns(data) - offset_ns
            elif number in (IP_RECVERR, IPV6_RECVERR):
                _, _, _, _, _, info, byte = ERROR.unpack_from(data)
                kind = KINDS.get(info)
        if at_ns is not None and kind is not None:
            stamps.append(Stamp(kind, at_ns, byte))


def stamp_ns(data: bytes) -> int:
    seconds, nanoseconds, *_ = STAMPS.unpack_from(data)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
