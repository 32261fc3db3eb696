"""`roles/:name`: what users are made, and how."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Duration, Name
from strongroom.engines.database.credentials import check_type, checked_settings, shown_settings
from strongroom.engines.database.engine import NameArgs, database, listed, strip
from strongroom.engines.database.model import ROLE, STATIC, Role, StaticRole
from strongroom.errors import BadRequest, NotFound

NOT_UNIQUE: Final = "Role and Static Role names must be unique"


class RoleArgs(Args):
    """A role."""

    name: Name = field("The role's name.")
    db_name: str = field("The connection that its users are made by.")
    creation_statements: list[str] = field("Statements that make a user.")
    revocation_statements: list[str] = field("Statements that remove one; without them the database's own way.")
    rollback_statements: list[str] = field("Statements that undo a creation that failed half-way, where that can be.")
    renew_statements: list[str] = field("Statements that let a user be valid for longer.")
    default_ttl: Duration = field("How long a user lives unless it is renewed.")
    max_ttl: Duration = field("How long a user lives at most.")
    credential_type: str = field("What users log in with: password, rsa_private_key or client_certificate.")
    credential_config: dict[str, Any] = field("Settings of the kind of credential.")


async def _exists(ctx: Context, args: RoleArgs) -> bool:
    # Locked already here, so that what needed only `create` cannot change what another request created.
    await ctx.lock("role", args.name)
    return await ctx.storage.load(ROLE + args.name, Role) is not None


@database.list("roles")
async def list_roles(ctx: Context) -> dict[str, list[str]]:
    """List the roles."""
    return await listed(ctx, ROLE)


@database.read("roles/{name}")
async def read_role(ctx: Context, args: NameArgs) -> dict[str, Any]:
    """Read a role."""
    role = await ctx.storage.load(ROLE + args.name, Role)
    if role is None:
        raise NotFound
    shown: dict[str, Any] = {
        "db_name": role.db_name,
        "creation_statements": role.creation_statements,
        "revocation_statements": role.revocation_statements,
        "rollback_statements": role.rollback_statements,
        "renew_statements": role.renew_statements,
        "default_ttl": role.default_ttl,
        "max_ttl": role.max_ttl,
        "credential_type": role.credential_type,
    }
    if role.credential_config:
        shown["credential_config"] = shown_settings(role.credential_config)
    return shown


@database.write("roles/{name}", exists=_exists)
async def write_role(ctx: Context, args: RoleArgs) -> None:
    """Create or change a role."""
    await ctx.lock("role", args.name)
    static = await ctx.storage.load(STATIC + args.name, StaticRole)
    if static is not None and not static.fresh:
        raise BadRequest(NOT_UNIQUE)
    role = await ctx.storage.load(ROLE + args.name, Role) or Role()
    changes: dict[str, Any] = {name: getattr(args, name) for name in args.given if name != "name"}
    for name, value in changes.items():
        if name.endswith("_statements"):
            kept = [text for text in value if text] if name == "revocation_statements" else value
            changes[name] = strip(kept)
    kind = changes["credential_type"] = changes.get("credential_type") or role.credential_type
    check_type(kind)
    if "credential_config" in changes or kind != role.credential_type:
        changes["credential_config"] = checked_settings(kind, changes.get("credential_config") or {})
    role = replace(role, **changes)
    if not role.db_name:
        raise BadRequest("database name is required")
    ctx.storage.store(ROLE + args.name, role)


@database.delete("roles/{name}")
async def delete_role(ctx: Context, args: NameArgs) -> None:
    """Delete a role; its users live on to the end of their leases."""
    await ctx.lock("role", args.name)
    ctx.storage.delete(ROLE + args.name)
