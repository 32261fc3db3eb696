"""Keeps what is being made under a token, and the taking down of the token, apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Counts who is making something (a child, a lease) under a token, from the check that it lives to the commit.

    Whoever takes the token down first makes that durable, so that nobody new passes the check, and then waits until
    those inside have left: only then are all the token's children and leases there to be found. In one process this
    costs makers a counter, where a lock would have them wait for each other's commits.
    """

    def __init__(self) -> None:
        self._inside: dict[str, int] = {}
        self._left: dict[str, asyncio.Event] = {}

    @contextmanager
    def enter(self, key: str) -> Iterator[None]:
        """Be inside for a block."""
        self._inside[key] = self._inside.get(key, 0) + 1
        try:
            yield
        finally:
            self._inside[key] -= 1
            if not self._inside[key]:
                del self._inside[key]
                if (left := self._left.pop(key, None)) is not None:
                    left.set()

    async def empty(self, key: str) -> None:
        """Wait until nobody is inside."""
        while key in self._inside:
            await self._left.setdefault(key, asyncio.Event()).wait()
