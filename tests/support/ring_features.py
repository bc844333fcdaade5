"""What of io_uring this kernel has: a test that needs more is skipped, and says what is missing.

Kernels with io_uring, but before 6.1, have neither rings of one thread nor silent sends; the
server uses what there is (`fivefold/iomodels/aio/uring/setup.py`), and so do its tests.
"""

from __future__ import annotations

import pytest

from fivefold.iomodels.aio.uring import setup
from fivefold.iomodels.aio.uring.setup import Features

REFUSAL = setup.refusal()

DETECTED = setup.detected() if REFUSAL is None else Features()

needs_a_ring = pytest.mark.skipif(REFUSAL is not None, reason=str(REFUSAL))


def needs(feature: str) -> pytest.MarkDecorator:
    """`feature`: a field of `Features`."""
    missing = not getattr(DETECTED, feature)
    return pytest.mark.skipif(missing, reason=f"io_uring of this kernel is without {feature}")
