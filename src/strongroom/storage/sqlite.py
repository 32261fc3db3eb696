"""The embedded engine: one SQLite file through apsw, written by one thread, read beside it.

**Writing** has a thread of its own; see sqlite_writer.py.

**Reading.** A single `get` runs on the event loop's thread, on a connection of its own: on a file of 200,000 entries it
takes 5 µs when the page is in memory, while a hop to a thread and back takes 35 to 70 µs on an idle loop. Reads that
must wait for the disk are rare above the system's page cache and the barrier's. Memory-mapping gained half a
microsecond and would turn a read error into a signal that kills the process, so it stays off. Long lists and scans go
to threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import apsw

from strongroom.errors import StorageError
from strongroom.storage import sqlite_file
from strongroom.storage.base import Batch, check_batch, end_of, one_level
from strongroom.storage.sqlite_writer import GET, Writer
from strongroom.turns import Certainty

T = TypeVar("T")

_SEEK: Final = "SELECT key FROM entries WHERE key >= ? ORDER BY key"
_SCAN: Final = "SELECT key, value FROM entries WHERE key >= ? ORDER BY key"
_SCAN_TO: Final = "SELECT key, value FROM entries WHERE key >= ? AND key < ? ORDER BY key"

#: A list of up to this many names is made on the loop's thread; each costs 0.5 to 10 µs.
_INLINE_NAMES: Final = 128

#: A scan fetches this much at a time from its thread.
_SCAN_ROWS: Final = 256
_SCAN_BYTES: Final = 1 << 20

# Inside a class with a method `list`, types of that name have to go by another.
_Names = list[str]


class SQLiteStorage:
    """See `Storage`. Opening takes the database's lock, creates it when there is none, and recovers its log.

    Raises `StorageError` when the file is in use by another process, damaged, not a storage or of a newer format.
    `node_id` is the name a configuration gave this node.
    """

    def __init__(self, path: Path, *, node_id: str = "") -> None:
        self.path, self.node_id = path, node_id
        self._lock = sqlite_file.lock(path)
        self._closed = False
        self._idle: list[apsw.Connection] = []
        try:
            sqlite_file.check_or_create(path)
            with sqlite_file.storage_errors(path):
                self._writer = Writer(path)
                self._reader = sqlite_file.connect(path, readonly=True)
                self._reader.pragma("cache_size", -8192)
        except BaseException:
            sqlite_file.unlock(self._lock)
            raise
        self._read_cursor = self._reader.cursor()
        self._writer.start()
        self._pool = ThreadPoolExecutor(2, "storage-reader")

    async def get(self, key: str) -> bytes | None:
        """See `Storage.get`. On the loop's thread; the module's head says why."""
        self._check_open()
        try:
            value = self._read_cursor.execute(GET, (key,)).get
        except apsw.Error as error:
            raise sqlite_file.translate(self.path, error) from error
        if isinstance(value, bytes) or value is None:
            return value
        raise sqlite_file.translate(self.path, apsw.CorruptError("a value is not bytes"))

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> _Names:
        """See `Storage.list`. Short ones on the loop's thread, long ones on another."""
        self._check_open()
        with sqlite_file.storage_errors(self.path):
            most = min(limit, _INLINE_NAMES) if limit else _INLINE_NAMES
            names = _list(self._read_cursor, prefix, after, most)
        if len(names) < most or most == limit:
            return names
        return await self._in_thread(lambda connection: _list(connection.cursor(), prefix, after, limit))

    async def commit(self, batch: Batch) -> None:
        """See `Storage.commit`."""
        self._check_open()
        check_batch(batch)
        outcome = Certainty(loop=asyncio.get_running_loop())
        self._writer.hand_over((batch, outcome))
        await outcome

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See `Storage.scan`. The read transaction of its own connection is the snapshot."""
        self._check_open()
        end = end_of(prefix)
        connection = self._borrow()
        cursor = connection.cursor()
        try:
            sql, bounds = (_SCAN, (prefix,)) if end is None else (_SCAN_TO, (prefix, end))
            rows = await self._run(lambda: _take(cursor.execute(sql, bounds)))
            while rows:
                for row in rows:
                    yield row
                rows = await self._run(lambda: _take(cursor))
        finally:
            cursor.close(True)
            self._give_back(connection)

    async def close(self) -> None:
        """See `Storage.close`. What was queued before is committed."""
        if self._closed:
            return
        self._closed = True
        self._writer.hand_over(None)
        await asyncio.get_running_loop().run_in_executor(None, self._shut_down)

    # -- Other threads ------------------------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        self._writer.join()
        self._pool.shutdown()
        # The last connection to close empties the log into the file.
        for connection in (*self._idle, self._reader, self._writer.connection):
            with contextlib.suppress(apsw.Error):
                connection.close(True)
        sqlite_file.unlock(self._lock)

    async def _run(self, work: Callable[[], T]) -> T:
        self._check_open()
        with sqlite_file.storage_errors(self.path):
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _in_thread(self, work: Callable[[apsw.Connection], T]) -> T:
        connection = self._borrow()
        try:
            return await self._run(lambda: work(connection))
        finally:
            self._give_back(connection)

    def _borrow(self) -> apsw.Connection:
        with sqlite_file.storage_errors(self.path):
            return self._idle.pop() if self._idle else sqlite_file.connect(self.path, readonly=True)

    def _give_back(self, connection: apsw.Connection) -> None:
        if self._closed or len(self._idle) >= 2:
            connection.close(True)
        else:
            self._idle.append(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the storage is closed")


def _keys(cursor: apsw.Cursor, start: str) -> Iterable[str]:
    for (key,) in cursor.execute(_SEEK, (start,)):
        # In a damaged tree keys may be anything and anywhere, and jumping about in it might never end.
        if not isinstance(key, str) or key < start:
            raise apsw.CorruptError("keys are out of order")
        start = key
        yield key


def _list(cursor: apsw.Cursor, prefix: str, after: str, limit: int) -> list[str]:
    # One transaction around the jumps: the list is of one moment, and its locks are taken once.
    cursor.execute("BEGIN")
    try:
        return one_level(prefix, after, limit, lambda start: _keys(cursor, start))
    finally:
        cursor.execute("ROLLBACK")


def _take(cursor: apsw.Cursor) -> list[tuple[str, bytes]]:
    rows: list[tuple[str, bytes]] = []
    size = 0
    for key, value in islice(cursor, _SCAN_ROWS):
        if not isinstance(key, str) or not isinstance(value, bytes):
            raise apsw.CorruptError("an entry has the wrong type")
        rows.append((key, value))
        size += len(value)
        if size > _SCAN_BYTES:
            break
    return rows
