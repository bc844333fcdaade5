"""The numbers and layouts of io_uring: include/uapi/linux/io_uring.h.

With each stands the release of Linux that brought it, where that matters.
"""

from __future__ import annotations

import ctypes
import struct

SYS_SETUP, SYS_ENTER, SYS_REGISTER = 425, 426, 427  # the same on every architecture

SETUP_CQSIZE = 1 << 3
SETUP_CLAMP = 1 << 4
SETUP_SUBMIT_ALL = 1 << 7  # Linux 5.18
SETUP_COOP_TASKRUN = 1 << 8  # 5.19
SETUP_SINGLE_ISSUER = 1 << 12  # 6.0
SETUP_DEFER_TASKRUN = 1 << 13  # 6.1

FEAT_SINGLE_MMAP = 1 << 0  # 5.4
FEAT_EXT_ARG = 1 << 8  # 5.11
FEAT_CQE_SKIP = 1 << 11  # 5.17

ENTER_GETEVENTS = 1 << 0
ENTER_EXT_ARG = 1 << 3

REGISTER_PROBE, REGISTER_PBUF_RING = 8, 22
OP_SUPPORTED = 1 << 0

OP_POLL_ADD, OP_ACCEPT, OP_ASYNC_CANCEL = 6, 13, 14
OP_READ, OP_SEND, OP_RECV = 22, 26, 27
OP_SOCKET = 45  # 5.19
OP_SEND_ZC = 47  # 6.0

SQE_BUFFER_SELECT = 1 << 5
SQE_CQE_SKIP_SUCCESS = 1 << 6  # 5.17
ACCEPT_MULTISHOT = 1 << 0  # 5.19, in `ioprio`
RECV_MULTISHOT = 1 << 1  # 6.0, in `ioprio`

CQE_BUFFER = 1 << 0
CQE_MORE = 1 << 1
CQE_BUFFER_SHIFT = 16

OFFSET_RINGS, OFFSET_SQES = 0, 0x10000000
"""Where mmap(2) finds the two queues, and the submission entries."""

SQE = struct.Struct("8Q")
"""A submission entry as eight words: see `sqe_word` for the first, then off, addr,
len | flags << 32, user_data, buf_group, and two that no operation of ours uses."""

CQE = struct.Struct("Qii")
"""user_data, res, flags."""

BUFFER = struct.Struct("QIH")
"""struct io_uring_buf without its last two bytes: addr, len, bid."""

BUFFER_RING = struct.Struct("QIH26x")
"""struct io_uring_buf_reg: ring_addr, ring_entries, bgid."""


class Params(ctypes.Structure):
    """struct io_uring_params."""

    _fields_ = (
        ("sq_entries", ctypes.c_uint32),
        ("cq_entries", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("unused", ctypes.c_uint32 * 2),
        ("features", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 4),
        ("sq", ctypes.c_uint32 * 10),  # head, tail, ring_mask, ring_entries, flags, dropped, array
        ("cq", ctypes.c_uint32 * 10),  # head, tail, ring_mask, ring_entries, overflow, cqes, flags
    )


class WaitArgument(ctypes.Structure):
    """struct io_uring_getevents_arg, and the timespec that it points to."""

    _fields_ = (
        ("sigmask", ctypes.c_uint64),
        ("sigmask_size", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("timespec", ctypes.c_uint64),
        ("seconds", ctypes.c_int64),
        ("nanoseconds", ctypes.c_int64),
    )


def sqe_word(opcode: int, fd: int, *, flags: int = 0, ioprio: int = 0) -> int:
    """The first word of a submission entry."""
    return opcode | flags << 8 | ioprio << 16 | (fd & 0xFFFFFFFF) << 32
