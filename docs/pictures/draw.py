"""The pictures of README.md: what Chromium shows of a page, a trace and a comparison.

Run by `make pictures`, as root where the trace shall have the kernel's own evidence,
on a machine that has nothing else to do.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

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


def draw(browser: Browser, name: str, address: str) -> None:
    page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
    page.goto(address)
    page.screenshot(path=ROOT / "docs" / "pictures" / f"{name}.png")
    page.close()


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Settings(target=str(ROOT / SITE), bind="127.0.0.1:0")) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        draw(browser, "serve", server.addresses[0])
        for name, command in PAGES.items():
            page = Path(folder, f"{name}.html")
            ours = [sys.executable, "-m", "fivefold"]
            subprocess.run([*ours, *command, str(page)], check=True, cwd=ROOT)
            draw(browser, name, page.as_uri())
        browser.close()


if __name__ == "__main__":
    main()
