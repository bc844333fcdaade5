"""Where tracefs is not mounted root has the kernel's trace events all the same, mounting nothing.

The machine without it is a mount namespace of unshare(1), in which it was unmounted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fivefold.linux.processes import in_first_pid_namespace
from fivefold.linux.tracepoints import tracefs
from support.servers.deployed import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

UNMOUNTED = """
set -e
for root in /sys/kernel/debug/tracing /sys/kernel/tracing /sys/kernel/debug; do
    if mountpoint -q $root; then umount $root; fi
done
if [ -e /sys/kernel/tracing/trace_clock ]; then exit 1; fi
exec "$@"
"""

TRACED = """
import json, sys
from pathlib import Path
from fivefold import Settings
from fivefold.tracing.request.session import Session
mounts = Path("/proc/self/mounts").read_text()
with Session(Settings(target=sys.argv[1])) as session:
    trace = session.request("/file")
    during = Path("/proc/self/mounts").read_text()
print(json.dumps([trace.privileged, list(trace.notes), mounts == during, "tracefs" in mounts]))
"""

HOLDER = """
import time
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.kernel.capture import KernelTrace
with KernelTrace(server_port=1) as kernel:
    print(tracefs.own_name(), flush=True)
    time.sleep(60)
"""


def unmounted(*command: str) -> list[str]:
    """The command, in a mount namespace where tracefs is not mounted."""
    return ["unshare", "--mount", "sh", "-c", UNMOUNTED, "sh", *command]


def test_root_has_the_kernels_events() -> None:
    """Else about 150 tests of them would be skipped, and nobody would see it."""
    if not in_first_pid_namespace():
        pytest.skip(str(tracefs.available()))
    assert tracefs.available() is None


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
def test_a_trace_where_it_is_not_mounted_has_them_and_mounts_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    machine = Path("/proc/self/mounts").read_text()
    done = subprocess.run(
        unmounted(sys.executable, "-c", TRACED, str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    privileged, notes, is_unchanged, is_mounted = json.loads(done.stdout)
    assert privileged, notes
    assert is_unchanged
    assert not is_mounted
    assert Path("/proc/self/mounts").read_text() == machine


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
def test_nothing_is_left_behind_there_after_a_kill() -> None:
    root = tracefs.root()
    assert root is not None
    command = unmounted(sys.executable, "-c", HOLDER)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        name = holder.stdout.readline().strip()
        instances = root / "instances"
        assert len(list(instances.glob(f"{name}-*"))) == 2, "there is one tracefs for all mounts"
        holder.send_signal(signal.SIGKILL)
    until(lambda: not list(instances.glob(f"{name}-*")), "the end of its instances")
