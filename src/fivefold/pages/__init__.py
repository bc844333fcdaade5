"""Reports as pages that need nothing else: markup in templates, values escaped by Jinja2.

Nothing on such a page comes from the network, and its policy forbids that anything does; it
names the page's own style and script by their hashes, so that no other would run.  What a
report brings (a request's target is the client's to choose) goes in as text: the templates
escape every value, and JSON cannot end its element.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def rendered(package: str, name: str, **values: Any) -> str:
    """The template `NAME.html` of a package, with `NAME.css` and `NAME.js` in it.

    Raises `jinja2.UndefinedError` if the template uses a value that is not there.
    """
    pages = Environment(
        loader=FunctionLoader(lambda template: part(package, template)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.policies["json.dumps_kwargs"] = {}  # in the order of the report, not sorted
    style, script = part(package, f"{name}.css"), part(package, f"{name}.js")
    page = pages.get_template(f"{name}.html").render(
        style=Markup(style),  # noqa: S704 - ours, like the script
        style_hash=hash_of(style),
        script=Markup(script),  # noqa: S704
        script_hash=hash_of(script),
        **values,
    )
    # A command line's bytes that are no UTF-8 come as surrogates, which no file can hold.
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def part(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")


def hash_of(text: str) -> str:
    """As a Content-Security-Policy names what it allows."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
