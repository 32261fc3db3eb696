"""identity/oidc/scope: claims that clients of the provider can ask for, and what they are for an entity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import Name
from strongroom.api.resource import Resource
from strongroom.core.context import SystemContext
from strongroom.core.identity_view import EntityView
from strongroom.errors import BadRequest
from strongroom.identity.engine import identity
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


class ScopeArgs(Args):
    """What it tells. What is not given stays as it is."""

    name: Name = field("The scope.")
    template: str = field("The claims: JSON with variables, in base64 or not.")
    description: str = field("What it is for.")


class Conflict(Exception):
    """Two scopes give a claim of the same name."""

    def __init__(self, claim: str, one: str, other: str) -> None:
        super().__init__(f'found scopes with conflicting top-level claim: claim "{claim}" in scopes "{one}", "{other}"')


class Scopes(Resource[Scope]):
    """The scopes; all that the provider's objects say of each other is under one lock."""

    async def lock(self, ctx: Any, name: str) -> None:
        """See `Resource.lock`."""
        await hold(ctx)


async def _finish(ctx: SystemContext, scope: Scope, args: ScopeArgs) -> Scope:
    if scope.name == OPENID:
        raise BadRequest(f'the "{OPENID}" scope name is reserved')
    if "template" in args.given:
        scope = replace(scope, template=decoded(args.template))
        if scope.template:
            check(scope.template)
    return scope


async def _check_unused(ctx: SystemContext, name: str) -> None:
    users = [provider.name for provider in await all_of(ctx, PROVIDER, Provider) if name in provider.scopes_supported]
    refuse_in_use("scope", name, "providers", users)


Scopes(Scope, SCOPE, noun="a scope").serve(
    identity, "oidc/scope", ScopeArgs, show=shown, finish=_finish, guard=_check_unused, then=" that no provider has."
)


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
