"""What tests share: clients and servers of their own, the pairs, and what pytest is to do."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = os.fspath(Path(__file__).parents[1])
"""For PYTHONPATH and `--chdir`: where a process of its own finds `support` and `applications`."""
