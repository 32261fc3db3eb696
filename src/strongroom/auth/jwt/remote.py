"""What is read from an issuer now and then, and kept in memory in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from strongroom.auth.outbound import Unreachable
from strongroom.clock import Clock

T = TypeVar("T")

#: Seconds for which a value is used without a look at the issuer's.
FRESH: Final = 300.0
#: Seconds for which it is still used while the issuer cannot be reached.
STALE: Final = 3600.0
#: Seconds between two readings, whatever the reason: those who cannot log in must not make us a burden to the issuer.
PAUSE: Final = 10.0


class Remote(Generic[T]):
    """One value. However many ask for it at a time, it is read once."""

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._value: T | None = None
        self._error: Unreachable | None = None
        self._read_at = self._tried_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """The value.

        Raises:
            Unreachable: it is not known, or not any more.
        """
        if self._age(self._read_at) >= FRESH:
            await self._refresh()
        if self._value is not None and self._age(self._read_at) < STALE:
            return self._value
        raise self._error or Unreachable("the issuer could not be asked")

    async def newer(self) -> T | None:
        """The value after another reading; None when it was read only just now, or cannot be."""
        before = self._read_at
        await self._refresh()
        return self._value if self._read_at > before else None

    async def aclose(self) -> None:
        """Stop reading."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _age(self, since: float) -> float:
        return self._clock.monotonic() - since

    async def _refresh(self) -> None:
        if self._task is None or self._task.done():
            if self._age(self._tried_at) < PAUSE:
                return
            self._tried_at = self._clock.monotonic()
            self._task = asyncio.create_task(self._run())
        # Whoever gives up waiting must not take the reading away from the others.
        await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            self._value = await self._read()
            self._read_at, self._error = self._clock.monotonic(), None
        except Unreachable as e:
            self._error = e


class Remotes:
    """A mount's values, by what they are read from."""

    def __init__(self) -> None:
        self._by_source: dict[tuple[str, ...], Remote[object]] = {}

    def get(self, source: tuple[str, ...], read: Callable[[], Awaitable[T]], clock: Clock) -> Remote[T]:
        """The value of a source, which says all of what it is read from."""
        found = self._by_source.get(source)
        if found is None:
            found = self._by_source[source] = Remote(read, clock)
        return found  # type: ignore[return-value]  # a source has one type

    async def aclose(self) -> None:
        """Forget everything."""
        gone = list(self._by_source.values())
        self._by_source.clear()
        for one in gone:
            await one.aclose()
