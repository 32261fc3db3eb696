import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from strongroom.clock import ManualClock
from strongroom.databases import pool as pools
from strongroom.databases.plugin import DatabaseError
from strongroom.databases.pool import Pool
from strongroom.databases.settings import Limits


class Fake:
    def __init__(self) -> None:
        self.open, self.good = True, True

    def usable(self) -> bool:
        return self.open and self.good

    async def close(self) -> None:
        self.open = False


class World:
    def __init__(self, limits: Limits) -> None:
        self.clock = ManualClock()
        self.opened: list[Fake] = []
        self.refuses = False
        self.pool: Pool[Fake] = Pool(self.connect, limits, self.clock)

    async def connect(self) -> Fake:
        await asyncio.sleep(0)
        if self.refuses:
            raise DatabaseError("refused")
        self.opened.append(Fake())
        return self.opened[-1]

    @property
    def alive(self) -> int:
        return sum(fake.open for fake in self.opened)


def run(limits: Limits, work: Callable[[World], Awaitable[Any]]) -> World:
    world = World(limits)
    asyncio.run(work(world))  # type: ignore[arg-type]
    return world


async def use(world: World, seconds: float = 0) -> None:
    async with world.pool.use():
        await asyncio.sleep(seconds)


def test_a_connection_is_used_again() -> None:
    async def work(world: World) -> None:
        await use(world)
        await use(world)

    assert len(run(Limits(), work).opened) == 1


def test_no_more_are_open_than_allowed_and_no_more_at_rest() -> None:
    async def work(world: World) -> None:
        await asyncio.gather(*(use(world) for _ in range(50)))
        assert world.alive == 1

    assert len(run(Limits(3, 1), work).opened) >= 3


@pytest.mark.parametrize("what", ["age", "health"])
def test_one_that_is_old_or_dead_is_replaced(what: str) -> None:
    async def work(world: World) -> None:
        await use(world)
        if what == "age":
            world.clock.advance(11)
        else:
            world.opened[0].good = False
        await use(world)
        assert world.alive == 1

    assert len(run(Limits(lifetime=10), work).opened) == 2


def test_a_failure_keeps_what_is_usable_and_cancelling_does_not() -> None:
    async def work(world: World) -> None:
        with pytest.raises(DatabaseError):
            async with world.pool.use():
                raise DatabaseError("no such table")
        assert world.alive == 1
        task = asyncio.create_task(use(world, 60))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.alive == 0
        await use(world)

    assert len(run(Limits(1, 1), work).opened) == 2


def test_the_errors_of_opening_are_the_callers_and_take_no_place() -> None:
    async def work(world: World) -> None:
        world.refuses = True
        for _ in range(3):
            with pytest.raises(DatabaseError, match="refused"):
                await use(world)
        world.refuses = False
        await use(world)

    run(Limits(1, 1), work)


def test_waiting_for_a_turn_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "WAIT_SECONDS", 0.01)

    async def work(world: World) -> None:
        async with world.pool.use():
            with pytest.raises(DatabaseError, match="no connection became free"):
                await use(world)

    run(Limits(1, 1), work)


def test_after_closing_nothing_stays_open() -> None:
    async def work(world: World) -> None:
        await use(world)
        async with world.pool.use():
            await world.pool.aclose()
        assert world.alive == 0

    run(Limits(), work)
