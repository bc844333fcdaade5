"""The path of a request as a drawing: five stations, eleven numbered arrows between them.

Time runs down the page, the request from left to right and the response back.  What the
drawing shows stands in the table of steps as well, so it is one image to a screen reader.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 400
HALF = 85
"""Half the width of a station."""


@dataclass(frozen=True)
class Station:
    """A box; `x` is its middle."""

    actor: str
    label: str
    x: int
    top: int
    height: int

    @property
    def middle(self) -> int:
        """Where its label stands: at the top of a tall one."""
        return self.top + (32 if self.height > 2 * HALF else self.height // 2 + 6)


STATIONS = (
    Station("client", "client", 95, 20, 230),
    Station("interface", "network interface", 365, 20, 230),
    Station("kernel", "kernel", 635, 20, 230),
    Station("server", "server", 905, 20, 230),
    Station("disk", "disk", 635, 330, 50),
)

BETWEEN = ((180, 280), (450, 550), (720, 820))
"""The gaps: client to interface, interface to kernel, kernel to server."""

Point = tuple[int, int]

LINES: dict[int, tuple[Point, Point]] = {
    1: ((BETWEEN[0][0], 75), (BETWEEN[0][1], 75)),
    2: ((BETWEEN[1][0], 75), (BETWEEN[1][1], 75)),
    3: ((BETWEEN[2][0], 75), (BETWEEN[2][1], 75)),
    4: ((BETWEEN[2][1], 120), (BETWEEN[2][0], 120)),
    5: ((600, 250), (600, 330)),
    7: ((670, 330), (670, 250)),
    8: ((BETWEEN[2][0], 172), (BETWEEN[2][1], 172)),
    9: ((BETWEEN[2][1], 217), (BETWEEN[2][0], 217)),
    10: ((BETWEEN[1][1], 217), (BETWEEN[1][0], 217)),
    11: ((BETWEEN[0][1], 217), (BETWEEN[0][0], 217)),
}
"""Where the arrows run; 6 stays within the disk."""

HEAD = 11


def arrow(number: int) -> tuple[str, str, Point]:
    """The line, its head, and the middle, where the number stands."""
    return _straight(*LINES[number]) if number in LINES else _turn()


def _straight(start: Point, end: Point) -> tuple[str, str, Point]:
    (x1, y1), (x2, y2) = start, end
    along = ((x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1))
    neck = (x2 - along[0] * HEAD, y2 - along[1] * HEAD)
    side = (along[1] * HEAD // 2, along[0] * HEAD // 2)
    head = (
        f"M{x2} {y2} L{neck[0] + side[0]} {neck[1] + side[1]}"
        f" L{neck[0] - side[0]} {neck[1] - side[1]} Z"
    )
    return f"M{x1} {y1} L{neck[0]} {neck[1]}", head, ((x1 + x2) // 2, (y1 + y2) // 2)


def _turn() -> tuple[str, str, Point]:
    """Within the disk: out of it on the right and back in."""
    return "M720 340 H795 V370 H731", "M720 370 L731 365 L731 375 Z", (795, 355)
