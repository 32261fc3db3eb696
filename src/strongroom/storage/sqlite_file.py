"""The database file of `SQLiteStorage`: creating it, opening it, and refusing what is not in order.

    application_id  0x53524D31, "SRM1"
    user_version    1, the format; a greater one was written by a newer version and is refused
    entries         key TEXT, value BLOB; WITHOUT ROWID, so that one tree holds both, ordered by the key's UTF-8 bytes

Beside `NAME` lie `NAME-wal` and `NAME-shm`, which belong to it, and `NAME.lock`, whose lock is held while it is open.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from strongroom.errors import StorageError, StorageFull

APPLICATION_ID: Final = int.from_bytes(b"SRM1")
FORMAT: Final = 1

#: Before it, a commit between two checkpoints could damage the file (the "WAL-reset bug").
LEAST_SQLITE: Final = 3_051_003

_BUSY_MS: Final = 10_000
_RESTORE: Final = "nothing was changed; put back the file or restore a snapshot"


def lock(path: Path) -> int:
    """Take the lock of a database for this process, in a folder made if need be; returns what holds it.

    It is a file of its own: closing any descriptor of the database itself would drop SQLite's own locks on it.
    """
    with storage_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StorageError(
                f"the storage {path} is in use by another process ({holder}); only one server can open it"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def unlock(descriptor: int) -> None:
    """Let go of the lock."""
    os.close(descriptor)


def check_or_create(path: Path) -> None:
    """With the lock held: create the database when there is none, else refuse what is not in order."""
    if apsw.SQLITE_VERSION_NUMBER < LEAST_SQLITE:
        raise StorageError(f"SQLite {apsw.sqlite_lib_version()} is too old; install apsw 3.51.3 or newer")
    with storage_errors(path):
        if not path.exists():
            if _size(Path(f"{path}-wal")):
                raise StorageError(f"the storage {path} is gone but its log {path.name}-wal is there; {_RESTORE}")
            _create(path)
        elif not _size(path):
            raise StorageError(f"the storage {path} is empty; {_RESTORE}, or remove it to begin anew")
        path.chmod(0o600)
        connection = connect(path)
        try:
            _check(path, connection)
            connection.pragma("journal_mode", "wal")
        finally:
            connection.close()


def connect(path: Path, *, readonly: bool = False) -> apsw.Connection:
    """A connection for one thread at a time."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE
    connection = apsw.Connection(str(path), flags=flags | apsw.SQLITE_OPEN_NOFOLLOW)
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("synchronous", "full")
    # Also what a hostile file could bring along is data to us, never code.
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    return connection


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the system and SQLite raise into `StorageError` and `StorageFull`."""
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise translate(path, error) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (StorageFull if full else StorageError)(f"the storage {path}: {error.strerror or error}") from error


def translate(path: Path, error: BaseException) -> StorageError:
    """The error of ours for one of SQLite's."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and _no_room(path)):
        return StorageFull(f"there is no room left for the storage {path}")
    if isinstance(error, UnicodeDecodeError):
        return StorageError(f"the storage {path} is damaged (a key is not valid text); {_RESTORE}")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StorageError(f"the storage {path} is damaged ({error}); {_RESTORE}")
    return StorageError(f"the storage {path} failed: {error}")


def _create(path: Path) -> None:
    # Made under another name and renamed when whole, so that an empty or half-made file is always damage.
    draft = Path(f"{path}.new")
    draft.unlink(missing_ok=True)
    Path(f"{draft}-journal").unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    connection = connect(draft)
    try:
        connection.execute(
            f"PRAGMA page_size = 4096; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
            "CREATE TABLE entries (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT"
        )
    finally:
        connection.close()
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(path: Path, connection: apsw.Connection) -> None:
    found = connection.pragma("application_id")
    if found != APPLICATION_ID:
        raise StorageError(f"the file {path} is a database, but not a Strongroom storage; {_RESTORE}")
    version = connection.pragma("user_version")
    if version > FORMAT:
        raise StorageError(
            f"the storage {path} has format {version}, written by a newer version; this one reads up to {FORMAT}"
        )
    expected = connection.pragma("page_count") * connection.pragma("page_size")
    # While there is a log, the file may rightly be shorter than the database.
    if _size(path) < expected and not _size(Path(f"{path}-wal")):
        raise StorageError(f"the storage {path} is damaged (it is cut short); {_RESTORE}")
    connection.execute("SELECT key, value FROM entries LIMIT 1").fetchall()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _no_room(path: Path) -> bool:
    try:
        return os.statvfs(path.parent).f_bavail == 0
    except OSError:
        return False
