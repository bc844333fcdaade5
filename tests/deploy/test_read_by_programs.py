"""The files of `deploy/`, read by the programs that will read them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import COMMAND

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "prometheus" / "dashboard.json"
DOCKERFILE = DEPLOY / "Dockerfile"

FILES = sorted(file for file in DEPLOY.rglob("*") if file.is_file())

DAEMONS = "/usr/local/sbin:/usr/sbin:/sbin"
"""An ordinary PATH has none."""

PLACES = f"{os.environ['PATH']}:{DAEMONS}:{Path(sys.executable).parent}"
"""The last one for what pip has installed with us."""

OPENINGS = {".json": '{\n  "title"', ".md": "# "}
"""A comment opens each of the others."""


def checked(*words: str, cwd: Path = DEPLOY) -> str:
    """What the program said. Fails if it found something, skips if it is not installed."""
    program = shutil.which(words[0], path=PLACES)
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(
        [program, *words[1:]], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_each_opens_with_what_it_is(file: Path) -> None:
    assert file.read_text().startswith(OPENINGS.get(file.suffix, "# "))


def test_haproxy_takes_its_file() -> None:
    checked("haproxy", "-c", "-q", "-f", "proxies/haproxy.cfg")


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    """With a place for its number that a user who is not root may write."""
    text = (DEPLOY / "proxies" / "nginx.conf").read_text()
    file = tmp_path / "nginx.conf"
    file.write_text(text.replace("/run/", f"{tmp_path}/"))
    checked("nginx", "-t", "-e", "stderr", "-p", os.fspath(tmp_path), "-c", os.fspath(file))


def test_caddy_takes_its_file() -> None:
    checked("caddy", "validate", "--adapter", "caddyfile", "--config", "proxies/Caddyfile")


def test_prometheus_takes_its_files() -> None:
    assert "rules found" in checked("promtool", "check", "config", "prometheus/prometheus.yml")


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """The command of the unit is not installed here: another stands for it."""
    for file in (DEPLOY / "systemd").iterdir():
        text = file.read_text().replace("/opt/fivefold/bin/fivefold", "/bin/true")
        (tmp_path / file.name).write_text(text)
    said = checked("systemd-analyze", "verify", "./fivefold.service", cwd=tmp_path)
    assert "fivefold" not in said, said


def test_the_unit_may_do_little() -> None:
    said = checked("systemd-analyze", "security", "--offline=true", "systemd/fivefold.service")
    level = re.search(r"Overall exposure level for fivefold.service: ([\d.]+)", said)
    assert level
    assert float(level[1]) < 2, said


@pytest.mark.parametrize("file", sorted((DEPLOY / "kubernetes").iterdir()), ids=lambda f: f.name)
def test_kubernetes_takes_the_manifests(file: Path) -> None:
    checked("kubernetes-validate", "--strict", os.fspath(file))


def instructions() -> list[tuple[str, str]]:
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_is_not_of_root_and_names_its_base() -> None:
    found = instructions()
    last = max(n for n, (name, _) in enumerate(found) if name == "FROM")
    assert [rest for name, rest in found[last:] if name == "USER"] == ["10001:10001"]
    bases = [rest.split()[0] for name, rest in found if name == "FROM"]
    assert all(re.search(r":\d[\w.-]*$", base) for base in bases), bases


def test_no_shell_stands_between_the_server_and_its_signals() -> None:
    commands = [rest for name, rest in instructions() if name in {"ENTRYPOINT", "CMD"}]
    assert len(commands) == 2
    assert all(isinstance(json.loads(command), list) for command in commands)


def test_what_the_image_copies_is_there() -> None:
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY"]
    ours = [word for words in copied if not words[0].startswith("--") for word in words]
    assert [word for word in ours if not (ROOT / word).exists()] == []


def test_the_image_serves_what_it_copies(tmp_path: Path) -> None:
    found = instructions()
    [*sources], place = next(
        (words[:-1], words[-1])
        for name, rest in found
        if name == "COPY" and (words := rest.split())[0].startswith("examples/")
    )
    shutil.copytree(ROOT / sources[0], tmp_path / place)
    command: list[str] = json.loads(next(rest for name, rest in found if name == "CMD"))
    words = [re.sub(r"^0\.0\.0\.0:\d+$", "127.0.0.1:0", word) for word in command]
    checked(*COMMAND, "serve", *words, "--check-config", cwd=tmp_path)


def commands() -> list[tuple[str, list[str]]]:
    """The options of `fivefold serve` in each file that starts it."""
    unit = (DEPLOY / "systemd" / "fivefold.service").read_text().replace("\\\n", " ")
    started = re.search(r"^ExecStart=\S+ serve (.*)$", unit, re.MULTILINE)
    image = next(rest for name, rest in instructions() if name == "CMD")
    pod = (DEPLOY / "kubernetes" / "fivefold.yaml").read_text()
    given = re.search(r"args:\n((?: +- .*\n)+)", pod)
    assert started
    assert given
    return [
        ("unit", shlex.split(started[1])),
        ("image", json.loads(image)),
        ("pod", re.findall(r"- (.*)", given[1])),
    ]


@pytest.mark.parametrize(("name", "words"), commands(), ids=["unit", "image", "pod"])
def test_the_server_takes_the_options(name: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text("def app(environ, start_response): pass\n")
    words = ["application:app", *words[1:], f"--chdir={tmp_path}", "--check-config"]
    # The socket comes from systemd, which is not here.
    words = ["127.0.0.1:0" if word == "systemd" else word for word in words]
    checked(*COMMAND, "serve", *words)


def test_the_dashboard_asks_each_panel_of_a_data_source_of_its_own_choice() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    assert all(target["expr"] for panel in panels for target in panel["targets"])
