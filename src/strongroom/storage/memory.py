"""Storage in memory, for development servers and tests: gone with the process."""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.errors import FenceLost, StorageError
from strongroom.storage.base import FENCE_KEY, Batch, SortedKeys, check_batch, one_level


class MemoryStorage:
    """A dictionary beside its sorted keys."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}
        self._keys = SortedKeys()
        self._closed = False

    async def get(self, key: str) -> bytes | None:
        """See `Storage.get`."""
        self._check_open()
        return self._data.get(key)

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """See `Storage.list`."""
        self._check_open()
        return one_level(prefix, after, limit, self._keys.seek)

    async def commit(self, batch: Batch) -> None:
        """See `Storage.commit`. Nothing in here suspends, so no reader comes between two changes."""
        self._check_open()
        check_batch(batch)
        if batch.fence is not None and self._data.get(FENCE_KEY) != batch.fence:
            raise FenceLost("another node has taken the leadership")
        for prefix in batch.delete_prefixes:
            for key in self._keys.remove_prefix(prefix):
                del self._data[key]
        for key in batch.deletes:
            if self._data.pop(key, None) is not None:
                self._keys.remove(key)
        for key, value in batch.puts.items():
            if key not in self._data:
                self._keys.add(key)
            self._data[key] = value

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See `Storage.scan`."""
        self._check_open()
        # The sorted copy is the snapshot.
        for entry in sorted((key, value) for key, value in self._data.items() if key.startswith(prefix)):
            yield entry

    async def close(self) -> None:
        """See `Storage.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the storage is closed")
