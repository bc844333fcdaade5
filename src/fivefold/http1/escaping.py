"""What a client says, made harmless for a line of a log or a string of JSON.

A client chooses its target, Referer and User-Agent.  It must not be able to end a line and
forge the next one, to end a quoted string, or to speak to the terminal of a user who reads the
log.  So what comes out of here is printable ASCII without quotes and backslashes, but for
those of the escapes.
"""

from __future__ import annotations

import json
import re

HARMFUL = re.compile(rb'[^\x20-\x7e]|["\\]')
"""What nginx escapes (ngx_http_log_module, `log_format`, escape=default)."""

ESCAPES = {code: f"\\x{code:02X}" for code in range(256) if HARMFUL.match(bytes((code,)))}
"""A tenth of the price of a function for each: a client may send 32 KB that are all harmful."""

DELETE = "\x7f"
"""The one control character that JSON lets pass, and `json.dumps` does."""


def as_text(value: bytes) -> str:
    r"""With `\xHH` for each harmful byte, as nginx writes them."""
    text = value.decode("latin-1")
    return text.translate(ESCAPES) if HARMFUL.search(value) else text


def as_json(value: bytes) -> str:
    r"""The inside of a string of JSON, in ASCII; bytes that are no UTF-8 become the text `\xhh`."""
    text = json.dumps(value.decode("utf-8", "backslashreplace"))[1:-1]
    return text.replace(DELETE, "\\u007f")
