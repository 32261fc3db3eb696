"""What a role makes of a verified token's claims: who it is, what is known of them, and whether they may come in.

A claim's name that begins with a slash is a JSON pointer (RFC 6901) to a nested one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from strongroom.api.fields import FALSE, TRUE
from strongroom.auth.globs import glob
from strongroom.auth.jose import BadJWT, quoted
from strongroom.auth.jwt.engine import GLOB, Role

Claims = Mapping[str, Any]
#: How many claims' values are compared with how many bound ones; more are not.
MOST_VALUES = 1000
MOST_NAME = 512


class Person(NamedTuple):
    """Whom the claims describe."""

    name: str
    metadata: dict[str, str]
    groups: list[str]


def claim(claims: Claims, name: str) -> Any:
    """A claim by its name or pointer; None when it is not there."""
    if not name.startswith("/"):
        return claims.get(name)
    value: Any = claims
    for step in name[1:].split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 6 and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def check_bound(role: Role, claims: Claims) -> None:
    """Check the claims that the role binds.

    Raises:
        BadJWT: one is not as it must be.
    """
    for name in role.bound_claims or {}:
        check_claim(role, claims, name)


def check_claim(role: Role, claims: Claims, name: str) -> None:
    """Check one of the claims that the role binds.

    Raises:
        BadJWT: it is not as it must be.
    """
    globs, bound = role.bound_claims_type == GLOB, (role.bound_claims or {})[name]
    value = claim(claims, name)
    if value is None:
        raise BadJWT(f'claim "{name}" is missing')
    found = values_of(value)
    if found is None:
        raise BadJWT("received claim is not a string or list", f"the claim {quoted(name)} is a map")
    if not any(_same(one, wanted, globs) for wanted in values_of(bound) or [] for one in found):
        raise BadJWT(
            f'claim "{name}" does not match any associated bound claim values',
            f"the claim {quoted(name)} is {quoted(value)}, the role wants {quoted(bound)}",
        )


def values_of(value: Any) -> list[Any] | None:
    """A list's first values, a single value as a list; None for a map."""
    if isinstance(value, dict):
        return None
    return value[:MOST_VALUES] if isinstance(value, list) else [value]


def _same(value: Any, wanted: Any, globs: bool) -> bool:
    if isinstance(value, bool):
        words = TRUE if value else FALSE
        return wanted is value or (isinstance(wanted, str) and wanted in words)
    if isinstance(value, str):
        return isinstance(wanted, str) and (glob(wanted, value) if globs else wanted == value)
    return isinstance(value, (int, float)) and not isinstance(wanted, (bool, str)) and bool(value == wanted)


def person(role: Role, claims: Claims) -> Person:
    """Whom the claims describe.

    Raises:
        BadJWT: they do not say, or not in a way that can be used.
    """
    name = claim(claims, role.user_claim) if role.user_claim_json_pointer else claims.get(role.user_claim)
    if name is None or name == "":
        raise BadJWT(f'claim "{role.user_claim}" not found in token')
    if not isinstance(name, str):
        raise BadJWT(f'claim "{role.user_claim}" could not be converted to string')
    if len(name) > MOST_NAME:
        raise BadJWT(f'claim "{role.user_claim}" is too long', f"the user claim has {len(name)} characters")
    return Person(name, dict(_mapped(role, claims)), _groups(role, claims))


def _mapped(role: Role, claims: Claims) -> Iterable[tuple[str, str]]:
    for source, target in (role.claim_mappings or {}).items():
        value = claim(claims, source)
        if value is None:
            continue
        if not isinstance(value, str):
            raise BadJWT(f"error converting claim '{source}' to string")
        yield target, value


def _groups(role: Role, claims: Claims) -> list[str]:
    if not role.groups_claim:
        return []
    value = claim(claims, role.groups_claim)
    if value is None:
        raise BadJWT(f'failed to fetch groups: "{role.groups_claim}" claim not found in token')
    groups = values_of(value)
    if groups is None or not all(isinstance(group, str) for group in groups):
        raise BadJWT(f'"{role.groups_claim}" claim could not be converted to string list')
    return [group for group in dict.fromkeys(groups) if group]
