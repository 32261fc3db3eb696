"""MySQL and MariaDB, by PyMySQL in threads.

Each change to users is a commit of its own there, so a creation that fails half-way leaves what came before: its lease
stays, and removes the user. While users are made or removed a named lock of the server's is held, so that what a client
that was killed had begun is over before the removal looks.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import pymysql

from strongroom.clock import Clock
from strongroom.databases import settings
from strongroom.databases.mysql_dsn import Target, read_target
from strongroom.databases.plugin import Change, DatabaseError, NewUser
from strongroom.databases.pool import Made, Pool
from strongroom.databases.statements import MYSQL, Prepared, Statements, fill
from strongroom.databases.waiting import readable
from strongroom.databases.words import redacted

T = TypeVar("T")

#: How long the server may take for one answer, in seconds, and one piece of work as a whole.
ANSWER_SECONDS: Final = 45.0
WORK_SECONDS: Final = 50.0
LOCK_SECONDS: Final = 30

_CHANGE_PASSWORD: Final = ("ALTER USER '{{username}}'@'%' IDENTIFIED BY '{{password}}'",)
#: What a server says of a user that is not there: cannot drop, cannot revoke, no such grant.
_NO_USER: Final = frozenset((1396, 1269, 1141))
#: What it says to who may not look.
_DENIED: Final = frozenset((1142, 1143, 1044, 1045))


class Connection:
    """An open connection. Its calls block, and are made in a thread of its own."""

    def __init__(self, raw: Any, thread: ThreadPoolExecutor) -> None:
        self.raw = raw
        self._thread = thread
        self._busy = False

    def usable(self) -> bool:
        """Whether it is open, at rest, and the server has said nothing."""
        sock = self.raw._sock
        return self.raw.open and not self._busy and sock is not None and not readable(sock.fileno())

    async def close(self) -> None:
        """Close it; a thread that still waits for the server is let go."""
        sock = self.raw._sock
        if self._busy and sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        elif self.raw.open:
            self.raw.close()
        self._thread.shutdown(wait=False)

    async def run(self, work: Callable[[Any], T]) -> T:
        """Do blocking work with a cursor."""

        def blocking() -> T:
            with self.raw.cursor() as cursor:
                return work(cursor)

        self._busy = True
        result = await asyncio.get_running_loop().run_in_executor(self._thread, _caught, blocking)
        self._busy = False  # not when cancelled: the thread goes on
        if isinstance(result, _Raised):
            raise result.error
        return result


class _Raised:
    def __init__(self, error: Exception) -> None:
        self.error = error


def _caught(work: Callable[[], T]) -> T | _Raised:
    try:
        return work()
    except (pymysql.Error, OSError) as error:
        return _Raised(error)


class Session:
    """One connection, for one piece of work."""

    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements

    async def has_user(self, name: str) -> bool:
        """Whether there is a user of this name at any host; false if we may not know."""

        def look(cursor: Any) -> bool:
            cursor.execute("SELECT 1 FROM mysql.user WHERE User = %s LIMIT 1", (name,))
            return cursor.fetchone() is not None

        try:
            return await self._work(look)
        except DatabaseError as error:
            if _code(error.__cause__) in _DENIED:
                return False
            raise

    async def new_user(self, user: NewUser) -> None:
        """Make a user, statement by statement."""
        values = _values(user.name, user.password, user.expiration)
        await self._run_all(self._statements.of(user.statements), values, "failed to execute query: ")

    async def update_user(self, change: Change) -> None:
        """Change a user's password, or (with statements only) its expiration."""
        own = _CHANGE_PASSWORD if change.password is not None else ()
        statements = self._statements.of(change.statements)
        if not statements.texts:
            statements = self._statements.of(own)
        if statements.texts:
            values = _values(change.name, change.password, change.expiration)
            await self._run_all(statements, values, "failed to execute query: ")

    async def delete_user(self, name: str, statements: Sequence[str]) -> None:
        """Remove a user, if it is there."""
        own = self._statements.of(statements)
        try:
            if own.texts:
                await self._run_all(own, _values(name, None, None), "")
            else:
                await self._drop(name)
        except DatabaseError as error:
            if not own.texts or _code(error.__cause__) not in _NO_USER or await self.has_user(name):
                raise

    async def _drop(self, name: str) -> None:
        values = _values(name, None, None)
        user = fill("'{{name}}'@'%'", values, MYSQL)

        def drop(cursor: Any) -> None:
            with _named_lock(cursor, name):
                try:
                    cursor.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user}")
                except pymysql.MySQLError as error:
                    if _code(error) not in _NO_USER:
                        raise
                cursor.execute(f"DROP USER IF EXISTS {user}")

        await self._work(drop)

    async def _run_all(self, statements: Prepared, values: dict[str, str], prefix: str) -> None:
        filled = statements.fill(values)
        number = 0

        def run(cursor: Any) -> None:
            nonlocal number
            with _named_lock(cursor, values["name"]):
                for statement in filled:
                    number += 1
                    cursor.execute(statement)

        secrets = [values[key] for key in ("password",) if key in values]
        try:
            await self._work(run, secrets)
        except DatabaseError as error:
            place = f" in statement {number} of {len(filled)}" if number and len(filled) > 1 else ""
            undone = number <= 1 and self._connection.raw.open
            refused = statements.texts[number - 1] if number else ""
            raise DatabaseError(
                f"{prefix}{error}{place}", undone=undone, number=number, statement=refused
            ) from error.__cause__

    async def _work(self, work: Callable[[Any], T], secrets: Sequence[str] = ()) -> T:
        try:
            async with asyncio.timeout(WORK_SECONDS):
                return await self._connection.run(work)
        except (pymysql.Error, OSError) as error:
            raise DatabaseError(_words(error, secrets)) from error
        except TimeoutError:
            raise DatabaseError(f"it took longer than {WORK_SECONDS:.0f} seconds") from None


class _named_lock:  # noqa: N801 - used like a function
    """Hold the server's lock on a user's name for a block; it ends with the connection, too."""

    def __init__(self, cursor: Any, name: str) -> None:
        self._cursor = cursor
        self._name = "strongroom " + hashlib.sha256(name.encode()).hexdigest()[:40]

    def __enter__(self) -> None:
        self._cursor.execute("SELECT GET_LOCK(%s, %s)", (self._name, LOCK_SECONDS))
        if self._cursor.fetchone()[0] != 1:
            raise pymysql.OperationalError(1205, "the lock on the user's name is held by other work")

    def __exit__(self, *_: object) -> None:
        with suppress(pymysql.Error, OSError):
            self._cursor.execute("DO RELEASE_LOCK(%s)", (self._name,))


class MySQL:
    """A configured MySQL or MariaDB server."""

    def __init__(self, details: Mapping[str, Any], clock: Clock | None = None) -> None:
        self._target: Target = read_target(details)
        self._statements = Statements(MYSQL)
        self._pool: Pool[Connection] = Pool(self._connect, settings.limits(details), clock)

    def session(self, *, background: bool = False) -> AbstractAsyncContextManager[Session]:
        """A session."""
        return Made(self._pool.use(background=background), lambda connection: Session(connection, self._statements))

    async def verify(self) -> None:
        """Prove that the server lets us in."""
        async with self.session() as session:
            await session._work(lambda cursor: cursor.execute("SELECT 1"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _connect(self) -> Connection:
        arguments = {"read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS, **self._target.arguments}
        commands = arguments.pop("init_command", [])

        def open_() -> Any:
            raw = pymysql.connect(**arguments)
            with raw.cursor() as cursor:
                for command in ("SET time_zone = '+00:00'", *commands):
                    cursor.execute(command)
            return raw

        thread = ThreadPoolExecutor(1, thread_name_prefix="mysql")
        try:
            opened = await asyncio.get_running_loop().run_in_executor(thread, _caught, open_)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        if isinstance(opened, _Raised):
            thread.shutdown(wait=False)
            words = _words(opened.error, self._target.secrets)
            raise DatabaseError(f"failed to connect to {self._target.words}: {words}") from opened.error
        return Connection(opened, thread)


def _values(name: str, password: str | None, expiration: datetime | None) -> dict[str, str]:
    values = {"name": name, "username": name}
    if password is not None:
        values["password"] = password
    if expiration is not None:
        values["expiration"] = expiration.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+0000")
    return values


def _code(error: BaseException | None) -> int:
    return error.args[0] if isinstance(error, pymysql.MySQLError) and error.args and type(error.args[0]) is int else 0


def _words(error: BaseException, secrets: Sequence[str]) -> str:
    """What the server or the way to it said: `Error 1064: You have an error ...`."""
    if isinstance(error, pymysql.MySQLError) and len(error.args) > 1 and _code(error):
        text = f"Error {error.args[0]}: {error.args[1]}"
    else:
        text = f"{type(error).__name__}: {error}"
    return redacted(" ".join(text.split()), secrets)
