"""docs/learn: every command is run, says what is shown, and both languages show the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.document_shell import Block, Shell, blocks

ROOT = Path(__file__).resolve().parents[2]
LEARN = ROOT / "docs" / "learn"
PAGES = sorted(page.name for page in LEARN.glob("*.md"))
LINK = re.compile(r"\]\(([^):]+?)(?:#[^)]*)?\)")
HAN = re.compile(r"[\u4e00-\u9fff]")

PARTS = re.compile(r"\.\.\.|0x[0-9a-f]+|\d+(?:\.\d+)?|\s+")
"""Of a line that is shown, what another machine says in its own way."""

TERMS = ["阻塞", "非阻塞", "多路复用", "信号驱动", "异步", "等待", "复制", "多进程", "多线程"]


def shape(line: str) -> re.Pattern[str]:
    """What a line must look like: numbers are any number, `...` is anything."""
    found, end = "", 0
    for part in PARTS.finditer(line):
        found += re.escape(line[end : part.start()]) + of(part[0])
        end = part.end()
    return re.compile(found + re.escape(line[end:]))


def of(part: str) -> str:
    if part == "...":
        return ".*"
    if part.isspace():
        return r"\s+"
    return "0x[0-9a-f]+" if part.startswith("0x") else r"\d+(?:\.\d+)?"


def shown(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command, and what the document says that it prints."""
    command = ""
    lines: list[str] = []
    for line in block.lines:
        if line.startswith("$ "):
            if command:
                yield command, lines
            command, lines = line[2:], []
        elif line != "...":
            lines.append(line)
    yield command, lines


def missing(lines: list[str], said: str) -> list[str]:
    """Of the lines that are shown, those that nothing like them was printed of, in order."""
    printed = iter(said.splitlines())
    return [line for line in lines if not any(shape(line).match(got.strip()) for got in printed)]


LOOKS = 10
"""At what moves: a thread may be awake at the moment, and asleep when one looks again."""


def shows(shell: Shell, command: str, lines: list[str]) -> None:
    is_look = "/proc/" in command and not command.endswith("&")
    for _ in range(LOOKS if is_look else 1):
        status, said = shell.run(command)
        text = said.decode(errors="replace")
        assert status == 0, f"{command}\n{text}"
        left = missing(lines, text)
        if not left:
            return
    raise AssertionError(f"{command}\n{text}\nis without {left}")


@pytest.mark.parametrize("page", PAGES)
def test_its_commands_say_what_is_shown(page: str, shell: Shell) -> None:
    for block in blocks(LEARN / page):
        shell.end_jobs()
        for command, lines in shown(block):
            shows(shell, command, [line.strip() for line in lines])


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_commands(page: str) -> None:
    assert {block.language for block in blocks(LEARN / page)} <= {"console"}


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_show_the_same(page: str) -> None:
    english, chinese = LEARN / page, LEARN / "zh" / page
    assert list(blocks(chinese)) == list(blocks(english))
    assert len(HAN.findall(chinese.read_text())) > 200
    assert headings(chinese) == headings(english)
    assert local_links(chinese) == local_links(english)


def headings(page: Path) -> list[int]:
    return [len(line.split()[0]) for line in page.read_text().splitlines() if line.startswith("#")]


def local_links(page: Path) -> set[Path]:
    """What it leads to, whichever language that is in."""
    found = {(page.parent / link).resolve() for link in LINK.findall(page.read_text())}
    assert all(path.exists() for path in found), found
    return {LEARN / path.name if path.parent == LEARN / "zh" else path for path in found} - {LEARN}


def test_there_is_no_page_in_one_language_alone() -> None:
    assert sorted(page.name for page in (LEARN / "zh").glob("*.md")) == PAGES


def test_the_chinese_terms_of_the_chapter_are_there() -> None:
    text = (LEARN / "zh" / "index.md").read_text()
    assert [term for term in TERMS if term not in text] == []


def test_what_another_machine_says_has_the_same_shape() -> None:
    assert missing(["28801 202 0x7f00 futex_do_wait"], "7 202 0xabc futex_do_wait") == []
    assert missing(["Threads: 5"], "Threads:\t17\n") == []
    assert missing(["Threads: 5"], "Tasks:\t17\n") == ["Threads: 5"]
    assert missing(["a ...", "b"], "b\na 1\n") == ["b"]
