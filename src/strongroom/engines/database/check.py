"""`check/:name`: proves a connection and its roles step by step, by doing what requests for credentials will do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.api.messages import Lease
from strongroom.databases.plugin import Change, DatabaseError
from strongroom.databases.words import redacted
from strongroom.engines.database.connections import Connection, check_allowed, connect, opened_with
from strongroom.engines.database.credentials import new_credential
from strongroom.engines.database.creds import KIND, end_of, new_user, username_of
from strongroom.engines.database.engine import Failed, database
from strongroom.engines.database.model import ROLE, STATIC, Config, Role, StaticRole
from strongroom.errors import BadRequest

#: How long the user that is made lives, in seconds, should its removal fail.
TTL_SECONDS: Final = 60
#: How many roles are proved when none is named.
MOST_ROLES: Final = 16
_PLACEHOLDERS: Final = ("{{username}}", "{{password}}")


class CheckArgs(Args):
    """What is to be proved."""

    name: Name = field("The connection's name.")
    role: str = field("The role or static role; without it the connection's roles, up to 16 of them.")


class Report:
    """The steps that were tried, of one role after the other; what follows one that failed is not tried."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.failed = False

    @asynccontextmanager
    async def step(self, name: str, role: str = "", secret: str = "") -> AsyncIterator[None]:
        """Try a step; a failure is noted, without the secret, and raised as `_Stop`."""
        noted: dict[str, Any] = {"step": name, "role": role, "ok": True}
        self.steps.append(noted)
        try:
            yield
        except (Failed, BadRequest, DatabaseError) as error:
            self.failed = True
            text = error.text if isinstance(error, Failed) else str(error)
            noted |= {"ok": False, "error": redacted(text, [secret])}
            cause = error if isinstance(error, DatabaseError) else error.__cause__
            if isinstance(cause, DatabaseError) and cause.number:
                noted |= {"number": cause.number, "statement": redacted(cause.statement, [secret])}
            raise _Stop from error

    def skip(self, name: str, role: str, why: str) -> None:
        """Note a step that cannot be tried."""
        self.steps.append({"step": name, "role": role, "ok": None, "error": why})


class _Stop(Exception):
    pass


@database.write("check/{name}")
async def check(ctx: Context, args: CheckArgs) -> dict[str, Any]:
    """Prove a connection: connect, and for its roles make a user, log in as it, renew and remove it.

    A static role's user is looked for and logged in as. `steps` are in order; of one that failed `error` is the
    database's own word, `number` and `statement` the statement that it refused.
    """
    report = Report()
    try:
        async with report.step("connect"):
            config, connection = await connect(ctx, args.name)
            await connection.database.verify()
        for role in [args.role] if args.role else await _roles(ctx, args.name):
            await _role(ctx, report, config, connection, args.name, role)
    except _Stop:
        pass
    return {"name": args.name, "ok": not report.failed, "steps": report.steps}


async def _roles(ctx: Context, name: str) -> list[str]:
    """The roles of a connection."""
    found = []
    for prefix, kind in ((ROLE, Role), (STATIC, StaticRole)):
        for role in await ctx.storage.list(prefix):
            stored = await ctx.storage.load(prefix + role, kind)
            if stored is not None and stored.db_name == name:  # type: ignore[attr-defined]
                found.append(role)
    return sorted(found)[:MOST_ROLES]


async def _role(ctx: Context, report: Report, config: Config, connection: Connection, db_name: str, name: str) -> None:
    """The steps of one role."""
    role = await ctx.storage.load(ROLE + name, Role)
    static = await ctx.storage.load(STATIC + name, StaticRole) if role is None else None
    try:
        async with report.step("role", name):
            stored = role or static
            if stored is None:
                raise BadRequest(f"there is no role {name}")
            if stored.db_name != db_name:
                raise BadRequest(f"the role is of the connection {stored.db_name}")
            check_allowed(config, name)
        if role is not None:
            await _dynamic(ctx, report, config, connection, name, role)
        elif static is not None:
            await _static(report, config, connection, name, static)
    except _Stop:
        pass


async def _dynamic(ctx: Context, report: Report, config: Config, connection: Connection, name: str, role: Role) -> None:
    async with report.step("prepare", name):
        credential = await new_credential(ctx, config, connection, role)
        if not any(statement.strip() for statement in role.creation_statements):
            raise Failed("empty creation statements")
        username = username_of(ctx, connection, name)
    if connection.repeats:
        report.skip("create", name, "the username_template may give the name of a user that is there")
        return
    await ctx.lock("user", f"{role.db_name}/{username}")
    data = {
        "username": username,
        "role": name,
        "db_name": role.db_name,
        "revocation_statements": role.revocation_statements,
        "mark": "",
    }
    # The lease takes the user away should we not come to it.
    lease = await ctx.lease(KIND, data, ttl=TTL_SECONDS, max_ttl=TTL_SECONDS, renewable=False)
    secret = credential.password
    try:
        async with report.step("create", name, secret), connection.database.session() as work:
            await work.new_user(new_user(ctx, username, credential, role, lease))
    except _Stop:
        await _clean_up(ctx, connection, role, username, lease)
        return
    try:
        await _log_in(report, config, connection, name, username, secret)
        async with report.step("renew", name, secret), connection.database.session() as work:
            change = Change(username, expiration=end_of(ctx, TTL_SECONDS), statements=role.renew_statements)
            await work.update_user(change)
    except _Stop:
        pass
    async with report.step("revoke", name, secret), connection.database.session() as work:
        await work.delete_user(username, role.revocation_statements)
        if await work.has_user(username):
            raise Failed("the user is still there: the revocation statements do not remove it")
    await ctx.withdraw(lease)


async def _clean_up(ctx: Context, connection: Connection, role: Role, username: str, lease: Lease) -> None:
    """Remove what a creation that failed may have left; if that fails, the lease will."""
    try:
        async with connection.database.session() as work:
            try:
                await work.delete_user(username, role.revocation_statements)
            except DatabaseError:
                if await work.has_user(username):
                    return
    except DatabaseError:
        return
    await ctx.withdraw(lease)


async def _static(report: Report, config: Config, connection: Connection, name: str, role: StaticRole) -> None:
    await _log_in(report, config, connection, name, role.user, role.password)


async def _log_in(
    report: Report, config: Config, connection: Connection, name: str, username: str, password: str
) -> None:
    """Log in as a user, the way that the server itself connects."""
    url = str(config.details.get("connection_url") or "")
    if not password:
        report.skip("log in", name, "there is no password to log in with")
    elif not all(mark in url for mark in _PLACEHOLDERS):
        report.skip("log in", name, "the connection_url names its user itself, so nobody else can use it")
    else:
        details = {**config.details, "username": username, "password": password, "max_open_connections": 1}
        async with report.step("log in", name, password), opened_with(connection.plugin, details) as opened:
            await opened.verify()
