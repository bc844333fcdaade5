"""Mounts: who is asked for a target, and that nothing slips past a prefix or out of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold import Server, Settings
from fivefold.content.base import Content
from fivefold.content.routing.mounts import Mount, Mounts, parsed
from fivefold.content.static.paths import relative_path
from fivefold.errors import SettingsError
from support.client import Client
from support.every_pair import pairs
from support.servers.embedded import address_of


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"application at " + environ["PATH_INFO"].encode("latin-1")]


async def coroutine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"application at " + scope["raw_path"]})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("mounted")
    for name, text in FILES.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)
    return base


FILES = {
    "outside.txt": "outside",
    "static/a.txt": "a",
    "static/index.html": "home",
    "static/sub/index.html": "sub",
    "static/index/index.html/x": "index.html is a folder here",
    "deep/a.txt": "deep a",
    "main/static/a.txt": "shadowed",
    "main/b.txt": "main b",
}


@pytest.fixture(scope="module")
def client(folders: Path) -> Iterator[Client]:
    settings = Settings(
        target=application,
        bind=("127.0.0.1:0",),
        mount=(f"/static={folders}/static", f"/static/deep/={folders}/deep"),
        max_connections=4,
    )
    with Server(settings) as server, Client(address_of(server)) as connected:
        yield connected


FOUND = {
    "/static/a.txt": b"a",
    "/static/": b"home",
    "/static/sub/": b"sub",
    "/static/a.txt?query=/../x": b"a",
    "//static//a.txt": b"a",
    "/./static/./a.txt": b"a",
    "/%73tatic/a.txt": b"a",
    "/static%2Fa.txt": b"a",
    "/static/deep/a.txt": b"deep a",
    "/": b"application at /",
    "/other": b"application at /other",
    "/statics": b"application at /statics",
    "/static.txt": b"application at /static.txt",
    "/Static/a.txt": b"application at /Static/a.txt",
    "/x/static/a.txt": b"application at /x/static/a.txt",
    "/x/../static/a.txt": b"application at /x/../static/a.txt",
    "/%2573tatic/a.txt": b"application at /%73tatic/a.txt",
}


@pytest.mark.parametrize("target", FOUND)
def test_the_longest_prefix_of_whole_segments_answers(client: Client, target: str) -> None:
    for _ in range(3):  # the second and third time from memory
        answer = client.get(target)
        assert (answer.status, answer.body) == (200, FOUND[target])


@pytest.mark.parametrize(
    "target",
    [
        "/static/../outside.txt",
        "/static/%2e%2e/outside.txt",
        "/static/..%2foutside.txt",
        "/static/../app",
        "/static/deep/../a.txt",
        "/static/.hidden",
        "/static/a%zz",
        "/static/%00",
        "/static/missing",
        "/static/deep/sub/",
        "/static/index/",
    ],
)
def test_what_belongs_to_a_mount_never_reaches_the_application(client: Client, target: str) -> None:
    assert client.get(target).status == 404


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/static", "static/"),
        ("/static?a=b", "static/?a=b"),
        ("//static", "static/"),
        ("/static/deep", "deep/"),
        ("/static/sub", "sub/"),
    ],
)
def test_a_folder_without_its_slash_is_redirected_below_its_prefix(
    client: Client, target: str, location: str
) -> None:
    answer = client.get(target)
    assert (answer.status, answer.fields["location"]) == (301, location)


def test_a_mount_takes_no_uploads_and_the_application_does(client: Client) -> None:
    client.send(b"POST /static/a.txt HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi")
    assert client.answer().status == 405
    client.send(b"POST /post HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi")
    assert client.answer().body == b"application at /post"


def test_a_mount_shadows_a_folder_of_the_same_name_whatever_the_spelling(folders: Path) -> None:
    settings = Settings(
        target=os.fspath(folders / "main"),
        bind=("127.0.0.1:0",),
        mount=(f"/static={folders}/static",),
    )
    with Server(settings) as server, Client(address_of(server)) as client:
        for target in ("/static/a.txt", "//static/a.txt", "/static%2fa.txt", "/./static/a.txt"):
            assert client.get(target).body == b"a"
        assert client.get("/b.txt").body == b"main b"


@pairs()
@pytest.mark.parametrize("target", [application, coroutine])
def test_every_pair_mounts_next_to_an_application(
    pair: dict[str, str], target: Any, folders: Path
) -> None:
    settings = Settings.of(
        {"target": target, "bind": "127.0.0.1:0", "mount": f"/static={folders}/static", **pair}
    )
    with Server(settings) as server, Client(address_of(server)) as client:
        for _ in range(2):
            assert client.get("/static/a.txt").body == b"a"
            assert client.get("/x").status == 200


WRONG = {
    "no equals sign": (["/static"], "is not /PREFIX=FOLDER"),
    "no slash": (["static=/tmp"], "is not /PREFIX=FOLDER"),
    "no folder": (["/static="], "is not /PREFIX=FOLDER"),
    "no name": (["/=/tmp"], "cannot be a prefix"),
    "only dots": (["/./=/tmp"], "cannot be a prefix"),
    "upwards": (["/a/../b=/tmp"], "cannot be a prefix"),
    "hidden": (["/.git=/tmp"], "cannot be a prefix"),
    "twice": (["/a=/tmp", "/a/=/var"], "already leads to '/tmp'"),
    "not a text": ([7], "is not /PREFIX=FOLDER or a list of them"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_mount_is_named(case: str) -> None:
    texts, message = WRONG[case]
    with pytest.raises(SettingsError, match=r"^mount: ") as raised:
        Settings.of({"mount": texts})
    assert message in str(raised.value)


def test_a_folder_that_is_not_there_is_named_before_anything_starts(tmp_path: Path) -> None:
    server = Server(Settings(target=application, mount=(f"/a={tmp_path}/none",)))
    with pytest.raises(SettingsError, match=r"mount: there is no folder '.*/none'"):
        server.run()


def test_folders_are_looked_for_in_the_folder_that_is_entered(folders: Path) -> None:
    settings = Settings(
        target="main", chdir=os.fspath(folders), bind=("127.0.0.1:0",), mount=("/deep=deep",)
    )
    with Server(settings) as server, Client(address_of(server)) as client:
        assert client.get("/deep/a.txt").body == b"deep a"
        assert client.get("/b.txt").body == b"main b"


PIECES = [
    b"/",
    b"..",
    b".",
    b"%2e",
    b"%2F",
    b"%",
    b"static",
    b"%73tatic",
    b"x",
    b"?",
    b"\\",
    b"%00",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_the_owner_is_who_the_folder_would_say(pieces: list[bytes]) -> None:
    """Where the path is one that a folder accepts, its first segment decides, and only that."""
    target = b"/" + b"".join(pieces)
    mounts = Mounts(MAIN, [])
    mounts._folders = [(Mount.parse("/static=x").prefix, STATIC)]
    path = relative_path(target)
    if path is not None:
        mine = path == b"static" or path.startswith(b"static/")
        assert mounts._owner(target) is (STATIC if mine else MAIN)


MAIN = Content()
STATIC: Any = Content()


def test_the_longest_prefix_comes_first() -> None:
    prefixes = [m.prefix for m in parsed(["/a=1", "/a/b/c=3", "/a/b=2"])]
    assert prefixes == [(b"a", b"b", b"c"), (b"a", b"b"), (b"a",)]
