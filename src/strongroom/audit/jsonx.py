"""JSONx, the XML form of a JSON value (IBM's draft), as Vault's `format=jsonx` writes an audit entry.

An object's members stand in the order of their names, each an element such as
`<json:number name="ttl">60</json:number>`. The members of the entry itself have no element around them, as in Vault.
"""

from __future__ import annotations

import re
from typing import Any

from strongroom.audit.hashing import NumberText, parse

_SPECIAL = re.compile("[\"'&<>\\x00-\\x1f\\x7f-\\x84\\x86-\\x9f\\ud800-\\udfff\\ufffe\\uffff]")
_ESCAPES = {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ALLOWED_CONTROLS = "\t\n\r"


def to_jsonx(line: bytes) -> bytes:
    """Rewrite an entry, one JSON object, as the XML elements of its members, on one line."""
    entry = parse(line)
    return "".join(_element(entry[name], name) for name in sorted(entry)).encode()


def _element(value: Any, name: str | None = None) -> str:
    attribute = "" if name is None else f' name="{_escape(name)}"'
    if value is None:
        return f"<json:null{attribute} />"
    kind, content = _content(value)
    return f"<json:{kind}{attribute}>{content}</json:{kind}>"


def _content(value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        return "object", "".join(_element(value[name], name) for name in sorted(value))
    if isinstance(value, list):
        return "array", "".join(_element(item) for item in value)
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    return ("number" if isinstance(value, NumberText) else "string"), _escape(value)


def _escape(text: str) -> str:
    return _SPECIAL.sub(_replace, text)


def _replace(match: re.Match[str]) -> str:
    character = match[0]
    if character in _ESCAPES:
        return _ESCAPES[character]
    # XML has no way to write the other control characters.
    return f"&#x{ord(character):X};" if character in _ALLOWED_CONTROLS else "\ufffd"
