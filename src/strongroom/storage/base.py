"""The storage protocol: what every engine below the barrier offers, and the rules all of them share.

Keys are text in UTF-8, segments separated by `/`, ordered by their bytes (which is also the order of their code
points). A key is 1 to 2048 bytes long, holds no NUL and does not end in `/`; "one level below `a/`" is then always
either a key (`b`) or a folder (`b/`), and one name may be both.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from strongroom.errors import BadRequest, StorageError

#: What fits into an index row of every engine that is planned for (PostgreSQL's limit is the lowest, about 2700).
MAX_KEY_BYTES: Final = 2048

#: Above the largest request body that is accepted by default (32 MiB), encrypted.
MAX_VALUE_BYTES: Final = 33 << 20

#: The entry that a batch's fence is compared with. Whoever takes the leadership writes a new value here.
FENCE_KEY: Final = "core/fence"


@dataclass(slots=True)
class Batch:
    """Changes that take effect together or not at all.

    `delete_prefixes` take effect first, then `deletes`, then `puts`, so that a folder can be replaced in one batch.
    With a `fence` the batch is refused with `FenceLost` unless the entry `FENCE_KEY` holds exactly these bytes; the
    engine compares inside the transaction that makes the changes.
    """

    puts: dict[str, bytes] = field(default_factory=dict)
    deletes: set[str] = field(default_factory=set)
    delete_prefixes: set[str] = field(default_factory=set)
    fence: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.puts or self.deletes or self.delete_prefixes)


class Storage(Protocol):
    """An engine that keeps bytes under keys. All methods belong to one event loop."""

    async def get(self, key: str) -> bytes | None:
        """The value of a key, as last committed; None when there is none."""

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """The names one level below `prefix` in byte order, folders with a trailing `/`.

        Only names greater than `after` are given; a `limit` of 0 means all.
        """

    async def commit(self, batch: Batch) -> None:
        """Make the changes; they are durable when this returns, and no reader sees them before they are.

        Raises `StorageError` (of which `StorageFull` and `FenceLost`) when none of the batch was stored. A caller that
        is cancelled meanwhile gets its `CancelledError` only when the outcome is settled, so that caches can be
        put right.
        """

    def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """All entries whose key starts with `prefix`, in byte order, as they were at one moment."""

    async def close(self) -> None:
        """Finish what was begun and let go of everything; further use raises `StorageError`."""


def key_problem(key: str) -> str:
    """Why an engine cannot take this key, or an empty string when it can."""
    if not key:
        return "is empty"
    if "\0" in key:
        return "contains a NUL character"
    if key[-1] == "/":
        return "ends in a slash"
    try:
        size = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError:
        return "is not valid text"
    return f"is longer than {MAX_KEY_BYTES} bytes" if size > MAX_KEY_BYTES else ""


def check_key(key: str) -> None:
    """Refuse a key that no engine takes, or that a person could read as another; raises `BadRequest`."""
    problem = key_problem(key)
    if not problem and ".." in key and ".." in key.split("/"):
        problem = "contains a parent reference"
    if problem:
        raise BadRequest(f"the path {problem}")


def check_batch(batch: Batch) -> None:
    """Refuse a batch with a key or a value that no engine takes; raises `StorageError`."""
    for key, value in batch.puts.items():
        if problem := key_problem(key):
            raise StorageError(f"a storage key {problem}")
        if len(value) > MAX_VALUE_BYTES:
            raise StorageError(f"the value of {key} is larger than {MAX_VALUE_BYTES} bytes")


def first_after(prefix: str, after: str) -> str:
    """The least key that can belong to a name greater than `after` one level below `prefix`."""
    if not after:
        return prefix
    folder, slash, _ = after.partition("/")
    # "0" is the character that follows "/", and NUL the least one, which no key contains.
    return f"{prefix}{folder}0" if slash else f"{prefix}{after}\0"


def end_of(prefix: str) -> str | None:
    """The least text that is greater than all that start with `prefix`; None when there is no such text."""
    while prefix:
        point = ord(prefix[-1]) + 1
        if point <= sys.maxunicode:
            # The surrogates have no place in UTF-8.
            return prefix[:-1] + chr(0xE000 if point == 0xD800 else point)
        prefix = prefix[:-1]
    return None


def one_level(prefix: str, after: str, limit: int, seek: Callable[[str], Iterable[str]]) -> list[str]:
    """List one level by jumping over folders, so that a folder costs one step however much is beneath it.

    `seek` gives the keys from its argument on, in order.
    """
    names: list[str] = []
    cut = len(prefix)
    start: str | None = first_after(prefix, after)
    while start is not None:
        keys, start = seek(start), None
        for key in keys:
            if not key.startswith(prefix):
                return names
            name, slash, _ = key[cut:].partition("/")
            if slash or name:
                names.append(name + slash)
                if len(names) == limit:
                    return names
            if slash:
                start = f"{prefix}{name}0"
                break
    return names


class SortedKeys:
    """The keys of a mapping kept in order, for engines and overlays in memory."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = sorted(keys)

    def add(self, key: str) -> None:
        """Insert a key that is not there yet."""
        bisect.insort(self._keys, key)

    def remove(self, key: str) -> None:
        """Take out a key that is there."""
        del self._keys[bisect.bisect_left(self._keys, key)]

    def remove_prefix(self, prefix: str) -> list[str]:
        """Take out and return all keys that start with `prefix`."""
        start = bisect.bisect_left(self._keys, prefix)
        end = start
        while end < len(self._keys) and self._keys[end].startswith(prefix):
            end += 1
        gone = self._keys[start:end]
        del self._keys[start:end]
        return gone

    def seek(self, start: str) -> Iterable[str]:
        """The keys from `start` on."""
        for index in range(bisect.bisect_left(self._keys, start), len(self._keys)):
            yield self._keys[index]
