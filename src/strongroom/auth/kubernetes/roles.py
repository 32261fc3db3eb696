"""Roles: which service accounts may log in."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, LowerName
from strongroom.api.messages import Response
from strongroom.auth.kubernetes.engine import BY_NAME, BY_UID, ROLE, Role, kubernetes, load_role
from strongroom.auth.kubernetes.selector import parse_selector
from strongroom.auth.token_params import (
    OldLimits,
    OldPeriod,
    OldPolicies,
    OldUses,
    TokenArgs,
    truncation,
    with_token_args,
)
from strongroom.errors import BadRequest, NotFound

NAMES, NAMESPACES = "bound_service_account_names", "bound_service_account_namespaces"
SELECTOR = "bound_service_account_namespace_selector"


class RoleName(Args):
    """Which role."""

    name: LowerName = field("The role; upper case counts as lower case.")


class RoleArgs(RoleName, TokenArgs, OldPolicies, OldLimits, OldPeriod, OldUses):
    """Who may log in with the role, and what the tokens are. What is not given stays as it is."""

    bound_service_account_names: CommaList = field("Service accounts; a * at either end stands for anything.")
    bound_service_account_namespaces: CommaList = field("Their namespaces; a * at either end stands for anything.")
    bound_service_account_namespace_selector: str = field("Namespaces by their labels: a label selector as JSON.")
    audience: str = field("For whom the JWTs must be.")
    alias_name_source: str = field(f"What the entity's alias is named: {BY_UID} or {BY_NAME}.", default=BY_UID)


OWN = (NAMES, NAMESPACES, SELECTOR, "audience", "alias_name_source")


async def _exists(ctx: Context, args: RoleArgs) -> bool:
    return await load_role(ctx, args.name) is not None


@kubernetes.list("role")
async def list_roles(ctx: Context) -> dict[str, Any]:
    """List the roles."""
    keys = await ctx.storage.list(ROLE)
    if not keys:
        raise NotFound
    return {"keys": keys}


@kubernetes.read("role/{name}")
async def read_role(ctx: Context, args: RoleName) -> dict[str, Any]:
    """Read a role."""
    role = await load_role(ctx, args.name)
    if role is None:
        raise NotFound
    return role.shown()


@kubernetes.write("role/{name}", exists=_exists)
async def write_role(ctx: Context, args: RoleArgs) -> Response:
    """Create or change a role."""
    await ctx.lock("role", args.name)
    role = await load_role(ctx, args.name) or Role(name=args.name)
    changes = {name: getattr(args, name) for name in OWN if name in args.given}
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    role = with_token_args(replace(role, **changes), args)
    _check(role)
    ctx.storage.store(ROLE + role.name, role)
    return Response(warnings=truncation(role, ctx.mount.max_lease_ttl))


@kubernetes.delete("role/{name}")
async def delete_role(ctx: Context, args: RoleName) -> None:
    """Delete a role. Its tokens go on, but can no longer be renewed."""
    await ctx.lock("role", args.name)
    ctx.storage.delete(ROLE + args.name)


def _check(role: Role) -> None:
    if not role.bound_service_account_names:
        raise BadRequest(f'"{NAMES}" can not be empty')
    if not (role.bound_service_account_namespaces or role.bound_service_account_namespace_selector):
        raise BadRequest(f'"{NAMESPACES}" can not be empty if "{SELECTOR}" is not set')
    for values in (role.bound_service_account_names, role.bound_service_account_namespaces):
        if "*" in values and len(values) > 1:
            raise BadRequest('can not mix "*" with values')
    if role.alias_name_source not in (BY_UID, BY_NAME):
        raise BadRequest(f"invalid alias_name_source, must be one of: {BY_UID}, {BY_NAME}")
    if role.bound_service_account_namespace_selector:
        parse_selector(role.bound_service_account_namespace_selector)
