"""identity/oidc/client: the tools that people log in at through the provider."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Duration, Name
from strongroom.clock import random_text
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import given, identity
from strongroom.identity.oidc_keys import signing
from strongroom.identity.oidc_model import DAY, DEFAULT, LOCK, load_key
from strongroom.identity.oidc_provider_model import (
    CLIENT,
    CLIENT_ID,
    CONFIDENTIAL,
    PUBLIC,
    Client,
    ClientRef,
    clients,
    hold,
    load_assignment,
    shown,
    tidy,
)

ID_CHARS: Final = 32
SECRET_CHARS: Final = 64
SECRET_PREFIX: Final = "hvo_secret_"  # noqa: S105 - what secrets begin with


class ClientName(Args):
    """Which client."""

    name: Name = field("The client.")


class ClientArgs(ClientName):
    """What a client is. What is not given stays as it is."""

    key: str = field("The named key that signs its ID tokens; it cannot be changed later.", default=DEFAULT)
    redirect_uris: CommaList = field("Where logins may lead to, to the letter; of this very machine, at any port.")
    assignments: CommaList = field("Who may log in at it; allow_all for everybody, nobody without any.")
    client_type: str = field(
        f"'{CONFIDENTIAL}' has a secret, '{PUBLIC}' has none and must use PKCE; it cannot be changed later.",
        default=CONFIDENTIAL,
    )
    id_token_ttl: Duration = field("How long its ID tokens are valid.", default=DAY)
    access_token_ttl: Duration = field("How long its access tokens are valid.", default=DAY)


@identity.list("oidc/client")
async def list_clients(ctx: SystemContext) -> dict[str, Any]:
    """List the clients, without their secrets."""
    found = await clients(ctx)
    if not found:
        raise NotFound
    info = {client.name: shown(client, "client_secret") for client in found}
    return {"keys": list(info), "key_info": info}


@identity.read("oidc/client/{name}")
async def read_client(ctx: SystemContext, args: ClientName) -> dict[str, Any]:
    """Read a client, with its secret if it has one."""
    client = await ctx.storage.load(CLIENT + args.name, Client)
    if client is None:
        raise NotFound
    return shown(client, *(["client_secret"] if client.public else []))


async def _there(ctx: SystemContext, args: ClientArgs) -> bool:
    await hold(ctx)
    return await ctx.storage.load(CLIENT + args.name, Client) is not None


@identity.write("oidc/client/{name}", exists=_there)
async def write_client(ctx: SystemContext, args: ClientArgs) -> None:
    """Create or change a client. Its id and its secret are made up when it is created."""
    await hold(ctx)
    old = await ctx.storage.load(CLIENT + args.name, Client)
    _check_fixed(old, args)
    client = old or _new(args)
    changes = given(args, "id_token_ttl", "access_token_ttl")
    changes |= {each: tidy(getattr(args, each)) for each in ("redirect_uris", "assignments") if each in args.given}
    client = replace(client, **changes)
    for name in client.assignments:
        if await load_assignment(ctx, name) is None:
            raise BadRequest(f'assignment "{name}" does not exist')
    await ctx.lock(LOCK, client.key)  # a key that is used is not deleted, and this one is about to be
    key = await load_key(ctx, client.key)
    if key is None:
        raise BadRequest(f'key "{client.key}" does not exist')
    if client.id_token_ttl > key.verification_ttl:
        raise BadRequest("a client's id_token_ttl cannot be greater than the verification_ttl of the key it references")
    await signing(ctx, key.name)  # tools read the key set when they start, before anybody logs in
    ctx.storage.store(CLIENT + client.name, client)
    ctx.storage.store(CLIENT_ID + client.client_id, ClientRef(client.name))


def _check_fixed(old: Client | None, args: ClientArgs) -> None:
    if old is None:
        if args.client_type not in (CONFIDENTIAL, PUBLIC):
            raise BadRequest(f'invalid client_type "{args.client_type}"')
        return
    for each in ("key", "client_type"):
        if each in args.given and getattr(args, each) != getattr(old, each):
            raise BadRequest(f"{each} modification is not allowed")


def _new(args: ClientArgs) -> Client:
    secret = "" if args.client_type == PUBLIC else SECRET_PREFIX + random_text(SECRET_CHARS)
    return Client(args.name, random_text(ID_CHARS), secret, args.client_type, args.key)


@identity.delete("oidc/client/{name}")
async def delete_client(ctx: SystemContext, args: ClientName) -> None:
    """Delete a client: its codes and access tokens are worth nothing from now on."""
    await hold(ctx)
    client = await ctx.storage.load(CLIENT + args.name, Client)
    if client is not None:
        ctx.storage.delete(CLIENT_ID + client.client_id)
        ctx.storage.delete(CLIENT + args.name)
