"""Request bodies: JSON objects and forms → parameters."""

from __future__ import annotations

from typing import Any

import msgspec

from strongroom.api.aside import LARGE
from strongroom.errors import BadRequest
from strongroom.server.urls import parse_query

#: How deep JSON may nest. What walks parameters later (hashing for the audit log) recurses, and must not run out.
MAX_DEPTH = 300

_FORM = "application/x-www-form-urlencoded"
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()

Parameters = tuple[dict[str, Any], dict[str, msgspec.Raw]]


def parse_body(body: bytes, content_type: str) -> Parameters:
    """A body's top level, decoded and as it was written.

    A form is taken for one only if it does not look like JSON: curl sends JSON under a form's content type. Of two
    equal keys the last wins. Errors never repeat what was sent. Raises `BadRequest`.
    """
    start = body.lstrip()[:1]
    if not start:
        return {}, {}
    if start not in (b"{", b"[") and _FORM in content_type:
        return _parse_form(body)
    return _parse_json(body)


def _parse_json(body: bytes) -> Parameters:
    try:
        data = _anything.decode(body)
        if data is None:
            return {}, {}
        if not isinstance(data, dict):
            raise _unreadable(f"expected an object, got {_KINDS.get(type(data), 'something else')}")
        raw = _fields.decode(body)
    except msgspec.DecodeError as e:  # ValidationError included
        raise _unreadable(_EXPLAINED.get(str(e)) or str(e)) from None
    except UnicodeDecodeError:
        raise _unreadable("invalid UTF-8") from None
    except RecursionError:
        raise _unreadable(_TOO_DEEP) from None
    if len(body) > LARGE:
        # Without counting: in a large body that takes longer than to look.
        if _deeper_than(data, MAX_DEPTH):
            raise _unreadable(_TOO_DEEP)
        return data, {name: _own(value, len(body)) for name, value in raw.items()}
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _deeper_than(data, MAX_DEPTH):
        raise _unreadable(_TOO_DEEP)
    # Copies, since a view would keep the whole body alive in every cache that holds a value of it.
    return data, {name: value.copy() for name, value in raw.items()}


def _own(value: msgspec.Raw, body_bytes: int) -> msgspec.Raw:
    """A copy of a value, unless it is most of the body anyway."""
    return value if memoryview(value).nbytes * 2 > body_bytes else value.copy()


def _parse_form(body: bytes) -> Parameters:
    try:
        data: dict[str, Any] = dict(parse_query(body.decode()))
    except UnicodeDecodeError:
        raise BadRequest("error parsing form data: invalid UTF-8") from None
    return data, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in data.items()}


def _deeper_than(value: object, limit: int) -> bool:
    """Whether containers nest deeper than that; goes level by level, so it cannot itself run out of stack."""
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _unreadable(why: str) -> BadRequest:
    return BadRequest(f"failed to decode JSON input: {why}")


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_EXPLAINED = {"Input data was truncated": "unexpected end of JSON input"}
_KINDS = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}
