"""Rotating the password of a static role, in steps that no crash can lose it between; see model.py."""

from __future__ import annotations

from msgspec.structs import replace

from strongroom.api.context import Context
from strongroom.databases.plugin import Change, DatabaseError, SettingError
from strongroom.engines.database.connections import Connection, check_allowed, connect, opened_with
from strongroom.engines.database.credentials import new_password
from strongroom.engines.database.engine import Failed
from strongroom.engines.database.model import STATIC, Config, StaticRole
from strongroom.engines.database.plan import plan_retry, plan_static
from strongroom.errors import MULTI


async def rotate(ctx: Context, name: str, role: StaticRole) -> StaticRole:
    """Rotate, and store how it went; the role's lock must be held. Returns the role with its new password.

    Raises:
        Failed: the password may have been changed or not. Both are stored, the old one is given out, and the same new
            one is tried again soon.
    """
    try:
        config, connection = await connect(ctx, role.db_name)
        check_allowed(config, name)
        if not role.candidate:
            password = await new_password(ctx, config, role.credential_config)
            role = replace(role, candidate=password)
            ctx.storage.store(STATIC + name, role)
            await ctx.commit()
        try:
            await _tell(config, connection, role)
        except DatabaseError as error:
            raise Failed(f"error setting credentials: {MULTI.format(error)}") from error
    except Failed:
        plan_retry(ctx, STATIC + name)
        raise
    role = replace(
        role,
        password=role.candidate,
        candidate="",
        on_alternate=bool(role.alternate_username) and not role.on_alternate,
        fresh=False,
        last_rotation_ns=ctx.clock.now_ns(),
    )
    ctx.storage.store(STATIC + name, role)
    plan_static(ctx, name, role)
    return role


async def introduce(ctx: Context, name: str, role: StaticRole) -> None:
    """Rotate a role that is made: both of two users, so that each is known to be there and neither's old password
    works, and the first is the one in use. Until that is done the role is not there to clients."""
    if role.alternate_username and not role.on_alternate:
        first = replace(await rotate(ctx, name, role), fresh=True)
        ctx.storage.store(STATIC + name, first)
        await ctx.commit()
        role = first
    await rotate(ctx, name, role)


async def _tell(config: Config, connection: Connection, role: StaticRole) -> None:
    """Tell the database the new password."""
    change = Change(role.next_user, password=role.candidate, statements=role.rotation_statements)
    if not role.self_managed:
        async with connection.database.session() as work:
            await work.update_user(change)
        return
    # The user changes its own password. An earlier try may have got through.
    details = {**config.details, "username": role.username, "max_open_connections": 1}
    try:
        async with opened_with(connection.plugin, {**details, "password": role.candidate}) as database:
            await database.verify()
    except SettingError:
        raise
    except DatabaseError:
        async with (
            opened_with(connection.plugin, {**details, "password": role.password}) as database,
            database.session() as work,
        ):
            await work.update_user(change)
