"""auth/token: making, looking up, renewing and revoking tokens. Roles are in auth/token_roles.py.

Source: Vault's token API documentation and recorded answers.
"""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import Duration, Name
from strongroom.api.messages import Response, Timestamp
from strongroom.auth import token_roles
from strongroom.auth.token_engine import token as engine
from strongroom.core.context import SystemContext
from strongroom.core.token_create import CreateArgs, Maker
from strongroom.core.token_model import TokenEntry
from strongroom.core.token_renew import check_renewable
from strongroom.core.token_roles import load_role
from strongroom.errors import MULTI, BadRequest, BadToken

__all__ = ["token", "token_roles"]

#: The engine, with the roles' routes on it.
token = engine

NO_TOKEN = "missing token ID"  # noqa: S105 - a message
INVALID_ACCESSOR = MULTI.format("invalid accessor")
TIDY_STARTED = (
    "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs."
)
TIDY_RUNNING = "Tidy operation already in progress."


class RoleCreateArgs(CreateArgs):
    """What a new token is asked to be, within what its role allows."""

    role_name: Name = field("The role.")


class TokenArgs(Args):
    """Which token."""

    token: str = field("The token.")


class AccessorArgs(Args):
    """Which token, by its accessor."""

    accessor: str = field("The token's accessor.")


class RenewArgs(TokenArgs):
    """Which token, and for how long."""

    increment: Duration = field("For how long from now, in seconds; 0 for as long as it was last given.")


class RenewSelfArgs(Args):
    """For how long."""

    increment: Duration = field("For how long from now, in seconds; 0 for as long as it was last given.")


class RenewAccessorArgs(AccessorArgs):
    """Which token, by its accessor, and for how long."""

    increment: Duration = field("For how long from now, in seconds; 0 for as long as it was last given.")


# -- Making ------------------------------------------------------------------------------------------------------------


@engine.write("create")
async def create(ctx: SystemContext, args: CreateArgs) -> Response:
    """Make a token, a child of the caller's."""
    return await _create(ctx, args, Maker(_caller(ctx), "auth/token/create", ctx.mount))


@engine.write("create-orphan")
async def create_orphan(ctx: SystemContext, args: CreateArgs) -> Response:
    """Make a token without a parent."""
    return await _create(ctx, args, Maker(_caller(ctx), "auth/token/create-orphan", ctx.mount, orphan=True))


@engine.write("create/{role_name}")
async def create_with_role(ctx: SystemContext, args: RoleCreateArgs) -> Response:
    """Make a token as a role allows it."""
    role = await load_role(ctx.transaction, args.role_name)
    if role is None:
        raise BadRequest(f"unknown role {args.role_name}")
    path = f"auth/token/create/{role.name}"
    if role.path_suffix:
        path += f"/{role.path_suffix}"
    return await _create(ctx, args, Maker(_caller(ctx), path, ctx.mount, role=role))


async def _create(ctx: SystemContext, args: CreateArgs, maker: Maker) -> Response:
    maker.sudo = ctx.caller.sudo
    auth, warnings = await ctx.live.tokens.create(ctx.transaction, args, maker)
    return Response(auth=auth, warnings=warnings)


# -- Looking up --------------------------------------------------------------------------------------------------------


@engine.read("lookup", effectless=True)
async def lookup_read(ctx: SystemContext, args: TokenArgs) -> dict[str, Any]:
    """Look up a token; without one, the caller's."""
    return await _lookup(ctx, args.token)


@engine.write("lookup")
async def lookup(ctx: SystemContext, args: TokenArgs) -> dict[str, Any]:
    """Look up a token; without one, the caller's."""
    return await _lookup(ctx, args.token)


@engine.read("lookup-self", effectless=True)
async def lookup_self_read(ctx: SystemContext) -> dict[str, Any]:
    """Look up the caller's own token."""
    return await _lookup(ctx, "")


@engine.write("lookup-self", free_form=True)
async def lookup_self(ctx: SystemContext) -> dict[str, Any]:
    """Look up the caller's own token."""
    return await _lookup(ctx, "")


@engine.write("lookup-accessor")
async def lookup_accessor(ctx: SystemContext, args: AccessorArgs) -> dict[str, Any]:
    """Look up a token by its accessor; its id stays hidden."""
    return await _told(ctx, await _by_accessor(ctx, args.accessor), "")


@engine.list("accessors", sudo=True)
async def accessors(ctx: SystemContext) -> dict[str, Any]:
    """List the accessors of all tokens."""
    return {"keys": [found.accessor async for found in ctx.live.tokens.accessors()]}


async def _lookup(ctx: SystemContext, token: str) -> dict[str, Any]:
    if not token or token == ctx.request.token:
        return await _told(ctx, _caller(ctx), ctx.request.token)
    entry = await ctx.live.tokens.lookup(token)
    if entry is None:
        raise BadToken("bad token")
    return await _told(ctx, entry, token)


async def _told(ctx: SystemContext, entry: TokenEntry, token: str) -> dict[str, Any]:
    """A token as a lookup tells it, with what its entity adds now."""
    data = shown(entry, token, ctx.clock.now_ns())
    view = await ctx.live.identity.view(entry.entity_id) if entry.entity_id else None
    if view is not None and view.policies:
        data["identity_policies"] = list(view.policies)
    return data


def shown(entry: TokenEntry, token: str, now_ns: int) -> dict[str, Any]:
    """What a lookup tells of the token itself."""
    data: dict[str, Any] = {
        "accessor": entry.accessor,
        "creation_time": entry.creation_ns // 1_000_000_000,
        "creation_ttl": entry.ttl,
        "display_name": entry.display_name,
        "entity_id": entry.entity_id,
        "expire_time": Timestamp(entry.expire_ns) if entry.expire_ns else None,
        "explicit_max_ttl": entry.explicit_max_ttl,
        "id": token,
        "issue_time": Timestamp(entry.creation_ns),
        "meta": entry.meta,
        "num_uses": entry.num_uses,
        "orphan": entry.orphan,
        "path": entry.path,
        "policies": list(entry.policies),
        "renewable": entry.renewable,
        "ttl": entry.seconds_left(now_ns),
        "type": entry.type,
    }
    if entry.last_renewal_ns:
        data["last_renewal"] = Timestamp(entry.last_renewal_ns)
        data["last_renewal_time"] = entry.last_renewal_ns // 1_000_000_000
    for name in ("period", "role", "bound_cidrs"):
        if value := getattr(entry, name):
            data[name] = list(value) if isinstance(value, tuple) else value
    return data


# -- Renewing ----------------------------------------------------------------------------------------------------------


@engine.write("renew")
async def renew(ctx: SystemContext, args: RenewArgs) -> Response:
    """Renew a token, counted from now and up to its maximum."""
    if not args.token:
        raise BadRequest(NO_TOKEN)
    return await _renew(ctx, args.token, args.increment)


@engine.write("renew-self")
async def renew_self(ctx: SystemContext, args: RenewSelfArgs) -> Response:
    """Renew the caller's own token."""
    return await _renew(ctx, ctx.request.token, args.increment)


@engine.write("renew-accessor")
async def renew_accessor(ctx: SystemContext, args: RenewAccessorArgs) -> Response:
    """Renew a token by its accessor; its id stays hidden."""
    entry = await _by_accessor(ctx, args.accessor)
    try:
        check_renewable(entry)
    except BadRequest:
        raise BadRequest(MULTI.format("invalid request")) from None
    shown = ctx.request.certificates
    auth, warnings = await ctx.live.tokens.renew(entry, args.increment, certificates=shown)
    return Response(auth=auth, warnings=warnings)


async def _renew(ctx: SystemContext, token: str, increment: int) -> Response:
    entry = await ctx.live.tokens.lookup(token)
    if entry is None:
        raise BadRequest("token not found")
    auth, warnings = await ctx.live.tokens.renew(entry, increment, token, certificates=ctx.request.certificates)
    return Response(auth=auth, warnings=warnings)


# -- Revoking ----------------------------------------------------------------------------------------------------------


@engine.write("revoke")
async def revoke(ctx: SystemContext, args: TokenArgs) -> None:
    """Revoke a token and its children; one that does not exist is no error."""
    if not args.token:
        raise BadRequest(NO_TOKEN)
    await _check_revocable(ctx, args.token)
    await ctx.live.tokens.revoke_tree(ctx.live.tokens.key_of(args.token))


@engine.write("revoke-self", free_form=True)
async def revoke_self(ctx: SystemContext) -> None:
    """Revoke the caller's own token and its children."""
    caller = _caller(ctx)
    if caller.batch:
        raise BadRequest("batch tokens cannot be revoked")
    await ctx.live.tokens.revoke_tree(caller.key)


@engine.write("revoke-accessor")
async def revoke_accessor(ctx: SystemContext, args: AccessorArgs) -> Response:
    """Revoke a token and its children, by its accessor."""
    if not args.accessor:
        raise BadRequest(MULTI.format("missing accessor"))
    entry = await ctx.live.tokens.by_accessor(args.accessor)
    if entry is None:
        return Response(warnings=["No token found with this accessor"])
    await ctx.live.tokens.revoke_tree(entry.key)
    return Response()


@engine.write("revoke-orphan")
async def revoke_orphan(ctx: SystemContext, args: TokenArgs) -> None:
    """Revoke a token alone; its children live on as orphans."""
    if not args.token:
        raise BadRequest(NO_TOKEN)
    if not ctx.caller.sudo:
        raise BadRequest("root or sudo privileges required to revoke and orphan")
    await _check_revocable(ctx, args.token)
    if await ctx.live.tokens.lookup(args.token) is None:
        raise BadRequest("token to revoke not found")
    await ctx.live.tokens.revoke_orphan(ctx.live.tokens.key_of(args.token))


async def _check_revocable(ctx: SystemContext, token: str) -> None:
    entry = await ctx.live.tokens.lookup(token)
    if entry is not None and entry.batch:
        raise BadRequest("batch tokens cannot be revoked")


@engine.write("tidy", free_form=True, accepted=True)
async def tidy(ctx: SystemContext) -> Response:
    """Remove what points to no token, in the background."""
    return Response(status=202, warnings=[TIDY_STARTED if ctx.live.tokens.tidy() else TIDY_RUNNING])


def _caller(ctx: SystemContext) -> TokenEntry:
    if ctx.token_entry is None:
        raise BadToken
    return ctx.token_entry


async def _by_accessor(ctx: SystemContext, accessor: str) -> TokenEntry:
    if not accessor:
        raise BadRequest(MULTI.format("missing accessor"))
    entry = await ctx.live.tokens.by_accessor(accessor)
    if entry is None:
        raise BadRequest(INVALID_ACCESSOR)
    return entry
