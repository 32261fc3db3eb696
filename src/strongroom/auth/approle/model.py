"""What AppRole stores, below its mount:

    salt                                   JSON of Salt: what role ids, secret ids and accessors are hashed with
    role/<name>                            JSON of Role
    role-id/<hash of the role id>          JSON of RoleRef
    secret/<role's key>/<hash>             JSON of SecretId, by the hash of the secret id
    accessor/<role's key>/<hash>           JSON of AccessorRef, by the hash of the accessor

Neither a secret id nor its accessor is stored in the clear outside the barrier; of the secret id nothing but the hash
is stored at all. A role's key is random and made with the role: a role that is deleted and made anew starts empty, at
once, whatever of the old one is still being removed.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.context import Context
from strongroom.api.messages import Timestamp
from strongroom.auth.token_params import TokenParams
from strongroom.crypto.kdf import Salt as Names
from strongroom.errors import MULTI, BadRequest, InternalError

SALT: Final = "salt"
ROLE: Final = "role/"
ROLE_ID: Final = "role-id/"
SECRET: Final = "secret/"  # noqa: S105 - a folder
ACCESSOR: Final = "accessor/"

#: The lock on all that says which role a role id belongs to.
ROLE_LOCK: Final = "roles"
#: The lock on one secret id.
SECRET_LOCK: Final = "secret"  # noqa: S105 - a lock's kind
#: A role id or a secret id is not longer than this, in bytes.
MOST_ID: Final = 4096
NEVER: Final = "0001-01-01T00:00:00Z"


class Salt(msgspec.Struct, frozen=True):
    """The mount's salt; base64 in JSON."""

    salt: bytes
    v: int = 1

    def __repr__(self) -> str:
        return "Salt()"


class RoleRef(msgspec.Struct, frozen=True):
    """Whose role id it is."""

    name: str
    v: int = 1


class AccessorRef(msgspec.Struct, frozen=True):
    """Which secret id an accessor stands for, by its hash."""

    secret: str
    v: int = 1


class Role(TokenParams, frozen=True, omit_defaults=True, kw_only=True):
    """A role; durations in seconds. `key` is where its secret ids are."""

    name: str
    key: str
    role_id: str
    bind_secret_id: bool = True
    secret_id_bound_cidrs: tuple[str, ...] | None = None
    #: Whether the networks were given by their older name, and are shown there.
    bound_cidr_list: bool = False
    secret_id_num_uses: int = 0
    secret_id_ttl: int = 0
    local_secret_ids: bool = False
    v: int = 1

    def shown(self) -> dict[str, Any]:
        """The role as it is read back; its role id is not part of it."""
        cidrs = self.secret_id_bound_cidrs
        return {
            **TokenParams.shown(self),
            "bind_secret_id": self.bind_secret_id,
            "local_secret_ids": self.local_secret_ids,
            "secret_id_bound_cidrs": None if cidrs is None else list(cidrs),
            "secret_id_num_uses": self.secret_id_num_uses,
            "secret_id_ttl": self.secret_id_ttl,
        }


class SecretId(msgspec.Struct, frozen=True, omit_defaults=True):
    """A secret id, without itself. Times are Unix nanoseconds, `expire_ns` 0 for never; `num_uses` 0 is no limit."""

    accessor: str
    creation_ns: int
    updated_ns: int
    ttl: int = 0
    expire_ns: int = 0
    num_uses: int = 0
    cidr_list: tuple[str, ...] = ()
    token_bound_cidrs: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    v: int = 1

    def lives(self, now_ns: int) -> bool:
        """Whether it has not expired."""
        return self.expire_ns == 0 or now_ns < self.expire_ns

    def shown(self) -> dict[str, Any]:
        """The secret id as a lookup tells it."""
        return {
            "cidr_list": list(self.cidr_list),
            "creation_time": Timestamp(self.creation_ns),
            "expiration_time": Timestamp(self.expire_ns) if self.expire_ns else NEVER,
            "last_updated_time": Timestamp(self.updated_ns),
            "metadata": self.metadata,
            "secret_id_accessor": self.accessor,
            "secret_id_num_uses": self.num_uses,
            "secret_id_ttl": self.ttl,
            "token_bound_cidrs": list(self.token_bound_cidrs),
        }


async def names_of(ctx: Context) -> Names:
    """What turns ids into the names they are stored under; makes the mount's salt the first time."""
    stored = await ctx.storage.load(SALT, Salt)
    if stored is None:
        await ctx.lock("salt", "")
        stored = await ctx.storage.load(SALT, Salt)
    if stored is None:
        stored = Salt(Names.new_key())
        ctx.storage.store(SALT, stored)
    return Names(stored.salt)


async def load_role(ctx: Context, name: str) -> Role | None:
    """The role of this name, which is in lower case, or None."""
    return await ctx.storage.load(ROLE + name, Role)


def check_id(name: str, text: str) -> None:
    """Refuse a role id or a secret id that is too long to be one; raises `BadRequest`."""
    if too_long(text):
        raise BadRequest(f"{name} is longer than {MOST_ID} bytes")


def too_long(text: str) -> bool:
    """Whether no role id and no secret id is that long."""
    return len(text) > MOST_ID or len(text.encode("utf-8", "surrogatepass")) > MOST_ID


def broken(text: str) -> InternalError:
    """A refusal that clients know as a 500 with a text."""
    return InternalError(MULTI.format(text))
