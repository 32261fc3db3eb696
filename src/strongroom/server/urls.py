"""Paths and queries of request lines."""

from __future__ import annotations

import html
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote

from strongroom.errors import BadRequest
from strongroom.server.answer import Answer, Elsewhere

#: The most parameters of a query or a form.
MAX_PARAMETERS = 1000
#: What percent-decoding leaves where the bytes are not UTF-8: two different names would become the same one.
_REPLACEMENT = "\ufffd"


def checked(path: str, query: str, *, printable: bool = True) -> str:
    """A percent-decoded path fit to be looked at.

    Raises `BadRequest` for characters that do not print (unless those are allowed) and for bytes that are not UTF-8,
    `Elsewhere` for empty and dot segments: 307 to the clean form (a client must see which path it really asked for,
    since that is what policies judge).
    """
    if (printable and not path.isprintable()) or _REPLACEMENT in path:
        raise BadRequest("the path has characters that do not print, or bytes that are not UTF-8")
    if "//" in path or "/." in path:
        clean = cleaned(path)
        if clean != path:
            raise redirect(clean, query)
    return path


def cleaned(path: str) -> str:
    """The path without empty, `.` and `..` segments; a slash at the end stays."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    folder = bool(kept) and segments[-1] in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if folder else "")


def redirect(path: str, query: str = "") -> Elsewhere:
    """A 307, which keeps method and body, to a path of this server."""
    target = quote(path, safe="/:@!$&'()*+,;=~-._")
    if query:
        target += "?" + quote(query, safe="/:@!$&'()*+,;=~-._%?")
    body = f'<a href="{html.escape(target)}">Temporary Redirect</a>.\n\n'
    return Elsewhere(Answer(307, (("location", target), ("content-type", "text/html; charset=utf-8")), body.encode()))


def parse_query(text: str) -> dict[str, str | list[str]]:
    """The parameters of a query or a form; repeated ones become a list. Raises `BadRequest`."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise BadRequest("the query has too many parameters") from None
    return _merged(pairs)


def _merged(pairs: Sequence[tuple[str, str]]) -> dict[str, str | list[str]]:
    out: dict[str, str | list[str]] = {}
    for name, value in pairs:
        known = out.get(name)
        if known is None:
            out[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            out[name] = [known, value]
    return out


def first(value: str | list[str]) -> str:
    """The first value of a parameter."""
    return value if isinstance(value, str) else value[0]
