"""What of a page cannot be read at its present width, as the browser lays it out.

Texts are measured where their letters are (the rectangles of each text node's lines), not by the
boxes of the elements around them: two boxes may meet where two texts do not, and labels of a
drawing have no box.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Frame, Page

WIDTHS = ((360, "light"), (400, "dark"), (800, "light"), (1400, "dark"))
"""Pixels, and a colour scheme: a phone, a tablet, a desk."""

OUTSIDE = """() => {
  const page = document.documentElement.clientWidth;
  return [...document.querySelectorAll("body *")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width && (box.right > page + 1 || box.left < -1);
  }).map((one) => one.outerHTML.slice(0, 200));
}"""
"""What is wider than the page, or beyond its edges, drawn or written."""

SCROLLED = """() => [...document.querySelectorAll("body, body *")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth
    && getComputedStyle(one).overflowX !== "visible")
  .map((one) => one.outerHTML.slice(0, 200))"""
"""What hides a part of itself behind its edge."""

MEETING = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const pieces = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.data.trim() || node.parentElement.closest("select, script, style, title")) continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width) pieces.push([node, box]);
  }
  const marks = document.querySelectorAll("svg.path circle");
  for (const one of marks)
    pieces.push([one.nextElementSibling.firstChild, one.getBoundingClientRect()]);
  pieces.sort(([, a], [, b]) => a.top - b.top);
  const found = [];
  pieces.forEach(([one, a], at) => {
    for (const [other, b] of pieces.slice(at + 1)) {
      if (b.top > a.bottom - 3) break;
      if (one !== other && a.left < b.right - 1 && b.left < a.right - 1)
        found.push([one.data, other.data]);
    }
  });
  return found;
}"""
"""Texts that lie on each other, or on the numbered circle of another step."""


def unreadable(page: Page | Frame) -> dict[str, Any]:
    """Empty lists, if all can be read without scrolling sideways."""
    found = {"outside": OUTSIDE, "scrolled": SCROLLED, "meeting": MEETING}
    return {name: page.evaluate(script) for name, script in found.items()}


READABLE: dict[str, Any] = {"outside": [], "scrolled": [], "meeting": []}
