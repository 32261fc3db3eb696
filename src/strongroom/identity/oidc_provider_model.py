"""What the OpenID provider keeps, below the identity mount:

    oidc/assignment/<name>      JSON of Assignment
    oidc/scope/<name>           JSON of Scope
    oidc/client/<name>          JSON of Client, its secret included
    oidc/client-id/<client id>  JSON of ClientRef: the name of the client
    oidc/provider/<name>        JSON of Provider

The assignment `allow_all` and the provider `default` are there from the start; only the latter may change, and is then
stored. Whatever changes any of these holds one lock, since they refer to each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from strongroom.core.advertise import api_address
from strongroom.core.context import SystemContext
from strongroom.core.identity_view import EntityView
from strongroom.identity.oidc_model import ANY, DAY, DEFAULT, PATH, all_of

ASSIGNMENT: Final = "oidc/assignment/"
SCOPE: Final = "oidc/scope/"
CLIENT: Final = "oidc/client/"
CLIENT_ID: Final = "oidc/client-id/"
PROVIDER: Final = "oidc/provider/"
ALLOW_ALL: Final = "allow_all"
OPENID: Final = "openid"
CONFIDENTIAL: Final = "confidential"
PUBLIC: Final = "public"


class Assignment(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who may log in at a client: these entities, and the members of these groups."""

    name: str
    entity_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    v: int = 1

    def has(self, view: EntityView) -> bool:
        """Whether an entity is among them, directly or through a group."""
        return view.entity.id in self.entity_ids or any(group.id in self.group_ids for group in view.groups)


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """Claims that a client can ask for."""

    name: str
    template: str = ""
    description: str = ""
    v: int = 1


class Client(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool that people log in at; TTLs in seconds, 0 where it was set so. A public one has no secret."""

    name: str
    client_id: str
    client_secret: str = ""
    client_type: str = CONFIDENTIAL
    key: str = DEFAULT
    redirect_uris: tuple[str, ...] = ()
    assignments: tuple[str, ...] = ()
    id_token_ttl: int = DAY
    access_token_ttl: int = DAY
    v: int = 1

    def __repr__(self) -> str:
        return f"Client({self.name!r}, {self.client_id!r}, {self.client_type!r})"

    @property
    def public(self) -> bool:
        """Whether it cannot keep a secret."""
        return self.client_type == PUBLIC


class ClientRef(msgspec.Struct, frozen=True):
    """The client that has an id."""

    name: str
    v: int = 1


class Provider(msgspec.Struct, frozen=True, omit_defaults=True):
    """An issuer for some clients. `issuer` is "" for this node's own address."""

    name: str
    issuer: str = ""
    allowed_client_ids: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    v: int = 1

    def allows(self, client_id: str) -> bool:
        """Whether a client may use it."""
        return ANY in self.allowed_client_ids or client_id in self.allowed_client_ids

    def base(self, ctx: SystemContext) -> str:
        """The address under which clients and browsers reach the server."""
        return self.issuer or api_address(ctx.core.config)

    def url(self, ctx: SystemContext) -> str:
        """What its tokens name as their issuer; all its endpoints but the page for browsers lie below."""
        return f"{self.base(ctx)}{PATH}/provider/{self.name}"


async def hold(ctx: SystemContext) -> None:
    """Hold the lock on all of it to the end of the request."""
    await ctx.lock("oidc provider", "")


async def load_assignment(ctx: SystemContext, name: str) -> Assignment | None:
    """The assignment of a name; `allow_all` is for everybody."""
    if name == ALLOW_ALL:
        return Assignment(ALLOW_ALL, (ANY,), (ANY,))
    return await ctx.storage.load(ASSIGNMENT + name, Assignment)


async def load_provider(ctx: SystemContext, name: str) -> Provider | None:
    """The provider of a name; one for all clients is there from the start."""
    stored = await ctx.storage.load(PROVIDER + name, Provider)
    if stored is None and name == DEFAULT:
        return Provider(DEFAULT, allowed_client_ids=(ANY,))
    return stored


async def client_by_id(ctx: SystemContext, client_id: str) -> Client | None:
    """The client of a client id, which may be anything."""
    if not client_id.isascii() or not client_id.isalnum():
        return None
    ref = await ctx.storage.load(CLIENT_ID + client_id, ClientRef)
    return await ctx.storage.load(CLIENT + ref.name, Client) if ref else None


async def clients(ctx: SystemContext) -> list[Client]:
    """All clients, by name."""
    return await all_of(ctx, CLIENT, Client)


async def may_log_in(ctx: SystemContext, client: Client, view: EntityView) -> bool:
    """Whether a client's assignments let an entity in; a disabled one never."""
    if view.entity.disabled:
        return False
    if ALLOW_ALL in client.assignments:
        return True
    for name in client.assignments:
        assignment = await load_assignment(ctx, name)
        if assignment is not None and assignment.has(view):
            return True
    return False


def tidy(values: Iterable[str]) -> tuple[str, ...]:
    """A list as it is kept: in order, each once, nothing empty."""
    return tuple(sorted({value for value in values if value}))


def shown(value: msgspec.Struct, *hidden: str) -> dict[str, Any]:
    """An object as reading answers it."""
    fields = msgspec.structs.asdict(value)
    return {
        name: list(field) if isinstance(field, tuple) else field
        for name, field in fields.items()
        if name not in ("name", "v", *hidden)
    }
