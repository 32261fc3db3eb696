"""PostgreSQL, by psycopg: the connections; databases/postgresql_session.py has what is done with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import psycopg

from strongroom.clock import Clock
from strongroom.databases import settings
from strongroom.databases.plugin import DatabaseError, SettingError
from strongroom.databases.pool import Made, Pool
from strongroom.databases.postgresql_dsn import Target, connection_words, read_target, server_words
from strongroom.databases.postgresql_session import WORK_SECONDS, Connection, OneByOne, Session
from strongroom.databases.statements import POSTGRESQL, Statements

AUTHENTICATION: Final = ("password", "scram-sha-256")
_SESSION: Final = "SET TIME ZONE 'UTC'; SET standard_conforming_strings = on"


class PostgreSQL:
    """A configured PostgreSQL database."""

    def __init__(self, details: Mapping[str, Any], clock: Clock | None = None) -> None:
        self._target: Target = read_target(details)
        mode = settings.text(details, "password_authentication") or AUTHENTICATION[0]
        if mode not in AUTHENTICATION:
            raise SettingError(f"'{mode[:64]}' is not a valid password authentication type")
        self._scram_only = mode == "scram-sha-256"
        self._one_by_one = OneByOne(clock or Clock())
        self._statements = Statements(POSTGRESQL)
        self._pool: Pool[Connection] = Pool(self._connect, settings.limits(details), clock)

    def session(self, *, background: bool = False) -> AbstractAsyncContextManager[Session]:
        """A session."""
        return Made(self._pool.use(background=background), self._session)

    def _session(self, connection: Connection) -> Session:
        return Session(connection, self._statements, self._one_by_one, scram_only=self._scram_only)

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
