"""The pictures of README.md: what Chromium shows of the live page, a trace and a comparison.

Run by `make pictures` (`draw.py compare` draws that one alone), as root where the trace shall have
the kernel's own evidence, on a machine that has nothing else to do.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_connection

from playwright.sync_api import Browser, sync_playwright

from fivefold import Server, Settings

ROOT = Path(__file__).resolve().parents[2]
SITE = "examples/site"

SIZE = {"width": 1100, "height": 720}
"""As much as a reader sees of README.md at once."""

PAGES = {
    "trace": ("trace", SITE, "/media/life.mp4", "--cold", "--html"),
    "compare": ("compare", SITE, "--quick", "--out"),
}
"""What writes each page, with the file's name behind it."""


LIVE = Settings(
    target=str(ROOT / SITE),
    serving="thread",
    io="blocking",
    workers=2,
    bind="127.0.0.1:0",
    status="127.0.0.1:0",
)

SILENT = 3
"""Clients that have said half of a request, and wait."""

SECONDS = 15
"""So long the live page follows the server, for its curves."""


def draw(browser: Browser, name: str, address: str, seconds: float = 0) -> None:
    page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
    page.goto(address)
    page.wait_for_timeout(1000 * seconds)
    page.screenshot(path=ROOT / "docs" / "pictures" / f"{name}.png")
    page.close()


@contextmanager
def clients(address: str) -> Iterator[None]:
    """One that asks on and on, and some that are silent in the middle of a request."""
    over = threading.Event()
    host, _, port = address.removeprefix("http://").partition(":")

    def ask() -> None:
        while not over.wait(0.02):
            with urllib.request.urlopen(f"{address}/media/life.mp4") as answer:
                answer.read()

    asking = threading.Thread(target=ask)
    with ExitStack() as silent:
        for _ in range(SILENT):
            sock = silent.enter_context(create_connection((host, int(port))))
            sock.sendall(b"GET /media/life.mp4 HT")
        asking.start()
        yield
        over.set()
        asking.join()


def draw_live(browser: Browser) -> None:
    with Server(LIVE) as server, clients(server.addresses[0]):
        draw(browser, "live", server.status.addresses[0], SECONDS)


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        if not names or "live" in names:
            draw_live(browser)
        for name, command in PAGES.items():
            if names and name not in names:
                continue
            page = Path(folder, f"{name}.html")
            ours = [sys.executable, "-m", "fivefold"]
            subprocess.run([*ours, *command, str(page)], check=True, cwd=ROOT)
            draw(browser, name, page.as_uri())
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
