"""The page on which somebody logs in for a tool: where an OpenID provider's authorization_endpoint leads a browser.

It is the same for everybody and holds nothing: its script reads the tool's request from the address, logs in at the
API, and sends the browser back to the tool with what `authorize` answers. A token that it has logged in for is revoked
again at once. Nothing but its own script and style, known by their hashes, runs on it, and no page may frame it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from strongroom.server.answer import Answer, HeaderList

_PATH: Final = re.compile(r"/ui/vault/identity/oidc/provider/\w(?:[\w.-]*\w)?/authorize", re.ASCII)

_PARTS: Final = Path(__file__).with_name("pages")
SCRIPT: Final = (_PARTS / "consent.js").read_text("utf-8")
STYLE: Final = (_PARTS / "consent.css").read_text("utf-8")
PAGE: Final = (
    (_PARTS / "consent.html").read_text("utf-8").replace("{style}", STYLE).replace("{script}", SCRIPT).encode()
)


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; script-src {_source(SCRIPT)}; style-src {_source(STYLE)}; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final[HeaderList] = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", POLICY),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)


async def consent(method: str, path: str) -> Answer | None:
    """The page, where it is asked for; None elsewhere."""
    if method not in ("GET", "HEAD") or not _PATH.fullmatch(path):
        return None
    return Answer(200, _HEADERS, PAGE if method == "GET" else b"")
