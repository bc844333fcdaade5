"""Compares a server with itself, again and again: `compare` must not find that it differs.

    python tests/soak/soak_itself.py [--times 40] [--seconds 6]

Two instances of the same command are measured as `fivefold compare` measures two pairs, 40 times;
2 comparisons may call them different.  tests/compare/test_significance.py does it with noise that
is made up; this one has the noise of the machine it runs on.  Exit status 1: it did not hold.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from fivefold.compare.session import Wishes, compared, planned
from fivefold.compare.significance import rounds_enough
from fivefold.server.settings import Settings

SITE = Path(__file__).parents[2] / "examples" / "site"
ALLOWED = 2
AGAIN = "the same again"


def difference(seconds: float) -> str | None:
    """What one comparison of the default pair with itself said, if it said that they differ."""
    wishes = Wishes(
        Settings(target=str(SITE)), ("async",), ("multiplexing",), budget_s=seconds,
        rounds=rounds_enough(2),
    )  # fmt: skip
    plan = planned(wishes)
    (pair,) = plan.contenders
    found = compared(
        replace(plan, contenders=(pair, replace(pair, name=AGAIN))), str(SITE), lambda _: None
    )
    sentence = found["advice"][0]
    alike = f"No significant difference from {AGAIN} was shown" in sentence["text"]
    disturbed = sum(row["disturbed_rounds"] for row in found["rows"])
    print("alike" if alike else sentence["text"], f"({disturbed} disturbed rounds)", flush=True)
    return None if alike else sentence["text"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare a server with itself.")
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each comparison")
    asked = parser.parse_args()
    different = [text for _ in range(asked.times) if (text := difference(asked.seconds))]
    print(f"{len(different)} of {asked.times} comparisons called the same server different")
    return 1 if len(different) > ALLOWED * asked.times / 40 else 0


if __name__ == "__main__":
    sys.exit(main())
