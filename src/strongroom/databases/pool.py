"""A pool of connections that are opened when they are wanted.

Work waits for a slot, for a bounded time (databases/slots.py). Whoever opens a connection gets the database's own error
when that fails. A connection whose work was broken off is closed, never used again; so is one that failed in the
middle of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

from strongroom.clock import Clock
from strongroom.databases.plugin import DatabaseError
from strongroom.databases.settings import Limits
from strongroom.databases.slots import Slots

#: How long work waits for a slot, in seconds.
WAIT_SECONDS: Final = 30.0
#: How long opening a connection may take.
OPEN_SECONDS: Final = 15.0
#: How long closing one may take; what takes longer is left to the operating system.
CLOSE_SECONDS: Final = 2.0


class Connection(Protocol):
    """What a pool keeps."""

    def usable(self) -> bool:
        """Whether it still looks alive and no work was left half done; asked without talking to the database."""

    async def close(self) -> None:
        """Close it."""


C = TypeVar("C", bound=Connection)
T = TypeVar("T")


class Pool(Generic[C]):
    """Connections of one kind."""

    def __init__(self, open_: Callable[[], Awaitable[C]], limits: Limits, clock: Clock | None = None) -> None:
        self._open = open_
        self._limits = limits
        self._clock = clock or Clock()
        self._slots = Slots(limits.most)
        #: Connections at rest and when they were opened; the one used last is the first.
        self._idle: deque[tuple[C, float]] = deque()
        self._closed = False

    def use(self, *, background: bool = False) -> Use[C]:
        """A connection for a block. Raises `DatabaseError` when none is free in time, and what opening raises."""
        return Use(self, background)

    async def _acquire(self, background: bool) -> tuple[C, float]:
        if not self._slots.try_acquire(background=background):
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._slots.acquire(background=background)
            except TimeoutError:
                raise DatabaseError(f"no connection became free within {WAIT_SECONDS:.0f} seconds") from None
        try:
            return await self._take()
        except BaseException:
            self._slots.release(background=background)
            raise

    async def _release(self, connection: C, opened: float, error: BaseException | None, background: bool) -> None:
        try:
            if error is None or isinstance(error, Exception):
                await self._give_back(connection, opened)  # if a failure left it usable
            else:
                await _close(connection)
        finally:
            self._slots.release(background=background)

    async def aclose(self) -> None:
        """Close what is at rest now, and what is in use when it comes back."""
        self._closed = True
        while self._idle:
            await _close(self._idle.popleft()[0])

    async def _take(self) -> tuple[C, float]:
        while self._idle:
            connection, opened = self._idle.popleft()
            if self._fresh(opened) and connection.usable():
                return connection, opened
            await _close(connection)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                connection = await self._open()
        except TimeoutError:
            raise DatabaseError(f"connecting took longer than {OPEN_SECONDS:.0f} seconds") from None
        return connection, self._clock.monotonic()

    async def _give_back(self, connection: C, opened: float) -> None:
        if not self._closed and len(self._idle) < self._limits.idle and self._fresh(opened) and connection.usable():
            self._idle.appendleft((connection, opened))
        else:
            await _close(connection)

    def _fresh(self, opened: float) -> bool:
        return not self._limits.lifetime or self._clock.monotonic() - opened < self._limits.lifetime


class Use(Generic[C]):
    """A pool's connection, for one block."""

    __slots__ = ("_background", "_pool", "_taken")

    def __init__(self, pool: Pool[C], background: bool) -> None:
        self._pool, self._background = pool, background

    async def __aenter__(self) -> C:
        self._taken = await self._pool._acquire(self._background)
        return self._taken[0]

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._pool._release(*self._taken, error, self._background)


class Made(Generic[C, T]):
    """What is made of a pool's connection, for one block."""

    __slots__ = ("_make", "_use")

    def __init__(self, use: Use[C], make: Callable[[C], T]) -> None:
        self._use, self._make = use, make

    async def __aenter__(self) -> T:
        return self._make(await self._use.__aenter__())

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._use.__aexit__(kind, error, trace)


async def _close(connection: Connection) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
    except Exception:  # noqa: S110 - it is thrown away in any case
        pass
