"""`static-roles/:name`, `static-creds/:name` and `rotate-role/:name`: users that were there before us, whose passwords
are ours."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Duration, Name
from strongroom.api.messages import Timestamp
from strongroom.engines.database import schedule
from strongroom.engines.database.connections import check_allowed, connect, find_config
from strongroom.engines.database.credentials import (
    ROTATED,
    check_supported,
    check_type,
    checked_settings,
    shown_settings,
)
from strongroom.engines.database.engine import SECONDS_NS, Failed, NameArgs, database, listed, strip
from strongroom.engines.database.model import ROLE, STATIC, Role, StaticRole
from strongroom.engines.database.plan import plan_of, plan_static
from strongroom.engines.database.roles import NOT_UNIQUE
from strongroom.engines.database.rotation import introduce, rotate
from strongroom.errors import BadRequest, NotFound

_RETRIES: Final = (
    "unable to finish rotating credentials; retries will continue in the background but it is also safe to retry "
    "manually: "
)


class StaticRoleArgs(Args):
    """A static role."""

    name: Name = field("The static role's name.")
    db_name: str = field("The connection to the user's database.")
    username: str = field("The user, as the database knows it.")
    alternate_username: str = field(
        "A second user that takes turns with it; the one used before stays valid meanwhile."
    )
    rotation_period: Duration = field("How often the password is rotated.")
    rotation_schedule: str = field("When it is rotated, as a cron schedule in UTC.")
    rotation_window: Duration = field("How long after a time of the schedule it may still be rotated.")
    rotation_statements: list[str] = field("Statements that change the password; without them the database's own way.")
    credential_type: str = field("What the user logs in with: password.")
    credential_config: dict[str, Any] = field("Settings of the kind of credential.")
    skip_import_rotation: bool = field("Whether the password stays as it is until the first rotation is due.")
    password: str = field("The password that the user has, when it is not rotated at once.")
    self_managed_password: str = field("The password that the user has, when it changes its password itself.")


#: Parameters that are stored under their own names.
_STORED: Final = frozenset(StaticRole.__struct_fields__) & frozenset(StaticRoleArgs.fields) - {"password"}


async def _exists(ctx: Context, args: StaticRoleArgs) -> bool:
    await ctx.lock("role", args.name)
    return await _find(ctx, args.name) is not None


async def _find(ctx: Context, name: str) -> StaticRole | None:
    role = await ctx.storage.load(STATIC + name, StaticRole)
    return None if role is None or role.fresh else role


@database.list("static-roles")
async def list_static_roles(ctx: Context) -> dict[str, list[str]]:
    """List the static roles."""
    return await listed(ctx, STATIC)


@database.read("static-roles/{name}")
async def read_static_role(ctx: Context, args: NameArgs) -> dict[str, Any]:
    """Read a static role."""
    role = await _find(ctx, args.name)
    if role is None:
        raise NotFound
    shown: dict[str, Any] = {
        "db_name": role.db_name,
        "username": role.username,
        "rotation_statements": role.rotation_statements,
        "last_vault_rotation": Timestamp(role.last_rotation_ns),
        "credential_type": role.credential_type,
        **_timing(role),
    }
    if role.alternate_username:
        shown |= {"alternate_username": role.alternate_username, "active_username": role.user}
    if role.rotation_window:
        shown["rotation_window"] = role.rotation_window
    if role.credential_config:
        shown["credential_config"] = shown_settings(role.credential_config)
    return shown


@database.write("static-roles/{name}", exists=_exists)
async def write_static_role(ctx: Context, args: StaticRoleArgs) -> None:
    """Create or change a static role. Creating it rotates the password at once."""
    await ctx.lock("role", args.name)
    if await ctx.storage.load(ROLE + args.name, Role) is not None:
        raise BadRequest(NOT_UNIQUE)
    old = await _find(ctx, args.name)
    role = _changed(old, args)
    if old is not None:
        ctx.storage.store(STATIC + args.name, role)
        plan_static(ctx, args.name, role)
        return
    config = await find_config(ctx, role.db_name)
    check_allowed(config, args.name)
    _, connection = await connect(ctx, role.db_name)
    check_supported(connection, role.credential_type, ROTATED)
    if args.skip_import_rotation:
        role = replace(role, password=args.password, last_rotation_ns=ctx.clock.now_ns())
        ctx.storage.store(STATIC + args.name, role)
        plan_static(ctx, args.name, role)
        return
    try:
        await introduce(ctx, args.name, replace(role, fresh=True))
    except Failed:
        ctx.storage.delete(STATIC + args.name)
        await ctx.commit()
        plan_of(ctx).note(STATIC + args.name, 0)
        raise


def _changed(old: StaticRole | None, args: StaticRoleArgs) -> StaticRole:
    """The role as the request wants it; raises `BadRequest`."""
    changes: dict[str, Any] = {name: getattr(args, name) for name in args.given & _STORED}
    if "rotation_statements" in changes:
        changes["rotation_statements"] = strip(changes["rotation_statements"])
    before = old or StaticRole()
    if changes.get("rotation_schedule") and not changes.get("rotation_period"):
        changes["rotation_period"] = 0
    elif changes.get("rotation_period") and not changes.get("rotation_schedule"):
        changes |= {"rotation_schedule": "", "rotation_window": changes.get("rotation_window", 0)}
    kind = changes["credential_type"] = changes.get("credential_type") or before.credential_type
    check_type(kind)
    if "credential_config" in changes or kind != before.credential_type:
        changes["credential_config"] = checked_settings(kind, changes.get("credential_config") or {})
    if args.self_managed_password:
        changes |= {"self_managed": True, "password": args.self_managed_password}
    role = replace(before, **changes)
    if not role.db_name:
        raise BadRequest("database name is a required field")
    if not args.username:
        raise BadRequest("username is a required field to create a static account")
    if old is not None and args.username != old.username:
        raise BadRequest("cannot update static account username")
    _check_alternate(old, role)
    if (
        "rotation_period" in args.given
        and not role.rotation_schedule
        and role.rotation_period < schedule.SHORTEST_PERIOD
    ):
        raise BadRequest(f"rotation_period must be {schedule.SHORTEST_PERIOD} seconds or more")
    if not role.rotation_period and not role.rotation_schedule:
        raise BadRequest("rotation_period is required to create static accounts")
    schedule.check(role)
    return role


def _check_alternate(old: StaticRole | None, role: StaticRole) -> None:
    if old is not None and role.alternate_username != old.alternate_username:
        # Which of the passwords that are kept is whose would no longer be certain.
        raise BadRequest("cannot update alternate_username; delete the role and create it again")
    if role.alternate_username == role.username:
        raise BadRequest("alternate_username must be another user than username")
    if role.alternate_username and role.self_managed:
        raise BadRequest("alternate_username cannot be used with self_managed_password")


@database.delete("static-roles/{name}")
async def delete_static_role(ctx: Context, args: NameArgs) -> None:
    """Delete a static role; the user stays, with the password that it has."""
    await ctx.lock("role", args.name)
    ctx.storage.delete(STATIC + args.name)
    plan_of(ctx).note(STATIC + args.name, 0)


@database.read("static-creds/{name}")
async def read_static_creds(ctx: Context, args: NameArgs) -> dict[str, Any]:
    """Read a static role's password, and how long it will be the one."""
    role = await _find(ctx, args.name)
    if role is None:
        raise BadRequest(f"unknown role: {args.name}")
    check_allowed(await find_config(ctx, role.db_name), args.name)
    now = ctx.clock.now_ns()
    left = (schedule.due_ns(role, now) - now + SECONDS_NS // 2) // SECONDS_NS
    return {
        "username": role.user,
        "password": role.password,
        "ttl": max(0, left),
        "last_vault_rotation": Timestamp(role.last_rotation_ns),
        **_timing(role),
    }


def _timing(role: StaticRole) -> dict[str, Any]:
    if role.rotation_schedule:
        return {"rotation_schedule": role.rotation_schedule}
    return {"rotation_period": role.rotation_period}


@database.write("rotate-role/{name}")
async def rotate_role(ctx: Context, args: NameArgs) -> None:
    """Rotate a static role's password now."""
    await ctx.lock("role", args.name)
    role = await _find(ctx, args.name)
    if role is None:
        raise BadRequest("no static role found for role name")
    try:
        await rotate(ctx, args.name, role)
    except Failed as error:
        raise Failed(_RETRIES + error.text) from error
