"""`creds/:role`: users made on demand, each with a lease; renewing and revoking those leases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.api.messages import Response
from strongroom.databases.plugin import Change, NewUser, SettingError
from strongroom.engines.database.connections import Connection, check_allowed, connect, session
from strongroom.engines.database.credentials import check_supported, new_password
from strongroom.engines.database.engine import SECONDS_NS, Failed, database
from strongroom.engines.database.model import ROLE, Role
from strongroom.errors import BadRequest

#: The lease's kind. Its data: username, role, db_name, revocation_statements.
KIND: Final = "creds"
#: How long after its lease a user is valid: the lease's end is what ends it.
LEEWAY_SECONDS: Final = 5


class CredsArgs(Args):
    """A role."""

    name: Name = field("The role's name.")


@database.read("creds/{name}")
async def read_creds(ctx: Context, args: CredsArgs) -> Response:
    """Make a user for a role.

    The lease is durable before the database is asked, so that no crash leaves a user whom nobody removes. The
    connection is at hand before that, so that a database that cannot be reached leaves no lease.
    """
    role = await ctx.storage.load(ROLE + args.name, Role)
    if role is None:
        raise BadRequest(f"unknown role: {args.name}")
    config, connection = await connect(ctx, role.db_name)
    check_allowed(config, args.name)
    check_supported(connection, role.credential_type)
    password = await new_password(ctx, config, role.credential_config)
    if not any(statement.strip() for statement in role.creation_statements):
        raise Failed("empty creation statements")
    username = _username(ctx, connection, args.name)
    async with session(connection.database, "unable to start transaction: ") as work:
        data = {
            "username": username,
            "role": args.name,
            "db_name": role.db_name,
            "revocation_statements": role.revocation_statements,
        }
        lease = await ctx.lease(KIND, data, ttl=role.default_ttl, max_ttl=role.max_ttl)
        expiration = _end(ctx, lease.duration)
        await work.new_user(NewUser(username, password, expiration, role.creation_statements))
    return Response(lease=lease, data={"username": username, "password": password})


@database.revoke(KIND)
async def revoke_creds(ctx: Context, data: dict[str, Any]) -> None:
    """Remove a user. The role's present statements count, without it those of the time of issue."""
    role = await ctx.storage.load(ROLE + data["role"], Role)
    statements = data["revocation_statements"]
    if role is not None and role.db_name == data["db_name"]:
        statements = role.revocation_statements
    try:
        _, connection = await connect(ctx, data["db_name"])
        async with session(connection.database) as work:
            await work.delete_user(data["username"], tuple(statements))
    except Failed as error:
        raise BadRequest(error.text) from error


@database.renew(KIND)
async def renew_creds(ctx: Context, data: dict[str, Any]) -> tuple[int, int]:
    """Let a user be valid for longer."""
    role = await ctx.storage.load(ROLE + data["role"], Role)
    if role is None:
        raise BadRequest(f'failed to renew entry: error during renew: could not find role with name "{data["role"]}"')
    seconds = _renewed_seconds(ctx, role)
    if seconds > 0:
        try:
            _, connection = await connect(ctx, data["db_name"])
            async with session(connection.database) as work:
                change = Change(data["username"], expiration=_end(ctx, seconds), statements=role.renew_statements)
                await work.update_user(change)
        except Failed as error:
            raise BadRequest(f"failed to renew entry: {error.text}") from error
    return role.default_ttl, role.max_ttl


def _renewed_seconds(ctx: Context, role: Role) -> int:
    """How long the lease will be valid, counted as the lease manager will; not positive when there is nothing left."""
    asked = ctx.request.data["increment"] or role.default_ttl or ctx.mount.default_lease_ttl
    longest = min(role.max_ttl or ctx.mount.max_lease_ttl, ctx.mount.max_lease_ttl)
    left = int(ctx.request.data["issue_time"] + longest * SECONDS_NS - ctx.clock.now_ns()) // SECONDS_NS
    return min(int(asked), left)


def _end(ctx: Context, seconds: int) -> datetime:
    return datetime.fromtimestamp(ctx.clock.now_ns() // SECONDS_NS + seconds + LEEWAY_SECONDS, UTC)


def _username(ctx: Context, connection: Connection, role: str) -> str:
    fields = {"DisplayName": ctx.caller.display_name, "RoleName": role}
    try:
        name = connection.template.render(fields, ctx.clock)
    except SettingError as error:
        raise Failed(str(error)) from error
    if not name:
        raise Failed("failed to generate username: the template gives an empty name")
    return name
