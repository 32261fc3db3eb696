"""AppRole's roles: what a machine must bring, and what its tokens are."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.cidrs import parse_networks
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration, LowerName
from strongroom.api.messages import Response
from strongroom.auth.approle.engine import approle
from strongroom.auth.approle.model import ROLE, ROLE_ID, ROLE_LOCK, Role, RoleRef, broken, check_id, load_role, names_of
from strongroom.auth.approle.tidy import sweep
from strongroom.auth.token_params import OldPeriod, OldPolicies, TokenArgs, TokenResource, truncation, with_token_args
from strongroom.clock import new_uuid
from strongroom.errors import BadRequest, NotFound, RequestError, UnsupportedPath


class RoleName(Args):
    """Which role."""

    role_name: LowerName = field("The role; upper case counts as lower case.")


class RoleArgs(RoleName, TokenArgs, OldPolicies, OldPeriod):
    """What a login with the role needs and gives. What is not given stays as it is."""

    bind_secret_id: bool = field("Whether a login needs a secret id.", default=True)
    secret_id_bound_cidrs: CommaList = field("Networks that logins may come from.")
    bound_cidr_list: CommaList = field("The old name of secret_id_bound_cidrs.", deprecated=True)
    secret_id_num_uses: int = field("How many logins a secret id is good for; 0 for no limit.")
    secret_id_ttl: Duration = field("How long a secret id lives; 0 for ever.")
    role_id: str = field("The role id; random unless given.")
    local_secret_ids: bool = field("Whether secret ids stay on this cluster; only when the role is made.")


class RoleIdArgs(RoleName):
    """A role id."""

    role_id: str = field("The role id.")


#: The parameters that are stored as they come.
PLAIN: Final = ("bind_secret_id", "secret_id_num_uses", "secret_id_ttl")


async def _exists(ctx: Context, args: RoleArgs) -> bool:
    return await load_role(ctx, args.role_name) is not None


TokenResource(Role, ROLE).serve_list(approle, "role")


@approle.read("role/{role_name}")
async def read_role(ctx: Context, args: RoleName) -> dict[str, Any]:
    """Read a role, but for its role id."""
    return (await need_role(ctx, args.role_name, NotFound())).shown()


@approle.write("role/{role_name}", exists=_exists)
async def write_role(ctx: Context, args: RoleArgs) -> Response:
    """Create or change a role."""
    await ctx.lock(ROLE_LOCK, "")
    old = await load_role(ctx, args.role_name)
    role = old or Role(name=args.role_name, key=new_uuid(), role_id=new_uuid())
    if "local_secret_ids" in args.given:
        if old is not None and args.local_secret_ids is not old.local_secret_ids:
            raise BadRequest("local_secret_ids can only be modified during role creation")
        role = replace(role, local_secret_ids=args.local_secret_ids)
    try:
        role = changed(role, args)
    except BadNetworks as e:
        raise broken(e.errors[0]) from None
    if args.role_id:
        check_id("role_id", args.role_id)
        role = replace(role, role_id=args.role_id)
    await save(ctx, old, role)
    return Response(warnings=truncation(role, ctx.mount.max_lease_ttl))


@approle.delete("role/{role_name}")
async def delete_role(ctx: Context, args: RoleName) -> None:
    """Delete a role and its secret ids. Its tokens go on, but can no longer be renewed."""
    await ctx.lock(ROLE_LOCK, "")
    role = await load_role(ctx, args.role_name)
    if role is None:
        return
    names = await names_of(ctx)
    ctx.storage.delete(ROLE + role.name)
    ctx.storage.delete(ROLE_ID + names.name(role.role_id))
    sweep(ctx, role.key)


@approle.read("role/{role_name}/role-id")
async def read_role_id(ctx: Context, args: RoleName) -> dict[str, Any]:
    """Read the role id."""
    return {"role_id": (await need_role(ctx, args.role_name, NotFound())).role_id}


@approle.write("role/{role_name}/role-id")
async def write_role_id(ctx: Context, args: RoleIdArgs) -> None:
    """Choose the role id."""
    await ctx.lock(ROLE_LOCK, "")
    role = await need_role(ctx, args.role_name, UnsupportedPath())
    if not args.role_id:
        raise BadRequest("missing role_id")
    check_id("role_id", args.role_id)
    await save(ctx, role, replace(role, role_id=args.role_id))


@approle.read("role/{role_name}/local-secret-ids")
async def read_local(ctx: Context, args: RoleName) -> dict[str, Any]:
    """Read whether secret ids stay on this cluster."""
    return {"local_secret_ids": (await need_role(ctx, args.role_name, NotFound())).local_secret_ids}


class BadNetworks(BadRequest):
    """Networks that logins may come from which are none; the role itself answers this with another status."""


async def need_role(ctx: Context, name: str, otherwise: RequestError) -> Role:
    """The role of this name; raises `otherwise` when there is none."""
    role = await load_role(ctx, name)
    if role is None:
        raise otherwise
    return role


def changed(role: Role, args: Args) -> Role:
    """The role after a write of some of its parameters; raises `BadRequest`, and `BadNetworks` among them."""
    changes: dict[str, Any] = {name: getattr(args, name) for name in PLAIN if name in args.given}
    if changes.get("secret_id_num_uses", 0) < 0:
        raise BadRequest("secret_id_num_uses cannot be negative")
    given = next((n for n in ("secret_id_bound_cidrs", "bound_cidr_list") if n in args.given), None)
    if given is not None:
        try:
            changes["secret_id_bound_cidrs"] = parse_networks(getattr(args, given))
            changes["bound_cidr_list"] = given == "bound_cidr_list"
        except BadRequest as e:
            raise BadNetworks(*e.errors) from None
    return with_token_args(replace(role, **changes), args)


async def save(ctx: Context, old: Role | None, role: Role) -> None:
    """Store a role and where its role id leads, under the lock on the roles.

    Raises:
        InternalError: nothing would restrict its logins, or its role id belongs to another.
    """
    if not (role.bind_secret_id or role.secret_id_bound_cidrs or role.token_bound_cidrs):
        raise broken("at least one constraint should be enabled on the role")
    names = await names_of(ctx)
    if old is None or old.role_id != role.role_id:
        key = ROLE_ID + names.name(role.role_id)
        if await ctx.storage.load(key, RoleRef) is not None:
            raise broken("role_id already in use")
        if old is not None:
            ctx.storage.delete(ROLE_ID + names.name(old.role_id))
        ctx.storage.store(key, RoleRef(role.name))
    ctx.storage.store(ROLE + role.name, role)
