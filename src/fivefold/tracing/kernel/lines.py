"""A line of tracefs' text, and the observation that it is.

    python3-7830 (7829) [001] d.s2. 25546.168786: sys_pread64(fd: 3, buf: 0x55a7, count: 0x64)

The thread that was running (the event may be about another), its process, on which processor, in
which context, when, and the event with its fields.  Each event prints its fields in its own way;
what has names gets them here, and numbers become ints.  Addresses of the kernel stay words:
they are hashed, good for telling things apart and for nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..model import Observation
from .events import BY_SHORT_NAME

_LINE = re.compile(
    r"\s*(?P<comm>.+?)-(?P<tid>\d+)\s+(?:\(\s*(?P<pid>\d+|-+)\)\s+)?"
    r"\[(?P<cpu>\d+)\] (?P<flags>\S{4,6})"
    r"\s+(?P<seconds>\d+)\.(?P<us>\d{6}): (?P<event>\w+)(?P<rest>.*)"
)
_PAIR = re.compile(r"(\w+)(?: = |[= ])([^\s,]+)")
_POINTER = re.compile(r"[0-9a-f]{16}")
_NUMBER = re.compile(r"-?\d+")
_HEX_FIELDS = frozenset({"ino", "sock_cookie", "mask"})
"""Printed in base 16 without saying so."""

# Fields without names, and names of threads, which may contain anything.
_SPECIAL = {
    "sched_switch": re.compile(
        r"prev_comm=(?P<prev_comm>.*) prev_pid=(?P<prev_pid>\d+) prev_prio=(?P<prev_prio>-?\d+)"
        r" prev_state=(?P<prev_state>\S+) ==> next_comm=(?P<next_comm>.*)"
        r" next_pid=(?P<next_pid>\d+) next_prio=(?P<next_prio>-?\d+)"
    ),
    "sched_waking": re.compile(
        r"comm=(?P<comm>.*) pid=(?P<pid>\d+) prio=(?P<prio>-?\d+)"
        r"(?: success=\d)? target_cpu=(?P<target_cpu>\d+)"
    ),
    "sched_process_fork": re.compile(
        r"comm=(?P<comm>.*) pid=(?P<pid>\d+)"
        r" child_comm=(?P<child_comm>.*) child_pid=(?P<child_pid>\d+)"
    ),
    "signal_generate": re.compile(
        r"sig=(?P<sig>\d+) errno=(?P<errno>-?\d+) code=(?P<code>-?\d+) comm=(?P<comm>.*)"
        r" pid=(?P<pid>\d+) grp=(?P<grp>\d+) res=(?P<res>\d+)"
    ),
    "napi_poll": re.compile(
        r"napi poll on napi struct (?P<napi>\S+) for device (?P<dev>.*)"
        r" work (?P<work>-?\d+) budget (?P<budget>-?\d+)"
    ),
}
_BLOCK = re.compile(
    r"(?P<major>\d+),(?P<minor>\d+) (?P<rwbs>\S+) (?:(?P<bytes>\d+) )?(?:\(.*?\) )?"
    r"(?P<sector>\d+) \+ (?P<sectors>\d+) (?:[^\s\[]+ )?\[(?P<by>.*)\]"
)


def observe(lines: Iterable[str]) -> list[Observation]:
    """The observations in a trace's text; comments and remarks of the tracer are passed over."""
    seen = (observation(line) for line in lines)
    return [one for one in seen if one is not None]


def observation(line: str) -> Observation | None:
    """The observation that this line is; None if it is no event of `EVENTS`."""
    match = _LINE.fullmatch(line.rstrip())
    if match is None:
        return None
    short, rest = _event(match["event"], match["rest"])
    if short not in BY_SHORT_NAME:
        return None
    detail = {
        "tid": int(match["tid"]),
        **({"pid": int(match["pid"])} if (match["pid"] or "-").isdigit() else {}),
        "comm": match["comm"],
        "cpu": int(match["cpu"]),
        "context": _context(match["flags"]),
        "fields": fields(short, rest),
    }
    at_ns = int(match["seconds"]) * 1_000_000_000 + int(match["us"]) * 1000
    return Observation(at_ns, "tracefs", BY_SHORT_NAME[short], detail)


def _event(name: str, rest: str) -> tuple[str, str]:
    """System calls print as `sys_read(fd: 3)` and `sys_read -> 0x5`, the others as `name: ...`."""
    if rest.startswith(":"):
        return name, rest[1:].strip()
    way = "exit" if rest.startswith(" -> ") else "enter"
    return f"sys_{way}_{name.removeprefix('sys_')}", rest


def _context(flags: str) -> str:
    """What the processor was doing: the third of the flags of trace(1)'s header."""
    return {"h": "hardirq", "H": "hardirq", "s": "softirq"}.get(flags[2], "task")


def fields(short: str, text: str) -> dict[str, Any]:
    """The fields of an event, by name."""
    if short.startswith("sys_enter_"):
        return _arguments(text)
    if short.startswith("sys_exit_"):
        return {"ret": _signed(int(text.removeprefix(" -> "), 16), 64)}
    if short.startswith("block_"):
        return _matched(_BLOCK.match(text))
    if short in _SPECIAL:
        return _matched(_SPECIAL[short].match(text))
    text = text.removeprefix("sk ")  # "sk address = ..." is one name
    return _with_ports({name: _value(name, word) for name, word in _PAIR.findall(text)})


def _matched(match: re.Match[str] | None) -> dict[str, Any]:
    found = match.groupdict() if match else {}
    return {name: _value(name, word) for name, word in found.items() if word is not None}


def _value(name: str, word: str) -> int | str:
    if name.endswith("comm") or name == "by" or _POINTER.fullmatch(word):
        return word
    if name in _HEX_FIELDS or word.startswith("0x"):
        return int(word, 16)
    return int(word) if _NUMBER.fullmatch(word) else word


def _arguments(text: str) -> dict[str, Any]:
    """`(fd: 3, buf: 0x7f00, count: 0x64)`; older kernels leave the 0x away."""
    found = re.findall(r"(\w+): (?:0x)?([0-9a-f]+)\b", text)
    return {
        name: _signed(int(word, 16), 32) if name.endswith("fd") else int(word, 16)
        for name, word in found
    }


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _with_ports(found: dict[str, Any]) -> dict[str, Any]:
    """tcp_probe hides its ports in addresses; the other events of TCP name them."""
    for name, port in (("src", "sport"), ("dest", "dport")):
        if isinstance(found.get(name), str):
            found[port] = int(found[name].rpartition(":")[2])
    return found
