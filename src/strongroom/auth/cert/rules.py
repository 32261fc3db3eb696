"""Which certificates of those that a role trusts it lets in: rules about names and extensions.

Rules are lists of patterns in which a `*` stands for anything; an empty list lets everybody in. Pure functions over
what the certificate says. Source: Vault's documentation of `auth/cert/certs`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from strongroom.auth.cert.engine import Role
from strongroom.auth.globs import glob
from strongroom.auth.jose import quoted
from strongroom.errors import BadRequest

if TYPE_CHECKING:
    from strongroom.auth.cert.presented import Presented

HEX: Final = "hex"
_OID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,32}")
#: How much of a certificate's names a reason repeats.
_MOST_NAMES: Final = 5


class Extension(NamedTuple):
    """One of `required_extensions`: `oid:pattern` for a text, `hex:oid:pattern` for the value's DER in hexadecimal."""

    oid: str
    pattern: str
    by_hex: bool


def parse_extension(text: str) -> Extension:
    """One of `required_extensions`.

    Raises:
        BadRequest: it is none.
    """
    by_hex = text.startswith(HEX + ":")
    oid, colon, pattern = text.removeprefix(HEX + ":" if by_hex else "").partition(":")
    if not colon or not is_oid(oid):
        raise BadRequest('required_extensions must be of the form "oid:value" or "hex:oid:value"')
    return Extension(oid, pattern.lower() if by_hex else pattern, by_hex)


def is_oid(text: str) -> bool:
    """Whether a text is an object identifier in dots."""
    return _OID.fullmatch(text) is not None


class Rule(NamedTuple):
    """One rule's outcome: the parameter that it is, whether it holds, and what a log may say of it."""

    name: str
    holds: bool
    detail: str


def judge(role: Role, shown: Presented) -> list[Rule]:
    """The outcome of each rule that a role has."""
    names = (shown.common_name, *shown.dns_names, *shown.emails)
    rules = [
        _any("allowed_names", role.allowed_names, names, "names"),
        _any("allowed_common_names", role.allowed_common_names, (shown.common_name,), "common name"),
        _any("allowed_dns_sans", role.allowed_dns_sans, shown.dns_names, "DNS names"),
        _any("allowed_email_sans", role.allowed_email_sans, shown.emails, "e-mail addresses"),
        _any("allowed_uri_sans", role.allowed_uri_sans, shown.uris, "URIs"),
        _any(
            "allowed_organizational_units",
            role.allowed_organizational_units,
            shown.organizational_units,
            "organizational units",
        ),
        *(_extension(text, shown) for text in role.required_extensions or ()),
    ]
    return [rule for rule in rules if rule is not None]


def _any(name: str, patterns: Iterable[str] | None, values: tuple[str, ...], what: str) -> Rule | None:
    patterns = list(patterns or ())
    if not patterns:
        return None
    found = next((v for v in values if any(glob(p, v) for p in patterns)), None)
    if found is not None:
        return Rule(name, True, f"{quoted(found)} is like one of {_list(patterns)}")
    values = tuple(value for value in values if value)
    if not values:
        return Rule(name, False, f"the certificate has no {what} for the patterns {_list(patterns)}")
    return Rule(name, False, f"no pattern of {_list(patterns)} fits its {what} {_list(values)}")


def _extension(text: str, shown: Presented) -> Rule:
    wanted = parse_extension(text)
    if wanted.oid not in shown.extensions:
        return Rule("required_extensions", False, f"the certificate has no extension {wanted.oid}")
    value = shown.extensions[wanted.oid].hex() if wanted.by_hex else shown.texts([wanted.oid])[wanted.oid]
    holds = glob(wanted.pattern, value)
    verb = "is" if holds else "is not"
    return Rule("required_extensions", holds, f"extension {wanted.oid} {verb} like {quoted(wanted.pattern)}")


def _list(values: Iterable[str]) -> str:
    every = [quoted(value) for value in values]
    more = f" and {len(every) - _MOST_NAMES} more" if len(every) > _MOST_NAMES else ""
    return "[" + ", ".join(every[:_MOST_NAMES]) + "]" + more
