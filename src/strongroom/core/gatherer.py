"""`Gatherer`: a part of the server that gathers notes and writes them now and then; see api/gathered.py."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from strongroom.api.gathered import CHUNK, Gathered
from strongroom.errors import StorageError

log = logging.getLogger("strongroom.core")

K = TypeVar("K")
V = TypeVar("V")


class Gatherer(ABC, Generic[K, V]):
    """Notes by key, one writer at a time; `what` is what the log calls them when the last of them are lost.

    At most `most` wait; `chunk` of them are written in one commit.
    """

    def __init__(self, what: str, join: Callable[[V, V], V], most: int, chunk: int = CHUNK) -> None:
        self._what, self._chunk = what, chunk
        self._notes: Gathered[K, V] = Gathered(join, most)
        #: Held by whatever changes what is stored of the notes.
        self._writing = asyncio.Lock()

    async def flush(self, most: int | None = None) -> None:
        """Write what waits, or about so much of it."""
        async with self._writing:
            await self._notes.flush(self._write, self._chunk, most)

    async def stop(self) -> None:
        """Write what waits."""
        try:
            await self.flush()
        except StorageError as e:
            log.warning("the latest %s were not stored: %s", self._what, type(e).__name__)

    @abstractmethod
    async def _write(self, notes: Mapping[K, V]) -> None:
        """Store some notes in one commit."""
