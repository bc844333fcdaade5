"""An application, named as people elsewhere name it: by its module, its file, its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fivefold.content.application.naming import named, refuse_source
from fivefold.errors import SettingsError
from support.nobody import as_nobody, only_root

MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n'

FILES = {
    "shop/__init__.py": "raise ImportError('nobody runs this')\n",
    "shop/wsgi.py": "app = application = print\n",
    "shop/asgi.py": "if True:\n    from shop.wsgi import app\n",
    "shop/factory.py": "def create_app(): ...\n",
    "shop/empty.py": "def inner():\n    app = 1\n",
    "shop/broken.py": "app = \n",
    "bare/main.py": "async def app(): ...\n",
    "single.py": "app = 1\n",
    "not-a-name.py": "app = 1\n",
    "latin.py": "# -*- coding: latin-1 -*-\napp = '\xe9'\n",
    "project/manage.py": MANAGE,
    "project/mysite/__init__.py": "",
    "project/mysite/wsgi.py": "application = 1\n",
    "own/manage.py": "",
    "torn/__init__.py": "app = (\n",
    "site/index.html": "",
    "folder.py/index.html": "",
}


@pytest.fixture
def home(tmp_path: Path) -> str:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    return os.fspath(tmp_path)


UNDERSTOOD = {
    "shop.wsgi": "shop.wsgi:application",
    "shop.asgi": "shop.asgi:app",
    "shop.factory": "shop.factory:create_app()",
    "shop/wsgi.py": "shop.wsgi:application",
    "./shop/wsgi.py": "shop.wsgi:application",
    "shop/wsgi.py:app": "shop.wsgi:app",
    "shop/factory.py:create_app()": "shop.factory:create_app()",
    "bare/main.py": "bare.main:app",
    "single": "single:app",
    "single.py": "single:app",
    "latin.py": "latin:app",
    # These are what they are.
    "shop.wsgi:app": "shop.wsgi:app",
    "shop": "shop",
    "site": "site",
    "folder.py": "folder.py",
    "nothing": "nothing",
    "wsgiref": "wsgiref",
    "nothing.here": "nothing.here",
    "nothing/here.py": "nothing/here.py",
}


@pytest.mark.parametrize("target", UNDERSTOOD)
def test_an_application_is_understood(target: str, home: str) -> None:
    assert named(target, home) == UNDERSTOOD[target]


def test_a_file_is_understood_by_its_whole_path(home: str) -> None:
    assert named(f"{home}/shop/wsgi.py", home) == "shop.wsgi:application"


def test_an_installed_module_is_understood_and_not_imported(home: str) -> None:
    with pytest.raises(SettingsError, match=r"simple_server\.py defines none of application, app"):
        named("wsgiref.simple_server", home)


ANSWERED = {
    "shop.empty": "say what it calls its application, as in shop.empty:NAME",
    "shop/empty.py": "say what it calls its application, as in shop/empty.py:NAME",
    "shop/broken.py": "cannot read the application in 'shop/broken.py': invalid syntax",
    "not-a-name.py": "cannot be imported: 'not-a-name' is not a name of Python",
    "8000": "there is no folder '8000'; if it is where to listen: --bind 8000",
    ":8000": "if it is where to listen: --bind :8000",
    "0.0.0.0:80": "--bind 0.0.0.0:80",
    "[::1]:80": r"--bind [::1]:80",
}


@pytest.mark.parametrize("target", ANSWERED)
def test_what_is_not_understood_is_answered_with_the_right_word(target: str, home: str) -> None:
    with pytest.raises(SettingsError) as refused:
        named(target, home)
    assert ANSWERED[target] in str(refused.value)


def test_a_file_that_is_imported_from_another_folder_is_answered_with_it(home: str) -> None:
    with pytest.raises(SettingsError) as refused:
        named("project/mysite/wsgi.py", home)
    assert f"--chdir {home}/project mysite.wsgi" in str(refused.value)
    assert named("mysite.wsgi", f"{home}/project") == "mysite.wsgi:application"
    with pytest.raises(SettingsError, match=r"another folder: --chdir \S+ single"):
        named("../single.py", f"{home}/site")


SOURCES = {
    "project": "--chdir project mysite.wsgi:application or --chdir project mysite.asgi:application",
    "own": "--chdir own PROJECT.wsgi:application",
    "shop": "serve its application, shop.wsgi:application or shop.asgi:app;",
    "torn": "serve its application, torn:NAME;",
    "project/mysite": "serve its application, mysite.wsgi:application;",
}


@pytest.mark.parametrize("folder", SOURCES)
def test_the_source_of_an_application_is_not_published_by_accident(folder: str, home: str) -> None:
    with pytest.raises(SettingsError) as refused:
        refuse_source(folder, home)
    assert SOURCES[folder] in str(refused.value)
    assert "--interface static" in str(refused.value)


def test_in_the_folder_of_a_project_nothing_has_to_be_entered(home: str) -> None:
    with pytest.raises(SettingsError, match=r"application, mysite\.wsgi:application or"):
        refuse_source(".", f"{home}/project")
    refuse_source("site", home)


@only_root
def test_what_may_not_be_looked_at_is_left_to_who_opens_it(home: str) -> None:
    Path(home).chmod(0o700)
    for target in ("shop.wsgi", "shop/wsgi.py", "site", "shop"):
        assert as_nobody(lambda target=target: named(target, home)) == "nothing"  # type: ignore[misc]
        assert as_nobody(lambda target=target: refuse_source(target, home)) == "nothing"  # type: ignore[misc]
