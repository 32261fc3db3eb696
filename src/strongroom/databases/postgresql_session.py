"""A piece of work at a PostgreSQL database: users made, changed and removed, each in one transaction.

While a user is made, its transaction holds an advisory lock on the name, and whoever removes the user waits for that
lock first: so a creation whose client was killed has either come to its end, or never will, when the removal looks.
That is why nothing is sent before the server has said that the lock is held.

What follows is sent in one message where that can be. If it is refused it is undone, and done again statement by
statement, to find out which of them it was.

The statements for a removal that nobody wrote follow what Vault's documentation says of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg import generators, sql
from psycopg.pq.abc import PGresult

from strongroom.clock import Clock
from strongroom.databases import scram
from strongroom.databases.plugin import Change, DatabaseError, NewUser
from strongroom.databases.postgresql_dsn import server_words
from strongroom.databases.statements import JOINT, Prepared, Statements
from strongroom.databases.waiting import readable
from strongroom.databases.words import redacted

#: How long one piece of work may take, in seconds: less than what a lease's revocation is given.
WORK_SECONDS: Final = 50.0
#: How long a statement is asked to end whose time is up.
CANCEL_SECONDS: Final = 5.0

#: How often work is tried that others get in the way of, and for how long such work is done one by one.
ATTEMPTS: Final = 20
ONE_BY_ONE_SECONDS: Final = 30.0

_CHANGE_PASSWORD: Final = ("ALTER ROLE \"{{username}}\" WITH PASSWORD '{{password}}';",)
_CHANGE_EXPIRATION: Final = ("ALTER ROLE \"{{username}}\" VALID UNTIL '{{expiration}}';",)
_UNDEFINED_OBJECT: Final = "42704"
#: Serialization failure, deadlock, and the internal error "tuple concurrently updated".
_CONFLICTS: Final = ("40001", "40P01", "XX000")

#: Whether there is the user, and whether it owns anything: that is not ours to remove.
_LOOK: Final = (
    "SELECT u IS NOT NULL, EXISTS (SELECT FROM pg_catalog.pg_shdepend"
    " WHERE refobjid = u AND refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND deptype = 'o')"
    " FROM pg_catalog.to_regrole(pg_catalog.quote_ident('{{name}}')) AS u"
)
#: What a user was granted, and the user. `DROP OWNED` takes just that, but not everyone who may drop a user may do it.
_DROP: Final = ("SAVEPOINT attempt", 'DROP OWNED BY "{{name}}"', 'DROP ROLE IF EXISTS "{{name}}"', "COMMIT")

#: What the parts of a message have brought, one result each.
Results = Sequence[PGresult]
Work = Callable[[Results], Awaitable[None]]

_COPY: Final = (psycopg.pq.ExecStatus.COPY_IN, psycopg.pq.ExecStatus.COPY_OUT, psycopg.pq.ExecStatus.COPY_BOTH)
_FINE: Final = (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.EMPTY_QUERY)


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

    async def run(self, statements: str | sql.Composed) -> Results:
        """Run SQL without parameters, as it is, in one message.

        A cursor would cost more processor time than all that is done here, and a user is four messages.
        """
        text = statements.encode() if isinstance(statements, str) else statements.as_bytes(self.raw)
        self.raw.pgconn.send_query(text)
        results = await self._results()
        for result in results:
            if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result, encoding=self.raw.info.encoding)
            if result.status not in _FINE:
                raise psycopg.ProgrammingError("COPY is not possible here")
        return results

    async def _results(self) -> Results:
        pgconn = self.raw.pgconn
        if pgconn.flush():  # more than the socket takes at once
            return await self.raw.wait(generators.execute(pgconn))
        results: list[PGresult] = []
        while True:
            if pgconn.is_busy():
                await self._readable()
                pgconn.consume_input()
            elif (result := pgconn.get_result()) is None:
                return results
            else:
                results.append(result)
                if result.status in _COPY:
                    return results  # it would be the same one for ever

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        descriptor = self.raw.pgconn.socket
        loop.add_reader(descriptor, _arrive, arrived)
        try:
            await arrived
        except asyncio.CancelledError:
            # What nobody waits for any more is not to hold locks in the database.
            with contextlib.suppress(Exception):
                await self.raw.cancel_safe(timeout=CANCEL_SECONDS)
            raise
        finally:
            loop.remove_reader(descriptor)


def _arrive(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)


class OneByOne:
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
        self._until = self._clock.monotonic() + ONE_BY_ONE_SECONDS


class Session:
    """One connection, for one piece of work."""

    def __init__(
        self, connection: Connection, statements: Statements, one_by_one: OneByOne, *, scram_only: bool
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._one_by_one = one_by_one
        self._scram_only = scram_only

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
        values = await self._values(user.name, user.password, user.expiration)
        await self._transaction(self._statements.of(user.statements), values, user.name, "failed to execute query: ")

    async def update_user(self, change: Change) -> None:
        """Change a user's password or expiration, each with the given statements or PostgreSQL's own way."""
        own = _CHANGE_PASSWORD if change.password is not None else _CHANGE_EXPIRATION
        statements = self._statements.of(change.statements)
        if not statements.texts:
            statements = self._statements.of(own)
        values = await self._values(change.name, change.password, change.expiration)
        prefix = "failed to execute query: " if change.password is not None else ""
        await self._transaction(statements, values, change.name, prefix)

    async def delete_user(self, name: str, statements: Sequence[str]) -> None:
        """Remove a user, if it is there."""
        own = self._statements.of(statements)
        if not own.texts:
            await self._drop(name)
            return
        try:
            await self._transaction(own, {"name": name, "username": name}, name, "")
        except DatabaseError as error:
            cause = error.__cause__
            missing = isinstance(cause, psycopg.Error) and cause.sqlstate == _UNDEFINED_OBJECT
            if not missing or await self._exists(name):
                raise

    async def _values(self, name: str, password: str | None, expiration: datetime | None) -> dict[str, str]:
        values = {"name": name, "username": name}
        if password is not None:
            # In a thread, for a verifier takes as long as several requests.
            values["password"] = await asyncio.to_thread(scram.verifier, password) if self._scram_only else password
            values["plain"] = password  # no placeholder: only never to be repeated
        if expiration is not None:
            values["expiration"] = expiration.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+0000")
        return values

    async def _transaction(self, statements: Prepared, values: dict[str, str], name: str, prefix: str) -> None:
        secrets = [values[key] for key in ("password", "plain") if key in values]
        filled = statements.fill(values)
        number = 0

        async def run(_: Results) -> None:
            nonlocal number
            number = 0
            for statement in filled:
                number += 1
                await self._connection.run(statement)
            number = 0
            await self._connection.run("COMMIT")

        async def run_at_once(_: Results) -> None:
            await self._connection.run(JOINT.join((*filled, "COMMIT")))

        try:
            if not statements.joinable or not await self._in_transaction(name, run_at_once, doubtful=True):
                await self._in_transaction(name, run)
        except DatabaseError as error:
            place = f" in statement {number} of {len(filled)}" if number and len(filled) > 1 else ""
            refused = statements.texts[number - 1] if number else ""
            text = prefix + redacted(str(error), secrets) + place
            raise DatabaseError(text, undone=error.undone, number=number, statement=refused) from error.__cause__

    async def _in_transaction(self, name: str, work: Work, *, look: str = "", doubtful: bool = False) -> bool:
        """Do work on a user in a transaction; again, if others changed the same rows of the catalog meanwhile.

        The work is given what came of the query `look` last, and ends the transaction itself. If it is `doubtful` and
        refused, that is no error but the answer False; nothing of it is left then. PostgreSQL refuses grants on one
        table by two sessions at a time: who met that waits for the others from then on.
        """
        try:
            async with asyncio.timeout(WORK_SECONDS):
                for attempt in range(ATTEMPTS):
                    try:
                        await work(await self._connection.run(self._begin(name, look)))
                        return True
                    except psycopg.Error as error:
                        undone = await self._roll_back()
                        again = _is_conflict(error) and attempt < ATTEMPTS - 1
                        if undone and doubtful and not again:
                            return False
                        if not undone or not again:
                            raise DatabaseError(server_words(error, ()), undone=undone) from error
                    self._one_by_one.begin()
                    await asyncio.sleep(0.01 * random.random() * attempt)  # noqa: S311 - spreads load
        except TimeoutError:
            raise DatabaseError(f"it took longer than {WORK_SECONDS:.0f} seconds") from None
        return False

    def _begin(self, name: str, look: str) -> str:
        keys = (*((_ONE_BY_ONE_KEY,) if self._one_by_one.wanted else ()), _lock_key(name))
        return "; ".join(["BEGIN", *(f"SELECT pg_advisory_xact_lock({key})" for key in keys), look])

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
        values = {"name": name}
        [look] = self._statements.of((_LOOK,)).fill(values)

        async def drop(results: Results) -> None:
            exists, owns = (results[-1].get_value(0, column) == b"t" for column in range(2))
            if not exists:
                await self._connection.run("COMMIT")
                return
            if not owns and await self._attempt(JOINT.join(self._statements.of(_DROP).fill(values))):
                return
            await self._run_all_that_can(await self._revocations(name))
            await self._connection.run(sql.SQL("DROP ROLE IF EXISTS {}; COMMIT").format(sql.Identifier(name)))

        try:
            await self._in_transaction(name, drop, look=look)
        except DatabaseError as error:
            raise DatabaseError(f"could not drop the user: {error}", undone=error.undone) from error.__cause__

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
        if await self._attempt(_kept(statements)):
            return
        for statement in statements:
            await self._attempt(_kept([statement]))

    async def _attempt(self, statements: str | sql.Composed) -> bool:
        """Run what begins with a savepoint `attempt`; if it is refused, go back to there."""
        try:
            await self._connection.run(statements)
        except psycopg.DatabaseError as error:
            if self._connection.raw.closed or _is_conflict(error):
                raise
            await self._connection.run("ROLLBACK TO attempt; RELEASE attempt")
            return False
        return True


def _kept(statements: list[sql.Composed]) -> sql.Composed:
    return sql.SQL("; ").join([sql.SQL("SAVEPOINT attempt"), *statements, sql.SQL("RELEASE attempt")])


def _is_conflict(error: psycopg.Error) -> bool:
    """Whether another session's work got in the way, so that trying again helps."""
    return error.sqlstate in _CONFLICTS and (error.sqlstate != "XX000" or "concurrently" in str(error))


def _lock_key(name: str) -> int:
    """The number of the advisory lock on a user's name: 64 bits, with a sign."""
    digest = hashlib.sha256(b"strongroom user " + name.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


_ONE_BY_ONE_KEY: Final = _lock_key("\0 turns")
