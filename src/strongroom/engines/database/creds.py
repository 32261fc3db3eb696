"""`creds/:role`: users made on demand, each with a lease; renewing and revoking those leases."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.api.messages import Lease, Response
from strongroom.clock import new_uuid
from strongroom.databases.plugin import Change, DatabaseError, NewUser, SettingError
from strongroom.engines.database.connections import Connection, check_allowed, connect, session
from strongroom.engines.database.credentials import Credential, new_credential
from strongroom.engines.database.engine import SECONDS_NS, Failed, database
from strongroom.engines.database.model import OWNER, ROLE, Owner, Role
from strongroom.errors import BadRequest

#: The lease's kind. Its data: username, role, db_name, revocation_statements, mark (see `Owner`; "" for none).
KIND: Final = "creds"
_NO_SESSION: Final = "unable to start transaction: "
#: How long after its lease a user is valid: the lease's end is what ends it.
LEEWAY_SECONDS: Final = 5


class CredsArgs(Args):
    """A role."""

    name: Name = field("The role's name.")


@database.read("creds/{name}")
async def read_creds(ctx: Context, args: CredsArgs) -> Response:
    """Make a user for a role.

    The lease is durable before the database is asked, so that no crash leaves a user whom nobody removes. No
    connection is held meanwhile; if none can be had the lease is withdrawn.
    """
    role = await ctx.storage.load(ROLE + args.name, Role)
    if role is None:
        raise BadRequest(f"unknown role: {args.name}")
    config, connection = await connect(ctx, role.db_name)
    check_allowed(config, args.name)
    credential = await new_credential(ctx, config, connection, role)
    if not any(statement.strip() for statement in role.creation_statements):
        raise Failed("empty creation statements")
    username = username_of(ctx, connection, args.name)
    await ctx.lock("user", f"{role.db_name}/{username}")
    data = {
        "username": username,
        "role": args.name,
        "db_name": role.db_name,
        "revocation_statements": role.revocation_statements,
        "mark": await _own(ctx, connection, role, username) if connection.repeats else "",
    }
    lease = await ctx.lease(KIND, data, ttl=role.default_ttl, max_ttl=role.max_ttl)
    await make(ctx, connection, new_user(ctx, username, credential, role, lease), lease)
    return Response(lease=lease, data={"username": username, **credential.shown})


def new_user(ctx: Context, username: str, credential: Credential, role: Role, lease: Lease) -> NewUser:
    """What the database is told of a user."""
    end = end_of(ctx, lease.duration)
    return NewUser(username, credential.password, end, role.creation_statements, public_key=credential.public_key)


async def make(ctx: Context, connection: Connection, user: NewUser, lease: Lease) -> None:
    """Make a user for a lease; the lease is withdrawn if certainly nothing was made. Raises `Failed`."""
    begun = False
    try:
        async with session(connection.database, _NO_SESSION) as work:
            begun = True
            await work.new_user(user)
    except Failed as failed:
        cause = failed.__cause__
        if not begun or (isinstance(cause, DatabaseError) and cause.undone):
            await ctx.withdraw(lease)
        raise


async def _own(ctx: Context, connection: Connection, role: Role, username: str) -> str:
    """Note whose a user will be, where another may have, or get, the same name. Returns the mark for the lease."""
    if not role.revocation_statements:
        async with session(connection.database, _NO_SESSION) as work:
            if await work.has_user(username):
                # The end of a lease on it would remove what somebody else has.
                raise Failed(f'failed to execute query: the user "{username}" already exists')
    mark = new_uuid()
    ctx.storage.store(_owner_key(role.db_name, username), Owner(mark))
    await ctx.commit()
    return mark


def _owner_key(db_name: str, username: str) -> str:
    return OWNER + hashlib.sha256(f"{db_name}\0{username}".encode()).hexdigest()


@database.revoke(KIND)
async def revoke_creds(ctx: Context, data: dict[str, Any]) -> None:
    """Remove a user. The role's present statements count, without it those of the time of issue."""
    background = bool(ctx.request.data.get("background"))
    db_name, username = data["db_name"], data["username"]
    await ctx.lock("user", f"{db_name}/{username}")
    if data.get("mark"):
        owner = await ctx.storage.load(_owner_key(db_name, username), Owner)
        if owner is not None and owner.mark != data["mark"]:
            return  # the name has gone to another lease since
        ctx.storage.delete(_owner_key(db_name, username))
    role = await ctx.storage.load(ROLE + data["role"], Role)
    statements = data["revocation_statements"]
    if role is not None and role.db_name == db_name:
        statements = role.revocation_statements
    try:
        _, connection = await connect(ctx, db_name)
        async with session(connection.database, background=background) as work:
            await work.delete_user(username, tuple(statements))
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
                change = Change(data["username"], expiration=end_of(ctx, seconds), statements=role.renew_statements)
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


def end_of(ctx: Context, seconds: int) -> datetime:
    """Up to when a user is valid whose lease has so many seconds."""
    return datetime.fromtimestamp(ctx.clock.now_ns() // SECONDS_NS + seconds + LEEWAY_SECONDS, UTC)


def username_of(ctx: Context, connection: Connection, role: str) -> str:
    """A name for a new user of a role; raises `Failed`."""
    fields = {"DisplayName": ctx.caller.display_name, "RoleName": role}
    try:
        name = connection.template.render(fields, ctx.clock)
    except SettingError as error:
        raise Failed(str(error)) from error
    if not name:
        raise Failed("failed to generate username: the template gives an empty name")
    return name
