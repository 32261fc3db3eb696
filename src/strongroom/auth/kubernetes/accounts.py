"""What a service account's JWT says of the account.

    old      "kubernetes.io/serviceaccount/namespace": NS, ".../service-account.name": NAME, ".../service-account.uid":
             UID, ".../secret.name": SECRET
    bound    "kubernetes.io": {"namespace": NS, "serviceaccount": {"name": NAME, "uid": UID}, "pod": {...}}

Source: Kubernetes' documentation of service account tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from strongroom.auth.jose import BadJWT

PREFIX: Final = "kubernetes.io/serviceaccount/"


class Account(NamedTuple):
    """A service account; `secret_name` is "" for a JWT that is not kept in a secret."""

    namespace: str
    name: str
    uid: str
    secret_name: str = ""

    @property
    def user(self) -> str:
        """The name under which the cluster knows it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


def account_of(claims: Mapping[str, Any]) -> Account:
    """The account that a JWT is of, by its own claims.

    Raises:
        BadJWT: it is of none.
    """
    bound = claims.get("kubernetes.io")
    if isinstance(bound, dict):
        inner = bound.get("serviceaccount")
        inner = inner if isinstance(inner, dict) else {}
        found = Account(_text(bound, "namespace"), _text(inner, "name"), _text(inner, "uid"))
    else:
        names = ("namespace", "service-account.name", "service-account.uid", "secret.name")
        found = Account(*(_text(claims, PREFIX + name) for name in names))
    missing = [name for name in ("namespace", "name", "uid") if not getattr(found, name)]
    if missing:
        raise BadJWT("permission denied", f"the JWT is of no service account: it has no {', '.join(missing)}")
    return found


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def allowed(value: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is the value; a `*` at either end of a pattern stands for anything."""
    return any(_matches(value, pattern) for pattern in patterns)


def _matches(value: str, pattern: str) -> bool:
    before, after = pattern.startswith("*"), pattern.endswith("*")
    if pattern in ("*", "**"):
        return True
    core = pattern[before : len(pattern) - after]
    if before and after:
        return core in value
    if before:
        return value.endswith(core)
    return value.startswith(core) if after else value == core
