"""A request's transaction over the barrier, and the prefix-bound view of it that an engine gets."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from strongroom.storage.barrier import Barrier
from strongroom.storage.base import Batch, check_key
from strongroom.storage.cache import decode

T = TypeVar("T")

# Inside a class with a method `list`, the type of that name has to go by another.
Names = list[str]

_encode = msgspec.json.Encoder().encode


class Transaction:
    """Reads that see the transaction's own pending writes; writes that happen together at `commit`, or never.

    After `commit` it is empty and can be used on. Keys with a segment `..`, with NUL, too long, empty or ending in `/`
    are refused with `BadRequest`.
    """

    __slots__ = ("_barrier", "_gone", "_writes")

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier
        #: Pending entries; None is one to delete.
        self._writes: dict[str, bytes | None] = {}
        #: Folders to delete; `_writes` has what was written after that.
        self._gone: tuple[str, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._writes or self._gone)

    def get(self, key: str) -> Coroutine[Any, Any, bytes | None]:
        """The value of a key, None when there is none."""
        # Not `async` itself: without pending writes the barrier's coroutine is all that runs.
        return self._get(key) if self._writes or self._gone else self._barrier.get(key)

    def load(self, key: str, kind: type[T]) -> Coroutine[Any, Any, T | None]:
        """The struct stored under a key, None when there is none. It is shared and must not be changed."""
        return self._load(key, kind) if self._writes or self._gone else self._barrier.load(key, kind)

    def put(self, key: str, value: bytes) -> None:
        """Write bytes."""
        check_key(key)
        self._writes[key] = value

    def store(self, key: str, value: Any) -> None:
        """Write a struct as JSON, as it is at this moment."""
        check_key(key)
        self._writes[key] = _encode(value)

    def delete(self, key: str) -> None:
        """Delete a key, which need not exist."""
        check_key(key)
        self._writes[key] = None

    def delete_prefix(self, prefix: str) -> None:
        """Delete everything beneath a folder (`prefix` ends in `/`), in one commit: for what is known to be small."""
        if not prefix.endswith("/"):
            raise ValueError("a folder's name ends in a slash")
        check_key(prefix[:-1])
        for key in [key for key in self._writes if key.startswith(prefix)]:
            del self._writes[key]
        self._gone = (*self._gone, prefix)

    def list(self, prefix: str, after: str = "", limit: int = 0) -> Coroutine[Any, Any, Names]:
        """The names one level below a folder; see `Storage.list`. A missing `/` at the end of `prefix` is added."""
        if prefix and prefix[-1] != "/":
            prefix += "/"
        merge = self._list if self._writes or self._gone else self._barrier.list
        return merge(prefix, after, limit)

    async def commit(self) -> None:
        """Make the pending writes durable, together; raises `StorageError`, and then they are still pending."""
        if not self.pending:
            return
        batch = Batch(delete_prefixes=set(self._gone))
        for key, value in self._writes.items():
            if value is None:
                batch.deletes.add(key)
            else:
                batch.puts[key] = value
        await self._barrier.commit(batch)
        self.discard()

    def discard(self) -> None:
        """Forget the pending writes."""
        self._writes.clear()
        self._gone = ()

    def view(self, prefix: str) -> View:
        """The part of storage beneath a folder; `prefix` ends in `/`."""
        return View(self, prefix)

    async def _get(self, key: str) -> bytes | None:
        if key in self._writes:
            return self._writes[key]
        return None if self._gone and key.startswith(self._gone) else await self._barrier.get(key)

    async def _load(self, key: str, kind: type[T]) -> T | None:
        if key in self._writes:
            value = self._writes[key]
            return None if value is None else decode(key, value, kind)
        return None if self._gone and key.startswith(self._gone) else await self._barrier.load(key, kind)

    async def _list(self, prefix: str, after: str, limit: int) -> Names:
        added, doubtful = self._pending_names(prefix)
        names = {name for name in added if name > after}
        if not prefix.startswith(self._gone or "\0"):
            # At most the doubtful ones drop out, so this many are enough.
            stored = await self._barrier.list(prefix, after, limit + len(doubtful) if limit else 0)
            for name in stored:
                if name not in doubtful or (name[-1] == "/" and await self._survives(prefix + name)):
                    names.add(name)
        ordered = sorted(names)
        return ordered[:limit] if limit else ordered

    def _pending_names(self, prefix: str) -> tuple[set[str], set[str]]:
        """Names one level below `prefix` that pending writes make certain, and those that they put in doubt."""
        added: set[str] = set()
        doubtful: set[str] = set()
        for key, value in self._writes.items():
            if key.startswith(prefix):
                (doubtful if value is None else added).add(_first_name(key, prefix))
        for folder in self._gone:
            if folder.startswith(prefix):
                doubtful.add(_first_name(folder, prefix))
        return added, doubtful - added

    async def _survives(self, folder: str) -> bool:
        return bool(await self._list(folder, "", 1))


class View:
    """A transaction seen from one folder: keys are relative to it and cannot leave it."""

    __slots__ = ("_prefix", "_transaction")

    def __init__(self, transaction: Transaction, prefix: str) -> None:
        if prefix and prefix[-1] != "/":
            raise ValueError("a view's prefix ends in a slash")
        self._transaction, self._prefix = transaction, prefix

    def __repr__(self) -> str:
        return f"View({self._prefix!r})"

    def get(self, key: str) -> Coroutine[Any, Any, bytes | None]:
        """See `Transaction.get`."""
        return self._transaction.get(self._prefix + key)

    def load(self, key: str, kind: type[T]) -> Coroutine[Any, Any, T | None]:
        """See `Transaction.load`."""
        return self._transaction.load(self._prefix + key, kind)

    def put(self, key: str, value: bytes) -> None:
        """See `Transaction.put`."""
        self._transaction.put(self._prefix + key, value)

    def store(self, key: str, value: Any) -> None:
        """See `Transaction.store`."""
        self._transaction.store(self._prefix + key, value)

    def delete(self, key: str) -> None:
        """See `Transaction.delete`."""
        self._transaction.delete(self._prefix + key)

    def delete_prefix(self, prefix: str = "") -> None:
        """See `Transaction.delete_prefix`; without an argument, everything in the view."""
        self._transaction.delete_prefix(self._prefix + prefix)

    def list(self, prefix: str = "", after: str = "", limit: int = 0) -> Coroutine[Any, Any, Names]:
        """See `Transaction.list`."""
        return self._transaction.list(self._prefix + prefix, after, limit)

    def view(self, prefix: str) -> View:
        """The part beneath a folder of this view."""
        return View(self._transaction, self._prefix + prefix)


def _first_name(key: str, prefix: str) -> str:
    name, slash, _ = key[len(prefix) :].partition("/")
    return name + slash
