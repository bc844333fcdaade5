"""What must never be sent, against a model that walks the real folder step by step."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fivefold.content.static.files.beneath import open_inside
from fivefold.content.static.paths import relative_path
from support.client import Client
from support.servers.folder import Serve


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to serve beside a secret, with links of every kind."""
    base = tmp_path_factory.mktemp("tree")
    (base / "secret").write_text("secret")
    root = base / "served"
    for folder in (root, root / "a", root / "a" / "b", root / ".git", root / ".well-known"):
        folder.mkdir()
        (folder / "f").write_text(str(folder.relative_to(base)))
    (root / "up").symlink_to("..")
    (root / "out").symlink_to(base / "secret")
    (root / "a" / "over").symlink_to("../a/b")
    (root / "a" / "far").symlink_to("../../secret")
    (root / "a" / "b" / "git").symlink_to("../../.git")
    (root / "%2e%2e").write_text("an odd name")
    return root


def expected(root: Path, target: str) -> str | None:
    """The content of the file that a target names, by the simplest means; None for none."""
    path = target.split("?", maxsplit=1)[0]
    if re.search("%(?![0-9a-fA-F]{2})", path):
        return None
    raw = re.sub(
        rb"%(..)", lambda found: bytes([int(found[1], 16)]), path.encode("latin-1"), flags=re.DOTALL
    )
    names = [name for name in raw.split(b"/") if name not in (b"", b".")]
    if any(name[:1] == b"." and name != b".well-known" for name in names):
        return None
    if b"\0" in raw or b"\\" in raw or raw.endswith((b"/", b"/.")):
        return None
    where = os.fsencode(root)
    real = os.path.realpath(os.path.join(where, *names))  # noqa: PTH118 - bytes
    file = Path(os.fsdecode(real))
    return file.read_text() if real.startswith(where + b"/") and file.is_file() else None


def got(root: Path, target: str) -> str | None:
    path = relative_path(target.encode("latin-1"))
    if not path:
        return None
    folder = os.open(root, os.O_RDONLY)
    try:
        fd = open_inside(folder, path)
    except OSError:
        return None
    finally:
        os.close(folder)
    try:
        return os.read(fd, 100).decode()
    except IsADirectoryError:
        return None
    finally:
        os.close(fd)


PIECES = (
    *("/", "/", "/", "a", "b", "f", "up", "out", "over", "far", "git", "secret", "served"),
    *(".", "..", ".git", ".well-known", "%2e", "%2E%2e", "%2f", "%5c", "\\", "%00", "%"),
    *("%c0%ae%c0%ae", "%252e%252e", "%e0%80%ae", "\xc0\xaf", "?x=", "%61", "%zz"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=10).map(lambda pieces: "/" + "".join(pieces)))
@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_target_names_what_the_model_says(tree: Path, target: str) -> None:
    assert got(tree, target) == expected(tree, target)


SECRETS = [
    "/../secret",
    "/..%2fsecret",
    "/%2e%2e/secret",
    "/%2e%2e%2fsecret",
    "/%252e%252e%252fsecret",
    "/a/../../secret",
    "/a/..%5c..%5csecret",
    "/..\\secret",
    "/%c0%ae%c0%ae/secret",
    "/%e0%80%ae%e0%80%ae/secret",
    "/..%00/secret",
    "/f%00.html",
    "/up/secret",
    "/up/served/f",
    "/out",
    "/a/far",
    "/.git/f",
    "/a/b/../../.git/f",
    "/%2egit/f",
    "//..//secret",
    "/./../secret",
    "/" + "a/" * 3000,
    "/" + "x" * 256,
    "/" + "%78" * 256,
]


@pytest.mark.parametrize("rules", [{}, {"listing": True, "spa": None}])
def test_a_server_refuses_them_and_keeps_the_connection(
    tree: Path, rules: dict[str, object], serve: Serve
) -> None:
    with serve(target=str(tree), **rules) as address, Client(address) as client:
        for target in SECRETS:
            answer = client.get(target)
            assert answer.status == 404, target
            assert b"secret" not in answer.body
        assert client.get("/.well-known/f").status == 200
        assert client.get("/a/over/f").body == b"served/a/b"
        assert client.get("/%252e%252e").body == b"an odd name"


def test_no_redirect_leads_to_another_host(tree: Path, serve: Serve) -> None:
    (tree / "evil.example").mkdir(exist_ok=True)
    with serve(target=str(tree)) as address, Client(address) as client:
        for target in (
            "//evil.example",
            "///evil.example",
            "/%2fevil.example",
            "/.//evil.example",
            "//evil.example/%2e",
            "/evil.example?//x",
        ):
            answer = client.get(target)
            if answer.status == 301:
                assert re.fullmatch(r"evil\.example/(\?//x)?", answer.fields["location"]), target
            else:
                assert answer.status == 404


@pytest.fixture
def unprivileged() -> Iterator[tuple[Path, tuple[str, int]]]:
    """A folder, and a server to which permissions mean something, whoever runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "unreadable").write_text("secret")
        (folder / "unreadable").chmod(0)
        (folder / "closed").mkdir(mode=0)
        (folder / "open.txt").write_text("open")
        if os.getuid() == 0:
            os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        command = [sys.executable, "-m", "fivefold", "serve", name, "--bind", "127.0.0.1:0"]
        if os.getuid() == 0:
            command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
        with subprocess.Popen([*command, "--listing"], stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            found = re.search(r"http://([\d.]+):(\d+)", server.stderr.readline())
            assert found is not None
            yield folder, (found[1], int(found[2]))
            server.terminate()
        (folder / "closed").chmod(0o700)


def test_what_may_not_be_read_is_403(unprivileged: tuple[Path, tuple[str, int]]) -> None:
    folder, address = unprivileged
    with Client(address) as client:
        for target in ("/unreadable", "/closed/", "/closed/file"):
            answer = client.get(target)
            assert answer.status == 403, target
            assert b"secret" not in answer.body
        if (folder / "null").exists():
            assert client.get("/null").status == 403
        assert client.get("/open.txt").body == b"open"
