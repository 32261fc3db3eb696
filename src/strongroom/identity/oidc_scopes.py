"""identity/oidc/scope: claims that clients of the provider can ask for, and what they are for an entity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import Name
from strongroom.core.context import SystemContext
from strongroom.core.identity_view import EntityView
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import given, identity
from strongroom.identity.oidc_model import all_of, refuse_in_use
from strongroom.identity.oidc_provider_model import (
    OPENID,
    PROVIDER,
    SCOPE,
    Provider,
    Scope,
    hold,
    shown,
)
from strongroom.identity.oidc_template import check, decoded, fill


class ScopeName(Args):
    """Which scope."""

    name: Name = field("The scope.")


class ScopeArgs(ScopeName):
    """What it tells. What is not given stays as it is."""

    template: str = field("The claims: JSON with variables, in base64 or not.")
    description: str = field("What it is for.")


class Conflict(Exception):
    """Two scopes give a claim of the same name."""

    def __init__(self, claim: str, one: str, other: str) -> None:
        super().__init__(f'found scopes with conflicting top-level claim: claim "{claim}" in scopes "{one}", "{other}"')


@identity.list("oidc/scope")
async def list_scopes(ctx: SystemContext) -> dict[str, Any]:
    """List the scopes."""
    names = await ctx.storage.list(SCOPE)
    if not names:
        raise NotFound
    return {"keys": names}


@identity.read("oidc/scope/{name}")
async def read_scope(ctx: SystemContext, args: ScopeName) -> dict[str, Any]:
    """Read a scope."""
    scope = await ctx.storage.load(SCOPE + args.name, Scope)
    if scope is None:
        raise NotFound
    return shown(scope)


async def _there(ctx: SystemContext, args: ScopeArgs) -> bool:
    await hold(ctx)
    return await ctx.storage.load(SCOPE + args.name, Scope) is not None


@identity.write("oidc/scope/{name}", exists=_there)
async def write_scope(ctx: SystemContext, args: ScopeArgs) -> None:
    """Create or change a scope."""
    if args.name == OPENID:
        raise BadRequest(f'the "{OPENID}" scope name is reserved')
    await hold(ctx)
    old = await ctx.storage.load(SCOPE + args.name, Scope) or Scope(args.name)
    changes = given(args, "description")
    if "template" in args.given:
        changes["template"] = template = decoded(args.template)
        if template:
            check(template)
    ctx.storage.store(SCOPE + args.name, replace(old, **changes))


@identity.delete("oidc/scope/{name}")
async def delete_scope(ctx: SystemContext, args: ScopeName) -> None:
    """Delete a scope that no provider has."""
    await hold(ctx)
    users = [
        provider.name for provider in await all_of(ctx, PROVIDER, Provider) if args.name in provider.scopes_supported
    ]
    refuse_in_use("scope", args.name, "providers", users)
    ctx.storage.delete(SCOPE + args.name)


async def claims_of(ctx: SystemContext, scopes: Iterable[str], view: EntityView, now: int) -> dict[str, Any]:
    """The claims of an entity that scopes ask for; those that are no more ask for nothing. `now` is Unix seconds.

    Raises:
        Conflict: two of them have a claim in common.
    """
    claims: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name in scopes:
        scope = await ctx.storage.load(SCOPE + name, Scope)
        if scope is None:
            continue
        for claim, value in fill(scope.template, view, now).items():
            if claim in origin:
                raise Conflict(claim, name, origin[claim])
            claims[claim], origin[claim] = value, name
    return claims
