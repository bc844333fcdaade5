"""What the package says of itself that depends on where it is published: hatchling calls this.

Facts.        A package index shows README.md, and resolves no link of it: only whole addresses
              lead somewhere there.  Where the source can be seen is written once, in
              pyproject.toml (`source-url`), and may not be known yet.
Choice.       With it, links and pictures lead there, to the tag of the version, and the package
              has its URLs.  Without it the text stands without links and pictures: none is dead.
Assumption.   `/blob/` shows a file and `/raw/` gives it, as GitHub and GitLab have it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^):]+)\)\n?")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^):]+)\)")
"""With a path instead of an address: no colon in it."""

URLS = {
    "Source": "{source}",
    "Documentation": "{source}/blob/v{version}/docs/using.md",
    "Changelog": "{source}/blob/v{version}/CHANGELOG.md",
    "Issues": "{source}/issues",
}


class MetadataHook(MetadataHookInterface):
    """`dynamic = ["readme", "urls"]`."""

    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        source = self.config.get("source-url", "").rstrip("/")
        module = (root / "src" / "fivefold" / "__init__.py").read_text("utf-8")
        version = VERSION.findall(module)[0]
        text = (root / "README.md").read_text("utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": described(text, source, version),
        }
        metadata["urls"] = urls(source, version)


def described(text: str, source: str, version: str) -> str:
    """README.md for readers who are elsewhere."""
    if not source:
        return LINK.sub(r"\1", PICTURE.sub("", text))
    text = PICTURE.sub(rf"![\1]({source}/raw/v{version}/\2)\n", text)
    return LINK.sub(rf"[\1]({source}/blob/v{version}/\2)", text)


def urls(source: str, version: str) -> dict[str, str]:
    if not source:
        return {}
    return {name: url.format(source=source, version=version) for name, url in URLS.items()}
