"""PostgreSQL, by psycopg.

All statements of one piece of work run in one transaction. While a user is made, its transaction holds an advisory
lock on the name, and whoever removes the user waits for that lock first: so a creation whose client was killed has
either come to its end, or never will, when the removal looks.

The statements for a removal that nobody wrote follow what Vault's documentation says of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from strongroom.clock import Clock
from strongroom.databases import scram, settings
from strongroom.databases.plugin import Change, DatabaseError, NewUser, SettingError
from strongroom.databases.pool import Pool
from strongroom.databases.postgresql_dsn import Target, connection_words, read_target, server_words
from strongroom.databases.statements import POSTGRESQL, expand, fill
from strongroom.databases.waiting import readable
from strongroom.databases.words import redacted

AUTHENTICATION: Final = ("password", "scram-sha-256")
#: How long one piece of work may take, in seconds: less than what a lease's revocation is given.
WORK_SECONDS: Final = 50.0

#: How often work is tried that others get in the way of, and for how long such work is done in turns.
ATTEMPTS: Final = 20
TURNS_SECONDS: Final = 30.0

_CHANGE_PASSWORD: Final = ("ALTER ROLE \"{{username}}\" WITH PASSWORD '{{password}}';",)
_CHANGE_EXPIRATION: Final = ("ALTER ROLE \"{{username}}\" VALID UNTIL '{{expiration}}';",)
_UNDEFINED_OBJECT: Final = "42704"
#: Serialization failure, deadlock, and the internal error "tuple concurrently updated".
_CONFLICTS: Final = ("40001", "40P01", "XX000")
_SESSION: Final = "SET TIME ZONE 'UTC'; SET standard_conforming_strings = on"


class Connection:
    """An open connection, in autocommit: transactions are begun by name."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.raw = connection

    def usable(self) -> bool:
        """Whether it is open, at rest, and the server has said nothing (it only would to say goodbye)."""
        if self.raw.closed or self.raw.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            return False
        return not readable(self.raw.pgconn.socket)

    async def close(self) -> None:
        """Close it."""
        await self.raw.close()

    async def run(self, statement: str) -> psycopg.AsyncCursor[Any]:
        """Run SQL without parameters, as it is."""
        return await self.raw.execute(statement.encode(), prepare=False)


class Turns:
    """Whether work at one database is done one piece after the other, as it is for a while after a conflict."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0

    @property
    def wanted(self) -> bool:
        """Whether to wait for the others."""
        return self._clock.monotonic() < self._until

    def begin(self) -> None:
        """Note a conflict."""
        self._until = self._clock.monotonic() + TURNS_SECONDS


class Session:
    """One connection, for one piece of work."""

    def __init__(self, connection: Connection, scram_only: bool, turns: Turns) -> None:
        self._connection = connection
        self._scram_only = scram_only
        self._turns = turns

    async def has_user(self, name: str) -> bool:
        """Whether there is a role of this name."""
        try:
            async with asyncio.timeout(WORK_SECONDS):
                return await self._exists(name)
        except psycopg.Error as error:
            raise DatabaseError(server_words(error, ())) from error
        except TimeoutError:
            raise DatabaseError(f"it took longer than {WORK_SECONDS:.0f} seconds") from None

    async def new_user(self, user: NewUser) -> None:
        """Make a user, in one transaction."""
        values = self._values(user.name, user.password, user.expiration)
        await self._transaction(expand(user.statements, POSTGRESQL), values, user.name, "failed to execute query: ")

    async def update_user(self, change: Change) -> None:
        """Change a user's password or expiration, each with the given statements or PostgreSQL's own way."""
        own = _CHANGE_PASSWORD if change.password is not None else _CHANGE_EXPIRATION
        statements = expand(change.statements, POSTGRESQL) or list(own)
        values = self._values(change.name, change.password, change.expiration)
        prefix = "failed to execute query: " if change.password is not None else ""
        await self._transaction(statements, values, change.name, prefix)

    async def delete_user(self, name: str, statements: Sequence[str]) -> None:
        """Remove a user, if it is there."""
        own = expand(statements, POSTGRESQL)
        if not own:
            await self._drop(name)
            return
        try:
            await self._transaction(own, self._values(name, None, None), name, "")
        except DatabaseError as error:
            cause = error.__cause__
            missing = isinstance(cause, psycopg.Error) and cause.sqlstate == _UNDEFINED_OBJECT
            if not missing or await self._exists(name):
                raise

    def _values(self, name: str, password: str | None, expiration: datetime | None) -> dict[str, str]:
        values = {"name": name, "username": name}
        if password is not None:
            values["password"] = scram.verifier(password) if self._scram_only else password
            values["plain"] = password  # no placeholder: only never to be repeated
        if expiration is not None:
            values["expiration"] = expiration.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+0000")
        return values

    async def _transaction(self, statements: list[str], values: dict[str, str], name: str, prefix: str) -> None:
        secrets = [values[key] for key in ("password", "plain") if key in values]
        filled = [fill(statement, values, POSTGRESQL) for statement in statements]
        number = 0

        async def run() -> None:
            nonlocal number
            number = 0
            for statement in filled:
                number += 1
                await self._connection.run(statement)
            number = 0

        try:
            await self._in_transaction(name, run)
        except DatabaseError as error:
            place = f" in statement {number} of {len(filled)}" if number and len(filled) > 1 else ""
            text = prefix + redacted(str(error), secrets) + place
            raise DatabaseError(text, undone=error.undone) from error.__cause__

    async def _in_transaction(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do work on a user in a transaction; again, if others changed the same rows of the catalog meanwhile.

        PostgreSQL refuses grants on one table by two sessions at a time. Who met that takes turns with the others.
        """
        try:
            async with asyncio.timeout(WORK_SECONDS):
                for attempt in range(ATTEMPTS):
                    if await self._tried(name, work, last=attempt == ATTEMPTS - 1):
                        return
                    self._turns.begin()
                    await asyncio.sleep(0.01 * random.random() * attempt)  # noqa: S311 - spreads load
        except TimeoutError:
            raise DatabaseError(f"it took longer than {WORK_SECONDS:.0f} seconds") from None

    async def _tried(self, name: str, work: Callable[[], Awaitable[None]], *, last: bool) -> bool:
        locks = [_TURN_KEY] if self._turns.wanted else []
        begin = "; ".join(["BEGIN", *(f"SELECT pg_advisory_xact_lock({key})" for key in (*locks, _lock_key(name)))])
        try:
            await self._connection.run(begin)
            await work()
            await self._connection.run("COMMIT")
        except psycopg.Error as error:
            undone = await self._roll_back()
            if undone and not last and _is_conflict(error):
                return False
            raise DatabaseError(server_words(error, ()), undone=undone) from error
        return True

    async def _roll_back(self) -> bool:
        """End a transaction that failed; False when nobody can tell how it ended."""
        if self._connection.raw.closed:
            return False
        try:
            await self._connection.run("ROLLBACK")
        except psycopg.Error:
            await self._connection.close()
            return False
        return True

    async def _drop(self, name: str) -> None:
        """Take away what a user holds in this database, then the user."""
        user = sql.Identifier(name)

        async def drop() -> None:
            if not await self._exists(name):
                return
            # The first touches just what was granted, but is not given to everyone who may drop the user.
            owned = sql.SQL("DROP OWNED BY {user}").format(user=user)
            if await self._owns(name) or not await self._attempt([owned]):
                await self._run_all_that_can(await self._revocations(name))
            await self._connection.raw.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(user), prepare=False)

        try:
            await self._in_transaction(name, drop)
        except DatabaseError as error:
            raise DatabaseError(f"could not drop the user: {error}", undone=error.undone) from error.__cause__

    async def _owns(self, name: str) -> bool:
        """Whether a user owns anything: that is not ours to remove."""
        cursor = await self._connection.raw.execute(
            "SELECT 1 FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r ON d.refobjid = r.oid"
            " WHERE r.rolname = %s AND d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.deptype = 'o' LIMIT 1",
            (name,),
            prepare=False,
        )
        return await cursor.fetchone() is not None

    async def _exists(self, name: str) -> bool:
        cursor = await self._connection.raw.execute(
            "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (name,), prepare=False
        )
        return await cursor.fetchone() is not None

    async def _revocations(self, name: str) -> list[sql.Composed]:
        cursor = await self._connection.raw.execute(
            "SELECT DISTINCT table_schema FROM information_schema.role_column_grants WHERE grantee = %s"
            " UNION SELECT nspname FROM pg_catalog.pg_namespace, aclexplode(nspacl) acl, pg_catalog.pg_roles r"
            " WHERE acl.grantee = r.oid AND r.rolname = %s"
            " UNION SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = 'public'",
            (name, name),
            prepare=False,
        )
        schemas = [sql.Identifier(row[0]) for row in await cursor.fetchall()]
        cursor = await self._connection.raw.execute("SELECT current_database()", prepare=False)
        row = await cursor.fetchone()
        user = sql.Identifier(name)
        revocations = [
            sql.SQL(text).format(schema=schema, user=user)
            for schema in schemas
            for text in (
                "REVOKE ALL PRIVILEGES ON ALL TABLES IN SCHEMA {schema} FROM {user}",
                "REVOKE ALL PRIVILEGES ON ALL SEQUENCES IN SCHEMA {schema} FROM {user}",
                "REVOKE ALL PRIVILEGES ON ALL ROUTINES IN SCHEMA {schema} FROM {user}",
                "REVOKE ALL PRIVILEGES ON SCHEMA {schema} FROM {user}",
            )
        ]
        if row is not None:
            database = sql.Identifier(row[0])
            revocations.append(
                sql.SQL("REVOKE ALL PRIVILEGES ON DATABASE {database} FROM {user}").format(database=database, user=user)
            )
        return revocations

    async def _run_all_that_can(self, statements: list[sql.Composed]) -> None:
        """Run statements of which some may be refused, since we are not the ones who granted; the drop will tell."""
        if await self._attempt(statements):
            return
        for statement in statements:
            await self._attempt([statement])

    async def _attempt(self, statements: list[sql.Composed]) -> bool:
        batch = sql.SQL("; ").join([sql.SQL("SAVEPOINT attempt"), *statements, sql.SQL("RELEASE attempt")])
        try:
            await self._connection.raw.execute(batch, prepare=False)
        except psycopg.DatabaseError as error:
            if self._connection.raw.closed or _is_conflict(error):
                raise
            await self._connection.run("ROLLBACK TO attempt; RELEASE attempt")
            return False
        return True


class PostgreSQL:
    """A configured PostgreSQL database."""

    def __init__(self, details: Mapping[str, Any], clock: Clock | None = None) -> None:
        self._target: Target = read_target(details)
        mode = settings.text(details, "password_authentication") or AUTHENTICATION[0]
        if mode not in AUTHENTICATION:
            raise SettingError(f"'{mode[:64]}' is not a valid password authentication type")
        self._scram_only = mode == "scram-sha-256"
        self._turns = Turns(clock or Clock())
        self._pool: Pool[Connection] = Pool(self._connect, settings.limits(details), clock)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A session."""
        async with self._pool.use() as connection:
            yield Session(connection, self._scram_only, self._turns)

    async def verify(self) -> None:
        """Prove that the database lets us in."""
        async with self._pool.use() as connection:
            try:
                async with asyncio.timeout(WORK_SECONDS):
                    await connection.run("SELECT 1")
            except psycopg.Error as error:
                raise DatabaseError(server_words(error, ())) from error
            except TimeoutError:
                raise DatabaseError(f"it took longer than {WORK_SECONDS:.0f} seconds") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _connect(self) -> Connection:
        try:
            raw = await psycopg.AsyncConnection.connect(
                **self._target.parameters, autocommit=True, prepare_threshold=None
            )
        except psycopg.Error as error:
            raise DatabaseError(connection_words(error, self._target)) from error
        connection = Connection(raw)
        try:
            await connection.run(_SESSION)
        except psycopg.Error as error:
            await connection.close()
            raise DatabaseError(server_words(error, ())) from error
        return connection


def _is_conflict(error: psycopg.Error) -> bool:
    """Whether another session's work got in the way, so that trying again helps."""
    return error.sqlstate in _CONFLICTS and (error.sqlstate != "XX000" or "concurrently" in str(error))


def _lock_key(name: str) -> int:
    """The number of the advisory lock on a user's name: 64 bits, with a sign."""
    digest = hashlib.sha256(b"strongroom user " + name.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


_TURN_KEY: Final = _lock_key("\0 turns")
