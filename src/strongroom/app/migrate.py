"""`operator migrate`: copies all of a storage into another one, with the servers of both stopped.

Entries are copied as they are, encrypted; what the fence of a cluster is stays behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, NamedTuple

from strongroom.config import StorageConfig, load_storages
from strongroom.errors import StorageError
from strongroom.storage import open_storage
from strongroom.storage.base import FENCE_KEY, Batch, Storage

SOURCE: Final = "storage_source"
DESTINATION: Final = "storage_destination"

_ENTRIES: Final = 1000
_BYTES: Final = 8 << 20

#: Told after each commit: the number of entries so far, and the last key.
Progress = Callable[[int, str], None]


class Migrated(NamedTuple):
    """What was copied, and what the configuration was warned of."""

    entries: int
    source: str
    destination: str
    warnings: list[str]


def migrate(path: str, *, start: str, progress: Progress) -> Migrated:
    """Copy what the configuration names; `start` goes on from a key after an interruption.

    Raises:
        ConfigError: the configuration cannot be used.
        StorageError: a storage is in use, or failed; the destination is not empty; the copy is not the same.
    """
    found, warnings = load_storages(Path(path), (SOURCE, DESTINATION))
    source, destination = found[SOURCE], found[DESTINATION]
    for block in (source, destination):
        if not block.available:
            text = f'storage "{block.type}" is understood, but this release does not have it yet'
            raise block.place.error(text, "Choose another")
        if block.type == "inmem":
            raise block.place.error('storage "inmem" holds nothing beyond its server', "Choose one that is kept")
    if source.settings.get("path") == destination.settings.get("path"):
        raise destination.place.error("the destination is the source", "Choose another path")
    entries = asyncio.run(_run(source, destination, start, progress))
    return Migrated(entries, source.type, destination.type, warnings)


async def _run(source: StorageConfig, destination: StorageConfig, start: str, progress: Progress) -> int:
    _check_source(source)
    first = open_storage(source.type, source.settings)
    try:
        second = open_storage(destination.type, destination.settings)
        try:
            return await copy(first, second, start=start, progress=progress)
        finally:
            await second.close()
    finally:
        await first.close()


def _check_source(source: StorageConfig) -> None:
    """Opening would make what is not there."""
    path = Path(str(source.settings.get("path") or ""))
    if not path.exists():
        raise source.place.error(f"there is no storage at {path}", "Correct the path")


async def copy(source: Storage, destination: Storage, *, start: str, progress: Progress) -> int:
    """Copy all entries from the key `start` on, and compare; returns their number."""
    if not start and [key async for key, _ in _one(destination)]:
        raise StorageError(
            "the destination is not empty: nothing was copied. Empty it, or go on after an interruption with -start"
        )
    count, size, batch = 0, 0, Batch()
    async for key, value in _entries(source, start):
        batch.puts[key] = value
        count += 1
        size += len(value)
        if len(batch.puts) >= _ENTRIES or size >= _BYTES:
            await destination.commit(batch)
            progress(count, key)
            size, batch = 0, Batch()
    if batch:
        await destination.commit(batch)
    await _compare(source, destination)
    return count


async def _one(storage: Storage) -> AsyncIterator[tuple[str, bytes]]:
    async for entry in _entries(storage, ""):
        yield entry
        return


async def _entries(storage: Storage, start: str) -> AsyncIterator[tuple[str, bytes]]:
    async for key, value in storage.scan(""):
        if key >= start and key != FENCE_KEY:
            yield key, value


async def _compare(source: Storage, destination: Storage) -> None:
    """Raise unless both hold the same. Bounded memory: both come in the order of their keys."""
    copied = _entries(destination, "")
    async for entry in _entries(source, ""):
        if await anext(copied, None) != entry:
            raise StorageError(f"the copy differs from the source at or before {entry[0]}; empty it and copy again")
    if (extra := await anext(copied, None)) is not None:
        raise StorageError(f"the destination holds what the source does not: {extra[0]}")
