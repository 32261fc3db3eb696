"""Templates of identity tokens: JSON with variables in it, each of which stands for a JSON value.

    {"name": {{identity.entity.name}}, "groups": {{identity.entity.groups.names}}, "until": {{time.now.plus.1h}}}

Source: Vault's documentation of identity tokens.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

import msgspec

from strongroom.api.fields import Invalid, parse_duration
from strongroom.core.identity_view import EntityView
from strongroom.errors import BadRequest

RESTRICTED: Final = ("iat", "aud", "exp", "iss", "sub", "namespace", "nonce", "auth_time", "at_hash", "c_hash")
MOST_CHARS: Final = 16 << 10
_VARIABLE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
_ALIAS: Final = "identity.entity.aliases."


def decoded(template: str) -> str:
    """A template that may have been sent in base64."""
    try:
        return base64.b64decode(template, validate=True).decode()
    except (binascii.Error, ValueError):
        return template


def check(template: str) -> None:
    """Refuse a template that no token could be made from; raises `BadRequest`."""
    if len(template) > MOST_CHARS:
        raise BadRequest(f"the template is longer than {MOST_CHARS} characters")
    for name in names_of(template):
        if name in RESTRICTED:
            raise BadRequest(f'top level key "{name}" not allowed. Restricted keys: {", ".join(RESTRICTED)}')


def names_of(template: str) -> list[str]:
    """The names of a template's claims; raises `BadRequest` for what is no template."""
    if not template:
        return []
    filled = _VARIABLE.sub(lambda match: msgspec.json.encode(_sample(match[1])).decode(), template)
    try:
        claims = msgspec.json.decode(filled)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as e:
        cut = "truncated" in str(e)
        raise BadRequest(
            f"error parsing template JSON: {'unexpected end of JSON input' if cut else 'invalid JSON'}"
        ) from None
    if not isinstance(claims, dict):
        raise BadRequest("error parsing template JSON: it is no object")
    return list(claims)


def fill(template: str, view: EntityView, now: int) -> dict[str, Any]:
    """The claims that a checked template gives for an entity; `now` is Unix seconds."""
    if not template:
        return {}
    filled = _VARIABLE.sub(lambda match: msgspec.json.encode(_value(match[1], view, now)).decode(), template)
    claims: dict[str, Any] = msgspec.json.decode(filled, type=dict[str, Any])
    return claims


def _sample(name: str) -> Any:
    """A value of the kind that a variable will have; raises `BadRequest` for what is no variable."""
    if name.startswith("time."):
        return _time(name, 0)
    if not name.startswith("identity."):
        raise BadRequest("error parsing template: a variable begins with identity. or time.")
    return {} if name.endswith("metadata") else [] if name.startswith("identity.entity.groups.") else ""


def _value(name: str, view: EntityView, now: int) -> Any:
    if name.startswith("time."):
        return _time(name, now)
    if name == "identity.entity.groups.ids":
        return [group.id for group in view.groups]
    if name == "identity.entity.groups.names":
        return [group.name for group in view.groups]
    if name == "identity.entity.metadata":
        return view.entity.metadata or {}
    if name.startswith(_ALIAS) and name.endswith("metadata"):
        accessor, _, field = name.removeprefix(_ALIAS).rpartition(".")
        alias = view.entity.alias_of(accessor)
        return (getattr(alias, field, None) if alias else None) or {}
    return view.value(name) or ""


def _time(name: str, now: int) -> int:
    if name == "time.now":
        return now
    for direction, sign in (("time.now.plus.", 1), ("time.now.minus.", -1)):
        if name.startswith(direction):
            try:
                return now + sign * int(parse_duration(name.removeprefix(direction)))
            except Invalid:
                break
    raise BadRequest("error parsing template: time.now, time.now.plus.DURATION or time.now.minus.DURATION")
