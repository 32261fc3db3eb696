"""What login MFA keeps, and where:

    core/mfa/method/<id>                       JSON of Method
    core/mfa/enforcement/<name>                JSON of Enforcement
    core/mfa/secret/<method id>/<entity id>    JSON of Secret

Methods and enforcements are few and are kept in memory, secrets are read when somebody logs in with them. A secret has
the parameters of the time it was made at: what authenticator apps have been told does not change with the method.
"""

from __future__ import annotations

from typing import Final

import msgspec

PREFIX: Final = "core/mfa/"
METHOD: Final = PREFIX + "method/"
ENFORCEMENT: Final = PREFIX + "enforcement/"
SECRET: Final = PREFIX + "secret/"

TOTP: Final = "totp"
DEFAULT_ATTEMPTS: Final = 5
#: The kind of the lock on one entity's secret, at the identity mount.
SECRET_LOCK: Final = "mfa secret"  # noqa: S105 - a lock's kind


class Method(msgspec.Struct, frozen=True, omit_defaults=True):
    """A second factor: codes by time. `period` is in seconds, `skew` how many periods before and after count too."""

    id: str
    issuer: str
    name: str = ""
    type: str = TOTP
    period: int = 30
    key_size: int = 20
    qr_size: int = 200
    algorithm: str = "SHA1"
    digits: int = 6
    skew: int = 1
    max_validation_attempts: int = DEFAULT_ATTEMPTS
    v: int = 1


class Enforcement(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose logins need one of these methods. Whatever of the lists applies to a login makes it so."""

    id: str
    name: str
    mfa_method_ids: tuple[str, ...]
    auth_method_accessors: tuple[str, ...] = ()
    auth_method_types: tuple[str, ...] = ()
    identity_group_ids: tuple[str, ...] = ()
    identity_entity_ids: tuple[str, ...] = ()
    v: int = 1


class Secret(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entity's secret at a method. `used` are the counters of codes that have let somebody in lately."""

    key: bytes
    period: int
    algorithm: str
    digits: int
    skew: int
    used: tuple[int, ...] = ()
    v: int = 1

    def __repr__(self) -> str:
        return f"Secret({self.algorithm!r}, {self.digits})"


def secret_key(method_id: str, entity_id: str) -> str:
    """Where an entity's secret lies."""
    return f"{SECRET}{method_id}/{entity_id}"
