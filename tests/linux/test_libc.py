"""Errors of the C library become OSError, and only errors do."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import threading

import pytest

from fivefold.linux.libc import checked, libc, syscall

GETPPID = {"x86_64": 110, "aarch64": 173, "riscv64": 173}


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOENT, errno.EAGAIN, errno.EINTR])
def test_a_failure_has_the_class_the_call_and_the_reason(number: int) -> None:
    ctypes.set_errno(number)
    with pytest.raises(type(OSError(number, ""))) as caught:
        checked(-1, "thecall")
    assert caught.value.errno == number
    assert caught.value.strerror == f"thecall: {os.strerror(number)}"


@pytest.mark.parametrize("result", [0, 1, -2, 2**31 - 1])
def test_what_is_no_failure_passes(result: int) -> None:
    ctypes.set_errno(errno.EPERM)  # of a call before
    assert checked(result, "thecall") == result


def test_a_call_without_a_wrapper() -> None:
    number = GETPPID.get(platform.machine())
    if number is None:
        pytest.skip("the number of getppid is not known here")
    assert syscall(number) == os.getppid()


def test_a_call_that_the_kernel_does_not_know() -> None:
    with pytest.raises(OSError, match="none: Function not implemented"):
        checked(syscall(100_000), "none")


def test_each_thread_has_an_errno_of_its_own() -> None:
    """Ours is looked at after others may have failed."""
    assert libc.close(-1) == -1
    thread = threading.Thread(target=ctypes.set_errno, args=(errno.ENOSPC,))
    thread.start()
    thread.join()
    with pytest.raises(OSError, match="close: Bad file descriptor"):
        checked(-1, "close")
