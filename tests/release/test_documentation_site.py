"""`make site`: no warning, every page is there, and nothing is fetched from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

FETCHED = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']?(https?:|//)[^\"' >]*")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = ["-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


def test_every_document_has_a_page_in_the_navigation(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    pages |= {Path(f"{name}.html") for name in ("index", "changelog", "hacking", "contributing")}
    assert [page for page in pages if not (site / page).exists()] == []
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    names = [page.with_suffix(".md").as_posix() for page in pages]
    assert [
        name for name in names if not re.search(rf"[\s\[]{re.escape(name)}\b", navigation)
    ] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    found = {page.name: FETCHED.findall(page.read_text()) for page in site.rglob("*.html")}
    assert {name: links for name, links in found.items() if links} == {}


def test_the_search_knows_both_languages_and_every_setting(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    text = " ".join(entry["text"] for entry in index["docs"])
    for word in ("keep_alive_s", "多路复用", "fivefold compare", "--tls-cert"):
        assert word in text


def test_the_first_page_is_the_readme_with_links_of_the_site(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert 'href="benchmarks.html"' in page
    assert 'src="pictures/trace.png"' in page
    assert 'href="deploying.html"' in page
    assert 'href="zh.html"' in page
    assert "](" not in page
