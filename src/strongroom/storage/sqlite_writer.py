"""The thread that writes to SQLite.

A commit is put into a queue. The writer takes all that wait there, makes their changes in one SQLite transaction, and
so shares one fsync among them (group commit). If anything goes wrong with a group, each of its batches is tried again
alone, so that only the one at fault fails. WAL with `synchronous=FULL`: a commit is fsynced before any reader sees it
and before the caller hears of it. A group that changes a few entries, as most do, is one statement: after each the
thread must wait for the interpreter's lock, and on a busy server that is what takes time.

Checkpoints run on a thread of their own and do not block the writer. Only when the log has outgrown `LOG_LIMIT` pages,
because writes never pause, the writer makes one itself, so that the log can begin anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from pathlib import Path
from typing import Final

import apsw

from strongroom.errors import FenceLost, StorageError
from strongroom.storage import sqlite_file
from strongroom.storage.base import FENCE_KEY, Batch, end_of
from strongroom.turns import Certainty

GET: Final = "SELECT value FROM entries WHERE key = ?"
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

#: The most entries that one statement puts or deletes; a power of two.
_MOST_ROWS: Final = 128

#: Pages of 4 KiB in the log after which a checkpoint is asked for, and after which the writer makes one.
LOG_PAGES: Final = 4096
LOG_LIMIT: Final = 16_384

_Item = tuple[Batch, Certainty]
_Group = list[_Item]
_Errors = list[StorageError | None]


class Writer:
    """Its queue, its thread, and the thread for checkpoints. Making one opens the file; raises `apsw.Error`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.connection = sqlite_file.connect(path)
        self.connection.set_wal_hook(self._after_commit)
        self.connection.pragma("temp_store", "memory")
        self.connection.execute(_CHANGES)
        self._cursor = self.connection.cursor()
        self._log_pages, self._log_limit = 0, LOG_LIMIT
        #: The fence's entry as it was last read. Nobody else writes to the file.
        self._fence: bytes | None = None
        self._fence_known = False
        #: What has come in this turn of the loop.
        self._coming: list[_Item] = []
        #: What waits; None is the last. Only a thread that is idle has to be woken, which is dear.
        self._waiting: deque[_Item | None] = deque()
        self._idle = False
        # Locked while the thread has nothing to be woken for. A semaphore would be Python code around such a lock.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._ended = False
        self._checkpoint_due = threading.Event()
        # SQLite lets one checkpoint run at a time and gives a second one up.
        self._checkpointing = threading.Lock()
        self._threads = [
            threading.Thread(target=self._write_loop, name="storage-writer", daemon=True),
            threading.Thread(target=self._checkpoint_loop, name="storage-checkpoint", daemon=True),
        ]

    def start(self) -> None:
        """Begin to write."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all is written that came before the None."""
        self._threads[0].join()
        self._ended = True
        self._checkpoint_due.set()
        self._threads[1].join()

    def hand_over(self, item: _Item | None) -> None:
        """Have a batch written; None is the last.

        The thread gets what a turn of the loop brings when that is over. Sooner it would wait for the interpreter's
        lock, and then write a few where it could have written all.
        """
        if item is None:
            self._send()
            self._waiting.append(None)
            self._rouse()
            return
        if not self._coming:
            item[1].get_loop().call_soon(self._send)
        self._coming.append(item)

    def _send(self) -> None:
        coming, self._coming = self._coming, []
        if coming:
            self._waiting.extend(coming)
            self._rouse()

    def _rouse(self) -> None:
        if self._idle:
            self._idle = False
            if self._wake.locked():
                self._wake.release()

    # -- On the thread ------------------------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        while True:
            group, last = self._next_group()
            if group:
                _settle(group, self._write(group))
                if self._log_pages > self._log_limit:
                    self._checkpoint()
            if last:
                return

    def _next_group(self) -> tuple[_Group, bool]:
        """All that wait, at least one item, and whether there will be no more."""
        waiting, group = self._waiting, list[_Item]()
        while not waiting:
            self._idle = True
            # Whoever came before that was said has woken nobody, and whoever comes after it will.
            if waiting:
                self._idle = False
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
                return [sqlite_file.translate(self._path, error)]
        return [self._write([item])[0] for item in group]

    def _attempt(self, group: _Group) -> _Errors:
        """Commit a group in one transaction; raises when that fails, and then nothing of it is stored."""
        if self.connection.in_transaction:
            self._cursor.execute("ROLLBACK")
        if _plain(group):
            return self._merged(group)
        self._fence_known = False
        errors: _Errors = []
        self._cursor.execute("BEGIN IMMEDIATE")
        try:
            for batch, _ in group:
                errors.append(self._apply(batch))
            self._cursor.execute("COMMIT")
        except BaseException:
            # Some errors have rolled back already.
            if self.connection.in_transaction:
                with contextlib.suppress(apsw.Error):
                    self._cursor.execute("ROLLBACK")
            raise
        return errors

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
            self._cursor.execute((_PUT_MANY if puts else _CHANGE_MANY).format(", ".join(["(?, ?)"] * rows)), flat)
        return errors

    def _current_fence(self) -> bytes | None:
        if not self._fence_known:
            self._fence = self._cursor.execute(GET, (FENCE_KEY,)).get
            self._fence_known = True
        return self._fence

    def _apply(self, batch: Batch) -> StorageError | None:
        cursor = self._cursor
        if batch.fence is not None and cursor.execute(GET, (FENCE_KEY,)).get != batch.fence:
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
            self._log_limit = LOG_LIMIT
        self._log_pages = pages
        if pages >= LOG_PAGES:
            self._checkpoint_due.set()
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        # With the writer here, nothing is added meanwhile: the next commit starts the log anew, unless a scan still
        # reads from it; then it is not tried again before the log has grown as much once more.
        self._log_limit = self._log_pages + LOG_LIMIT
        with self._checkpointing, contextlib.suppress(apsw.Error):
            self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _checkpoint_loop(self) -> None:
        connection: apsw.Connection | None = None
        while True:
            self._checkpoint_due.wait()
            if self._ended:
                break
            self._checkpoint_due.clear()
            # A failure, on a full disk say, loses nothing: the log has it all, and the next commit asks again.
            with self._checkpointing, contextlib.suppress(apsw.Error):
                connection = connection or sqlite_file.connect(self._path)
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if connection is not None:
            connection.close()


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
