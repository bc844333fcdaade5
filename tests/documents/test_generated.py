"""What documents take from the source is what the source says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_generated_is_up_to_date() -> None:
    script = ROOT / "docs" / "generated" / "generate.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), "run python docs/generated/generate.py"
