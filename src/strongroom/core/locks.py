"""Locks on single objects: fair, made when first asked for, gone when nobody wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Locks:
    """Named locks. Who needs several takes them in sorted order."""

    def __init__(self) -> None:
        # Each with the number of its holders and waiters; asyncio's lock serves waiters in order.
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    async def acquire(self, key: str) -> None:
        """Wait for the lock on `key`."""
        lock, wanted = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = (lock, wanted + 1)
        try:
            await lock.acquire()
        except BaseException:
            self._drop(key)
            raise

    def release(self, key: str) -> None:
        """Let go of a lock that `acquire` gave."""
        self._locks[key][0].release()
        self._drop(key)

    def _drop(self, key: str) -> None:
        lock, wanted = self._locks[key]
        if wanted == 1:
            del self._locks[key]
        else:
            self._locks[key] = (lock, wanted - 1)

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold the lock on `key` for a block."""
        await self.acquire(key)
        try:
            yield
        finally:
            self.release(key)


class HeldLocks:
    """The locks of one request: each taken once, all released together when its commit is durable."""

    __slots__ = ("_held", "_locks")

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._held: list[str] = []

    async def take(self, key: str) -> None:
        """Take a lock unless the request has it."""
        if key not in self._held:
            await self._locks.acquire(key)
            self._held.append(key)

    def release(self) -> None:
        """Release all, last taken first."""
        while self._held:
            self._locks.release(self._held.pop())
