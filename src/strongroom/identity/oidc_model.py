"""What identity tokens are made with, below the identity mount:

    oidc/config        JSON of Config
    oidc/key/<name>    JSON of NamedKey: its settings and its ring of signing keys
    oidc/role/<name>   JSON of Role

A ring has the key that signs, the one that will sign next (published already, so that those who keep key sets know it
in time), and those that have signed and still verify until they expire. It is made when a token is first asked for.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from strongroom.core.advertise import api_address
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest

S = TypeVar("S", bound=msgspec.Struct)

CONFIG: Final = "oidc/config"
KEY: Final = "oidc/key/"
ROLE: Final = "oidc/role/"
LOCK: Final = "oidc key"
DEFAULT: Final = "default"
ANY: Final = "*"
DAY: Final = 86400
PATH: Final = "/v1/identity/oidc"


class Config(msgspec.Struct, frozen=True):
    """`issuer` is "" for this node's own address."""

    issuer: str = ""
    v: int = 1


class RingKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signing key. `private` is PKCS #8 in DER, empty once it only verifies; `expire_ns` 0 while it signs or will."""

    kid: str
    alg: str
    public: bytes
    private: bytes = b""
    expire_ns: int = 0

    def __repr__(self) -> str:
        return f"RingKey({self.kid!r}, {self.alg!r})"


class NamedKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named key; durations in seconds. `ring` begins with the key that signs and the next one."""

    name: str
    algorithm: str = "RS256"
    rotation_period: int = DAY
    verification_ttl: int = DAY
    allowed_client_ids: tuple[str, ...] = ()
    ring: tuple[RingKey, ...] = ()
    rotate_ns: int = 0
    v: int = 1

    def allows(self, client_id: str) -> bool:
        """Whether tokens for a client may be signed with it."""
        return ANY in self.allowed_client_ids or client_id in self.allowed_client_ids

    def verifying(self, now_ns: int) -> list[RingKey]:
        """The keys that verify at a moment."""
        return [key for key in self.ring if key.expire_ns == 0 or now_ns < key.expire_ns]


class Role(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the tokens of a role are; `ttl` in seconds."""

    name: str
    key: str
    client_id: str
    template: str = ""
    ttl: int = DAY
    v: int = 1


async def load_key(ctx: SystemContext, name: str) -> NamedKey | None:
    """The key of this name; one is there from the start."""
    stored = await ctx.storage.load(KEY + name, NamedKey)
    if stored is None and name == DEFAULT:
        return NamedKey(DEFAULT, allowed_client_ids=(ANY,))
    return stored


async def all_of(ctx: SystemContext, prefix: str, kind: type[S]) -> list[S]:
    """All that is stored of a kind, by name."""
    found = [await ctx.storage.load(prefix + name, kind) for name in await ctx.storage.list(prefix)]
    return [one for one in found if one is not None]


async def roles_of(ctx: SystemContext) -> list[Role]:
    """All roles, by name."""
    return await all_of(ctx, ROLE, Role)


def refuse_in_use(what: str, name: str, by: str, users: list[str]) -> None:
    """Refuse to delete what others of a kind, `by`, refer to; `users` are their names. Raises `BadRequest`."""
    if users:
        raise BadRequest(
            f'unable to delete {what} "{name}" because it is currently referenced by these {by}: {", ".join(users)}'
        )


async def issuer_of(ctx: SystemContext) -> str:
    """What the tokens say of who issued them; clients find the discovery document below it."""
    config = await ctx.storage.load(CONFIG, Config) or Config()
    return (config.issuer or api_address(ctx.core.config)) + PATH
