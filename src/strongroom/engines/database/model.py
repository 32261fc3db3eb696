"""What the database engine stores below its mount.

    config/<name>     Config, JSON: a connection
    role/<name>       Role, JSON: what users are made for it, and how
    static/<name>     StaticRole, JSON: a user that was there before, whose password is ours
    owner/<hash>      Owner, JSON: whose a user is, where the names of users may come again; the hash is SHA-256 of
                      the connection's name, NUL and the user's, in hex

Times are Unix nanoseconds, durations seconds. `v` is the format's version.

A password is changed in three steps, so that no crash loses it: the new one is stored as `candidate` and is durable;
the database is told; it takes the old one's place. As long as there is a candidate either of the two may be the one
that works.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

CONFIG: Final = "config/"
ROLE: Final = "role/"
STATIC: Final = "static/"
OWNER: Final = "owner/"

PASSWORD: Final = "password"  # noqa: S105 - a kind of credential
RSA_KEY: Final = "rsa_private_key"
CERTIFICATE: Final = "client_certificate"
CREDENTIAL_TYPES: Final = (PASSWORD, RSA_KEY, CERTIFICATE)


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # there are passwords in it


class Config(_Stored, frozen=True):
    """A connection. `details` is what the plugin is given, `revision` changes with every change."""

    plugin_name: str = ""
    plugin_version: str = ""
    allowed_roles: tuple[str, ...] = ()
    root_rotation_statements: tuple[str, ...] = ()
    password_policy: str = ""
    details: dict[str, Any] = {}
    candidate: str = ""
    revision: str = ""
    rotation_period: int = 0
    rotation_schedule: str = ""
    rotation_window: int = 0
    disable_automated_rotation: bool = False
    last_rotation_ns: int = 0
    v: int = 1


class Owner(_Stored, frozen=True):
    """The lease that a user belongs to, by the mark in its data."""

    mark: str
    v: int = 1


class Role(_Stored, frozen=True):
    """What users are made."""

    db_name: str = ""
    creation_statements: tuple[str, ...] = ()
    revocation_statements: tuple[str, ...] = ()
    rollback_statements: tuple[str, ...] = ()
    renew_statements: tuple[str, ...] = ()
    default_ttl: int = 0
    max_ttl: int = 0
    credential_type: str = PASSWORD
    credential_config: dict[str, Any] = {}
    v: int = 1


class StaticRole(_Stored, frozen=True):
    """A user whose password is rotated. `fresh` until its first password has been set: to clients it is not there.

    With an `alternate_username` there are two, who take turns: each rotation is of the one that is not in use, who is
    in use from then on. `on_alternate` tells which; `password` is that one's, `candidate` the other's. So the one used
    before keeps its password until the next turn.
    """

    db_name: str = ""
    username: str = ""
    alternate_username: str = ""
    on_alternate: bool = False
    rotation_period: int = 0
    rotation_schedule: str = ""
    rotation_window: int = 0
    rotation_statements: tuple[str, ...] = ()
    credential_type: str = PASSWORD
    credential_config: dict[str, Any] = {}
    self_managed: bool = False
    password: str = ""
    candidate: str = ""
    last_rotation_ns: int = 0
    fresh: bool = False
    v: int = 1

    @property
    def user(self) -> str:
        """The user whose password is given out."""
        return self.alternate_username if self.on_alternate else self.username

    @property
    def next_user(self) -> str:
        """The user that the next rotation is of."""
        return self.username if self.on_alternate else self.alternate_username or self.username
