"""The path of a request as a drawing: five stations, eleven numbered arrows between them.

Two layouts of the same: on a wide page the request goes from left to right and the response
back, on a narrow one down and up again, so that nothing is cut off or shrunk.  What the drawing
shows stands in the table of steps as well, so it is one image to a screen reader.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[int, int]

HEAD = 11
"""Length of an arrow's head."""

RADIUS = 13
"""Of the circle with its number."""


@dataclass(frozen=True)
class Station:
    """A box; `label` is its text, at `text`."""

    actor: str
    label: str
    left: int
    top: int
    width: int
    height: int
    text: Point


@dataclass(frozen=True)
class Arrow:
    """A line with its head, its number at `middle`, and the time of its step at `time`."""

    line: str
    head: str
    middle: Point
    time: Point
    anchor: str
    """Where the time's text is held: start, middle, end."""


@dataclass(frozen=True)
class Layout:
    """Everything of one drawing, in its own units."""

    name: str
    width: int
    height: int
    stations: tuple[Station, ...]
    arrows: dict[int, Arrow]


def _across(start: Point, end: Point) -> Arrow:
    """Left or right; the time below the line."""
    (x1, y), (x2, _) = start, end
    way = 1 if x2 > x1 else -1
    neck, middle = x2 - way * HEAD, (x1 + x2) // 2
    head = f"M{x2} {y} L{neck} {y - HEAD // 2} L{neck} {y + HEAD // 2} Z"
    return Arrow(f"M{x1} {y} L{neck} {y}", head, (middle, y), (middle, y + 29), "middle")


def _along(start: Point, end: Point, *, time_left: bool = False) -> Arrow:
    """Down or up; the time beside the line."""
    (x, y1), (_, y2) = start, end
    way = 1 if y2 > y1 else -1
    neck, middle = y2 - way * HEAD, (y1 + y2) // 2
    head = f"M{x} {y2} L{x - HEAD // 2} {neck} L{x + HEAD // 2} {neck} Z"
    aside, anchor = (-RADIUS - 4, "end") if time_left else (RADIUS + 4, "start")
    return Arrow(f"M{x} {y1} L{x} {neck}", head, (x, middle), (x + aside, middle + 5), anchor)


def _tall(actor: str, label: str, left: int) -> Station:
    return Station(actor, label, left, 20, 170, 250, (left + 85, 50))


def _flat(actor: str, label: str, top: int, width: int = 340) -> Station:
    return Station(actor, label, 10, top, width, 54, (10 + width // 2, top + 33))


WIDE = Layout(
    "wide",
    1000,
    420,
    (
        _tall("client", "client", 10),
        _tall("interface", "network interface", 280),
        _tall("kernel", "kernel", 550),
        _tall("server", "server", 820),
        Station("disk", "disk", 550, 350, 170, 54, (635, 383)),
    ),
    {
        1: _across((180, 80), (280, 80)),
        2: _across((450, 80), (550, 80)),
        3: _across((720, 80), (820, 80)),
        4: _across((820, 130), (720, 130)),
        5: _along((590, 270), (590, 350), time_left=True),
        6: Arrow(
            "M720 362 H765 V392 H731",
            "M720 392 L731 387 L731 397 Z",
            (765, 377),
            (785, 382),
            "start",
        ),
        7: _along((670, 350), (670, 270)),
        8: _across((720, 180), (820, 180)),
        9: _across((820, 230), (720, 230)),
        10: _across((550, 230), (450, 230)),
        11: _across((280, 230), (180, 230)),
    },
)

NARROW = Layout(
    "narrow",
    360,
    494,
    (
        _flat("client", "client", 10),
        _flat("interface", "network interface", 150, 190),
        _flat("kernel", "kernel", 290),
        _flat("server", "server", 430),
        Station("disk", "disk", 230, 150, 120, 54, (290, 183)),
    ),
    {
        1: _along((50, 64), (50, 150)),
        2: _along((50, 204), (50, 290)),
        3: _along((30, 344), (30, 430)),
        4: _along((115, 430), (115, 344)),
        5: Arrow(
            "M245 290 L245 215", "M245 204 L240 215 L250 215 Z", (245, 238), (263, 230), "start"
        ),
        6: Arrow(
            "M265 150 V122 H315 V139",
            "M315 150 L310 139 L320 139 Z",
            (290, 122),
            (290, 102),
            "middle",
        ),
        7: Arrow(
            "M334 204 L334 279", "M334 290 L329 279 L339 279 Z", (334, 256), (316, 277), "end"
        ),
        8: _along((200, 344), (200, 430)),
        9: _along((285, 430), (285, 344)),
        10: _along((135, 290), (135, 204)),
        11: _along((135, 150), (135, 64)),
    },
)

LAYOUTS = (WIDE, NARROW)
