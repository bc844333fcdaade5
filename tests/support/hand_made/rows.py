"""Rows of a comparison, made by hand."""

from __future__ import annotations

from typing import Any

ROUNDS = 12


def figure(median: float, spread: float = 0.05) -> dict[str, Any]:
    """Its rounds lie evenly between the lowest and the highest, and rise."""
    low, high = median * (1 - spread), median * (1 + spread)
    rounds = [low + (high - low) * n / (ROUNDS - 1) for n in range(ROUNDS)]
    return {"median": median, "min": low, "max": high, "rounds": rounds}


def row(name: str, cpu: float, **changed: Any) -> dict[str, Any]:
    """A sound row of `steady`, whose other figures follow from its processor time."""
    serving, _, io = name.partition("+")
    exact = figure(0, 0)
    found: dict[str, Any] = {
        "name": name,
        "serving": serving,
        "io": io,
        "engine": io,
        "available": True,
        "reason": None,
        "note": None,
        "scenario": "steady",
        "idle_connections": 0,
        "workers": 1,
        "options": ["--serving", serving, "--io", io],
        "rounds": ROUNDS,
        "seconds": 0.5,
        "disturbed_rounds": 0,
        "clients_left": 0,
        "alone_ms": cpu / 1000,
        "requests_per_s": figure(1e6 / cpu),
        "latency_ms": {n: figure(cpu / 100) for n in ("p50", "p90", "p99", "p999", "max")},
        "cpu_us_per_request": figure(cpu),
        "cpu_user_us_per_request": figure(cpu / 2),
        "cpu_system_us_per_request": figure(cpu / 2),
        "pss_mib": figure(20),
        "pss_load_mib": figure(25, 0),
        "pss_kib_per_connection": figure(3, 0),
        "context_switches_per_request": figure(1),
        "voluntary_switches_per_request": figure(0.5),
        "syscalls_per_request": None,
        "clients_served_percent": figure(100, 0),
        "requests_stalled": exact,
        "errors": exact,
        "lost": exact,
        "wrong": {},
        "load_is_the_limit": False,
        "load_busy": figure(0.5),
        "distribution": [[0.5, cpu / 100], [0.99, cpu / 50], [1.0, cpu / 10]],
    }
    return found | changed


def unavailable(name: str, reason: str) -> dict[str, Any]:
    found = dict.fromkeys(row(name, 1))
    kept = ("name", "serving", "io", "scenario", "idle_connections", "workers", "options", "wrong")
    found |= {key: row(name, 1)[key] for key in kept}
    return found | {
        "available": False,
        "disturbed_rounds": 0,
        "clients_left": 0,
        "reason": reason,
        "latency_ms": dict.fromkeys(("p50", "p90", "p99", "p999", "max")),
        "load_is_the_limit": False,
        "distribution": [],
        "rounds": 0,
    }


def document(*rows: dict[str, Any], advice: Any = ()) -> dict[str, Any]:
    scenarios = {each["scenario"]: f"what {each['scenario']} shows" for each in rows}
    return {
        "schema": 2,
        "machine": {"processor": "a <processor>", "cores": "servers on core 0, load on core 1"},
        "target": "./site",
        "paths": ["/a.html"],
        "interface": "static",
        "warnings": [],
        "rounds": 3,
        "seconds": 1.0,
        "interrupted": False,
        "scenarios": scenarios,
        "commands": {each["name"]: " ".join(each["options"]) for each in rows},
        "rows": list(rows),
        "advice": list(advice),
        "claims": [],
    }
