"""What is read from an issuer: once for all who ask, seldom, and kept for a while when the issuer is away."""

from __future__ import annotations

import asyncio

import pytest

from strongroom.auth.jwt.remote import FRESH, PAUSE, STALE, Remote, Remotes
from strongroom.auth.outbound import Unreachable
from strongroom.clock import ManualClock


class Source:
    def __init__(self) -> None:
        self.reads, self.away = 0, False
        self.gate: asyncio.Event | None = None

    async def read(self) -> int:
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise Unreachable("away")
        return self.reads


def test_a_value_is_read_again_when_it_is_no_longer_fresh() -> None:
    async def main() -> None:
        source, clock = Source(), ManualClock()
        remote = Remote(source.read, clock)
        assert [await remote.get(), await remote.get()] == [1, 1]
        clock.advance(FRESH)
        assert await remote.get() == 2

    asyncio.run(main())


def test_many_who_ask_at_a_time_read_once_and_one_that_gives_up_does_not_stop_it() -> None:
    async def main() -> None:
        source, clock = Source(), ManualClock()
        source.gate = asyncio.Event()
        remote = Remote(source.read, clock)
        tasks = [asyncio.create_task(remote.get()) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        source.gate.set()
        assert await asyncio.gather(*tasks[1:]) == [1, 1, 1, 1]
        assert source.reads == 1

    asyncio.run(main())


def test_who_is_away_is_not_asked_all_the_time_and_what_is_known_counts_for_a_while() -> None:
    async def main() -> None:
        source, clock = Source(), ManualClock()
        remote = Remote(source.read, clock)
        source.away = True
        for _ in range(3):
            with pytest.raises(Unreachable, match="away"):
                await remote.get()
        assert source.reads == 1
        source.away = False
        clock.advance(PAUSE)
        assert await remote.get() == 2
        source.away = True
        clock.advance(STALE - 1)
        assert await remote.get() == 2
        clock.advance(PAUSE)
        with pytest.raises(Unreachable):
            await remote.get()

    asyncio.run(main())


def test_newer_is_nothing_when_it_was_read_just_now() -> None:
    async def main() -> None:
        source, clock = Source(), ManualClock()
        remote = Remote(source.read, clock)
        assert await remote.get() == 1
        assert await remote.newer() is None
        clock.advance(PAUSE)
        assert await remote.newer() == 2
        source.away = True
        clock.advance(PAUSE)
        assert await remote.newer() is None
        assert await remote.get() == 2

    asyncio.run(main())


def test_closing_stops_what_is_being_read() -> None:
    async def main() -> None:
        source, clock = Source(), ManualClock()
        source.gate = asyncio.Event()
        remotes = Remotes()
        remote = remotes.get(("a",), source.read, clock)
        assert remotes.get(("a",), source.read, clock) is remote
        waiting = asyncio.create_task(remote.get())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await remotes.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert remotes.get(("a",), source.read, clock) is not remote

    asyncio.run(main())
