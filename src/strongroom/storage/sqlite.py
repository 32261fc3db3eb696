"""The embedded engine: one SQLite file through apsw, written by one thread, read beside it.

**Writing.** A commit is put into a queue. The writer thread takes all that wait there, makes their changes in one
SQLite transaction, and so shares one fsync among them (group commit). If anything goes wrong with a group, each of
its batches is tried again alone, so that only the one at fault fails. WAL with `synchronous=FULL`: a commit is
fsynced before any reader sees it and before the caller hears of it. A group that only puts, as most do, is one
statement: after each the thread must wait for the interpreter's lock, and on a busy server that is what takes time.

**Reading.** A single `get` runs on the event loop's thread, on a connection of its own: on a file of 200,000 entries it
takes 5 µs when the page is in memory, while a hop to a thread and back takes 35 to 70 µs on an idle loop. Reads that
must wait for the disk are rare above the system's page cache and the barrier's. Memory-mapping gained half a
microsecond and would turn a read error into a signal that kills the process, so it stays off. Long lists and scans go
to threads.

**Checkpoints** run on a thread of their own and do not block the writer. Only when the log has outgrown `_LOG_LIMIT`
pages, because writes never pause, the writer makes one itself, so that the log can begin anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import apsw

from strongroom.errors import FenceLost, StorageError
from strongroom.storage import sqlite_file
from strongroom.storage.base import FENCE_KEY, Batch, check_batch, end_of, one_level
from strongroom.turns import Certainty

T = TypeVar("T")

_GET: Final = "SELECT value FROM entries WHERE key = ?"
_SEEK: Final = "SELECT key FROM entries WHERE key >= ? ORDER BY key"
_SCAN: Final = "SELECT key, value FROM entries WHERE key >= ? ORDER BY key"
_SCAN_TO: Final = "SELECT key, value FROM entries WHERE key >= ? AND key < ? ORDER BY key"
_PUT: Final = "INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_PUT_MANY: Final = _PUT.replace("(?, ?)", "{}")
_DELETE: Final = "DELETE FROM entries WHERE key = ?"
#: Puts and deletes in one statement: a row without a value is one to delete.
_CHANGE_MANY: Final = "INSERT INTO changes (key, value) VALUES {}"
_CHANGES: Final = """
CREATE TEMP VIEW changes AS SELECT key, value FROM entries;
CREATE TEMP TRIGGER changed INSTEAD OF INSERT ON changes BEGIN
  INSERT INTO entries (key, value) SELECT NEW.key, NEW.value WHERE NEW.value IS NOT NULL
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
  DELETE FROM entries WHERE NEW.value IS NULL AND key = NEW.key;
END
"""
_DELETE_ALL: Final = "DELETE FROM entries"
_DELETE_RANGE: Final = "DELETE FROM entries WHERE key >= ? AND key < ?"

#: A list of up to this many names is made on the loop's thread; each costs 0.5 to 10 µs.
_INLINE_NAMES: Final = 128

#: A scan fetches this much at a time from its thread.
_SCAN_ROWS: Final = 256
_SCAN_BYTES: Final = 1 << 20

#: The most entries that one statement puts or deletes; a power of two.
_MOST_ROWS: Final = 128

#: Pages of 4 KiB in the log after which a checkpoint is asked for, and after which the writer makes one.
_LOG_PAGES: Final = 4096
_LOG_LIMIT: Final = 16_384

_Item = tuple[Batch, Certainty]

# Inside a class with a method `list`, types of that name have to go by another.
_Group = list[_Item]
_Errors = list[StorageError | None]
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
                self._writer = sqlite_file.connect(path)
                self._writer.set_wal_hook(self._after_commit)
                self._writer.pragma("temp_store", "memory")
                self._writer.execute(_CHANGES)
                self._reader = sqlite_file.connect(path, readonly=True)
                self._reader.pragma("cache_size", -8192)
        except BaseException:
            sqlite_file.unlock(self._lock)
            raise
        self._read_cursor = self._reader.cursor()
        self._write_cursor = self._writer.cursor()
        self._log_pages, self._log_limit = 0, _LOG_LIMIT
        #: The fence's entry as the writer knows it. Nobody else writes to the file.
        self._fence: bytes | None = None
        self._fence_known = False
        #: What waits for the writer; None is the last. Only a writer that is idle has to be woken, which is dear.
        self._waiting: deque[_Item | None] = deque()
        self._idle_writer = False
        self._wake = threading.Semaphore(0)
        self._checkpoint_due = threading.Event()
        # SQLite lets one checkpoint run at a time and gives a second one up.
        self._checkpointing = threading.Lock()
        self._threads = [
            threading.Thread(target=self._write_loop, name="storage-writer", daemon=True),
            threading.Thread(target=self._checkpoint_loop, name="storage-checkpoint", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._pool = ThreadPoolExecutor(2, "storage-reader")

    async def get(self, key: str) -> bytes | None:
        """See `Storage.get`. On the loop's thread; the module's head says why."""
        self._check_open()
        try:
            value = self._read_cursor.execute(_GET, (key,)).get
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
        self._hand_over((batch, outcome))
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
        self._hand_over(None)
        await asyncio.get_running_loop().run_in_executor(None, self._shut_down)

    # -- The writer's thread ------------------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        while True:
            group, last = self._next_group()
            if group:
                _settle(group, self._write(group))
                if self._log_pages > self._log_limit:
                    self._checkpoint()
            if last:
                return

    def _hand_over(self, item: _Item | None) -> None:
        self._waiting.append(item)
        if self._idle_writer:
            self._idle_writer = False
            self._wake.release()

    def _next_group(self) -> tuple[_Group, bool]:
        """All that wait, at least one item, and whether there will be no more."""
        waiting, group = self._waiting, list[_Item]()
        while not waiting:
            self._idle_writer = True
            # Whoever came before that was said has woken nobody, and whoever comes after it will.
            if waiting:
                self._idle_writer = False
            else:
                self._wake.acquire()
        while waiting:
            item = waiting.popleft()
            if item is None:
                return group, True
            group.append(item)
        return group, False

    def _write(self, group: _Group) -> _Errors:
        try:
            return self._attempt(group)
        except Exception as error:
            if len(group) == 1:
                return [sqlite_file.translate(self.path, error)]
        return [self._write([item])[0] for item in group]

    def _attempt(self, group: _Group) -> _Errors:
        """Commit a group in one transaction; raises when that fails, and then nothing of it is stored."""
        if self._writer.in_transaction:
            self._write_cursor.execute("ROLLBACK")
        if _plain(group):
            return self._merged(group)
        self._fence_known = False
        errors: _Errors = []
        with self._transaction():
            for batch, _ in group:
                errors.append(self._apply(batch))
        return errors

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._write_cursor.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._write_cursor.execute("COMMIT")
        except BaseException:
            # Some errors have rolled back already.
            if self._writer.in_transaction:
                with contextlib.suppress(apsw.Error):
                    self._write_cursor.execute("ROLLBACK")
            raise

    def _merged(self, group: _Group) -> _Errors:
        """Commit what is left of a group's changes when the later ones have overtaken the earlier.

        At each statement this thread has to wait for the interpreter's lock, which takes longer than the statement.
        """
        errors: _Errors = []
        changes: dict[str, bytes | None] = {}
        puts = True
        for batch, _ in group:
            if batch.fence is not None and batch.fence != self._current_fence():
                errors.append(_fence_lost())
                continue
            errors.append(None)
            if batch.deletes:
                puts = False
                changes.update(dict.fromkeys(batch.deletes))
            changes.update(batch.puts)
        if changes:
            flat = [part for item in changes.items() for part in item]
            rows = 1 << (len(changes) - 1).bit_length()
            # Filled up with the last entry once more: few statements to prepare, and the same entries after it.
            flat += flat[-2:] * (rows - len(changes))
            self._write_cursor.execute((_PUT_MANY if puts else _CHANGE_MANY).format(", ".join(["(?, ?)"] * rows)), flat)
        return errors

    def _current_fence(self) -> bytes | None:
        if not self._fence_known:
            self._fence = self._write_cursor.execute(_GET, (FENCE_KEY,)).get
            self._fence_known = True
        return self._fence

    def _apply(self, batch: Batch) -> StorageError | None:
        cursor = self._write_cursor
        if batch.fence is not None and cursor.execute(_GET, (FENCE_KEY,)).get != batch.fence:
            return _fence_lost()
        for prefix in batch.delete_prefixes:
            end = end_of(prefix)
            if end is None:
                cursor.execute(_DELETE_ALL)
            else:
                cursor.execute(_DELETE_RANGE, (prefix, end))
        if batch.deletes:
            cursor.executemany(_DELETE, [(key,) for key in batch.deletes])
        if batch.puts:
            cursor.executemany(_PUT, batch.puts.items())
        return None

    def _after_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self._log_pages:
            self._log_limit = _LOG_LIMIT
        self._log_pages = pages
        if pages >= _LOG_PAGES:
            self._checkpoint_due.set()
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        # With the writer here, nothing is added meanwhile: the next commit starts the log anew, unless a scan still
        # reads from it; then it is not tried again before the log has grown as much once more.
        self._log_limit = self._log_pages + _LOG_LIMIT
        with self._checkpointing, contextlib.suppress(apsw.Error):
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    # -- Other threads ------------------------------------------------------------------------------------------------

    def _checkpoint_loop(self) -> None:
        connection: apsw.Connection | None = None
        while True:
            self._checkpoint_due.wait()
            if self._closed:
                break
            self._checkpoint_due.clear()
            # A failure, on a full disk say, loses nothing: the log has it all, and the next commit asks again.
            with self._checkpointing, contextlib.suppress(apsw.Error):
                connection = connection or sqlite_file.connect(self.path)
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if connection is not None:
            connection.close()

    def _shut_down(self) -> None:
        self._checkpoint_due.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()
        # The last connection to close empties the log into the file.
        for connection in (*self._idle, self._reader, self._writer):
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


def _fence_lost() -> FenceLost:
    return FenceLost("another node has taken the leadership")


def _plain(group: _Group) -> bool:
    """Whether a group changes few entries, each by its name, and leaves the fence alone."""
    changes = 0
    for batch, _ in group:
        if batch.delete_prefixes or FENCE_KEY in batch.puts or FENCE_KEY in batch.deletes:
            return False
        changes += len(batch.puts) + len(batch.deletes)
    return changes <= _MOST_ROWS


def _settle(group: _Group, errors: _Errors) -> None:
    """Wake the callers of a group, with one call into each of their loops."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Certainty, StorageError | None]]] = {}
    for (_, outcome), error in zip(group, errors, strict=True):
        by_loop.setdefault(outcome.get_loop(), []).append((outcome, error))
    for loop, outcomes in by_loop.items():
        # A loop that was closed meanwhile has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, outcomes)


def _tell(outcomes: list[tuple[Certainty, StorageError | None]]) -> None:
    for outcome, error in outcomes:
        if error is None:
            outcome.set_result(None)
        else:
            outcome.set_exception(error)


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
