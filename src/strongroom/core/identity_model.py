"""What the identity store keeps, and where:

    core/identity/salt                       JSON of Salt: what names are hashed with
    core/identity/entity/<id>                JSON of Entity, its aliases included
    core/identity/entity-name/<hash>         JSON of Ref: the entity of a name
    core/identity/alias/<id>                 JSON of Ref: the entity that has the alias
    core/identity/factor/<hash>              JSON of Ref: the entity of a mount's accessor and an alias name
    core/identity/merged/<id>                JSON of Ref: what an entity was merged into
    core/identity/group/<id>                 JSON of Group, its alias included
    core/identity/group-name/<hash>          JSON of Ref
    core/identity/group-alias/<id>           JSON of Ref
    core/identity/group-factor/<hash>        JSON of Ref
    core/identity/member/<group>/<entity>    `{}`; the entities of a group
    core/identity/child/<group>/<group>      `{}`; the groups of a group

All that a request needs of its token's entity lies in one entry, plus one for each group above it; members lie apart,
so that a group's entry stays small however many it has. Nothing here is read at unsealing. A name in a key is hashed
under a salt of the store's own, since keys are not encrypted. Entities and groups point at each other in both
directions, and all that changes them holds one lock.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

import msgspec

PREFIX: Final = "core/identity/"
SALT: Final = PREFIX + "salt"
ENTITY: Final = PREFIX + "entity/"
ENTITY_NAME: Final = PREFIX + "entity-name/"
ALIAS: Final = PREFIX + "alias/"
FACTOR: Final = PREFIX + "factor/"
MERGED: Final = PREFIX + "merged/"
GROUP: Final = PREFIX + "group/"
GROUP_NAME: Final = PREFIX + "group-name/"
GROUP_ALIAS: Final = PREFIX + "group-alias/"
GROUP_FACTOR: Final = PREFIX + "group-factor/"
MEMBER: Final = PREFIX + "member/"
CHILD: Final = PREFIX + "child/"

#: The kind and name of the lock on the whole store, at the identity mount.
LOCK: Final = ("store", "")
PRESENT: Final = b"{}"


class Salt(msgspec.Struct, frozen=True):
    """The secret that names are hashed with: 32 random bytes, base64 in JSON."""

    salt: bytes
    v: int = 1

    @classmethod
    def new(cls) -> Salt:
        """A fresh one."""
        return cls(secrets.token_bytes(32))

    def __repr__(self) -> str:
        return "Salt()"

    def name(self, *parts: str) -> str:
        """The name of a key: HMAC-SHA256 of the parts, cut to 160 bits and written in hex."""
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.digest(self.salt, text.encode("utf-8", "surrogatepass"), "sha256")[:20].hex()


class Ref(msgspec.Struct, frozen=True):
    """Where to look further."""

    id: str
    v: int = 1


class Alias(msgspec.Struct, frozen=True, omit_defaults=True):
    """A name at an auth mount. `factor` is the name of its entry in the index by mount and name."""

    id: str
    name: str
    mount_accessor: str
    factor: str
    creation_ns: int
    updated_ns: int
    metadata: dict[str, str] | None = None
    custom_metadata: dict[str, str] | None = None
    merged_from: tuple[str, ...] = ()
    local: bool = False


class Entity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody, however they log in. `groups` are those that have it as a member, `merged` what it has swallowed."""

    id: str
    name: str
    creation_ns: int
    updated_ns: int
    aliases: tuple[Alias, ...] = ()
    policies: tuple[str, ...] = ()
    metadata: dict[str, str] | None = None
    disabled: bool = False
    groups: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    v: int = 1

    def alias_of(self, accessor: str) -> Alias | None:
        """Its alias at a mount."""
        return next((alias for alias in self.aliases if alias.mount_accessor == accessor), None)


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entities and groups together. `members_set` tells an empty list of members from none ever given."""

    id: str
    name: str
    creation_ns: int
    updated_ns: int
    type: str = "internal"
    policies: tuple[str, ...] | None = None
    metadata: dict[str, str] | None = None
    alias: Alias | None = None
    parents: tuple[str, ...] = ()
    members_set: bool = False
    modify_index: int = 1
    v: int = 1
