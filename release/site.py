"""The pages of the site that lie outside of docs/: mkdocs calls this (mkdocs.yml, `hooks`).

Choice.       README.md is the site's first page, and what stands at the top of the clone has a page
              each, so that no text is there twice.  Their links are those of the clone: one to a
              page leads to it here, one to any other file is its text alone.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]

PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "HACKING.md": "hacking.md",
    "deploy/README.md": "deploying.md",
}
"""By their path in the clone: where they are on the site."""

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^):#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """What the site is made of, and these."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=linked(text, source, files)))
    return files


def linked(text: str, source: str, files: Files) -> str:
    """With links as they are on the site."""

    def link(found: re.Match[str]) -> str:
        picture, words, path, anchor = found.groups()
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        page = PAGES.get(there) or there.removeprefix("docs/")
        known = there in PAGES or (there != page and files.get_file_from_path(page) is not None)
        return f"{picture}[{words}]({page}{anchor or ''})" if known else words

    return LINK.sub(link, text)
