"""identity/oidc/role: what identity tokens say, and for whom they are."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import Duration, Name
from strongroom.clock import random_text
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import given, identity
from strongroom.identity.oidc_model import DAY, ROLE, Role, load_key, roles_of
from strongroom.identity.oidc_template import check, decoded


class RoleName(Args):
    """Which role."""

    name: Name = field("The role.")


class RoleArgs(RoleName):
    """What the role's tokens are. What is not given stays as it is."""

    key: str = field("The named key that signs them.")
    template: str = field("Further claims: JSON with variables, in base64 or not.")
    client_id: str = field("Whom they are for; made up without it.")
    ttl: Duration = field("How long they are valid.", default=DAY)


@identity.list("oidc/role")
async def list_roles(ctx: SystemContext) -> dict[str, Any]:
    """List the roles."""
    names = [role.name for role in await roles_of(ctx)]
    if not names:
        raise NotFound
    return {"keys": names}


@identity.read("oidc/role/{name}")
async def read_role(ctx: SystemContext, args: RoleName) -> dict[str, Any]:
    """Read a role."""
    role = await ctx.storage.load(ROLE + args.name, Role)
    if role is None:
        raise NotFound
    return {"client_id": role.client_id, "key": role.key, "template": role.template, "ttl": role.ttl}


@identity.write("oidc/role/{name}")
async def write_role(ctx: SystemContext, args: RoleArgs) -> None:
    """Create or change a role."""
    await ctx.lock("oidc role", args.name)
    role = await ctx.storage.load(ROLE + args.name, Role)
    if role is None:
        role = Role(args.name, "", args.client_id or random_text(26))
    changes = given(args, "key", "ttl")
    if args.client_id:
        changes["client_id"] = args.client_id
    if "template" in args.given:
        changes["template"] = decoded(args.template)
        if changes["template"]:
            check(changes["template"])
    role = replace(role, **changes)
    if not role.key:
        raise BadRequest("the key parameter is required")
    key = await load_key(ctx, role.key)
    if key is None:
        raise BadRequest(f'cannot find key "{role.key}"')
    if role.ttl > key.verification_ttl:
        raise BadRequest("a role's token ttl cannot be longer than the verification_ttl of the key it references")
    ctx.storage.store(ROLE + role.name, role)


@identity.delete("oidc/role/{name}")
async def delete_role(ctx: SystemContext, args: RoleName) -> None:
    """Delete a role. Tokens given before stay valid to their end."""
    ctx.storage.delete(ROLE + args.name)
