"""Locks: one holder, in order, gone when nobody wants them; and work that is not broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from strongroom.core.locks import HeldLocks, Locks
from strongroom.core.unbroken import to_the_end


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


async def turns(count: int = 10) -> None:
    """Let everybody else go as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_lock_has_one_holder_and_serves_in_order() -> None:
    async def scenario() -> None:
        locks, order, inside = Locks(), [], 0

        async def work(number: int) -> None:
            nonlocal inside
            async with locks.hold("a"):
                inside += 1
                assert inside == 1
                order.append(number)
                await turns(3)
                inside -= 1

        await asyncio.gather(*(work(n) for n in range(20)))
        assert order == list(range(20))
        assert locks._locks == {}

    run(scenario)


def test_locks_of_other_names_do_not_wait() -> None:
    async def scenario() -> None:
        locks = Locks()
        async with locks.hold("a"):
            async with asyncio.timeout(5):
                async with locks.hold("b"):
                    assert set(locks._locks) == {"a", "b"}
        assert locks._locks == {}

    run(scenario)


def test_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    async def scenario() -> None:
        locks = Locks()
        await locks.acquire("a")
        waiting = [asyncio.create_task(locks.acquire("a")) for _ in range(3)]
        await turns()
        waiting[1].cancel()
        await turns()
        assert waiting[1].cancelled()
        for task in (waiting[0], waiting[2]):
            locks.release("a")
            await task
        locks.release("a")
        assert locks._locks == {}

    run(scenario)


def test_who_is_cancelled_as_the_lock_comes_passes_it_on() -> None:
    async def scenario() -> None:
        locks = Locks()
        await locks.acquire("a")
        first, second = (asyncio.create_task(locks.acquire("a")) for _ in range(2))
        await turns()
        locks.release("a")  # wakes the first, which is cancelled before it runs
        first.cancel()
        await second
        locks.release("a")
        await asyncio.gather(first, return_exceptions=True)
        assert locks._locks == {}

    run(scenario)


def test_an_error_inside_lets_the_lock_go() -> None:
    async def scenario() -> None:
        locks = Locks()
        with pytest.raises(RuntimeError):
            async with locks.hold("a"):
                raise RuntimeError
        assert locks._locks == {}

    run(scenario)


def test_a_request_takes_each_lock_once_and_releases_all() -> None:
    async def scenario() -> None:
        locks = Locks()
        held = HeldLocks(locks)
        for key in ("a", "b", "a"):
            await held.take(key)
        other = HeldLocks(locks)
        waiting = asyncio.create_task(other.take("a"))
        await turns()
        assert not waiting.done()
        held.release()
        held.release()
        await waiting
        other.release()
        assert locks._locks == {}

    run(scenario)


def test_work_goes_on_to_the_end_when_its_caller_is_cancelled() -> None:
    async def scenario() -> None:
        done: list[str] = []
        go = asyncio.Event()

        async def work() -> str:
            await go.wait()
            done.append("work")
            return "result"

        async def caller() -> None:
            try:
                await to_the_end(work())
            finally:
                done.append("caller")

        task = asyncio.create_task(caller())
        await turns()
        for _ in range(3):  # however often
            task.cancel()
            await turns()
        assert done == []
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["work", "caller"]

    run(scenario)


def test_without_cancellation_work_is_awaited_like_any_other() -> None:
    async def scenario() -> None:
        async def fine() -> int:
            return 7

        async def wrong() -> None:
            raise LookupError

        assert await to_the_end(fine()) == 7
        with pytest.raises(LookupError):
            await to_the_end(wrong())

    run(scenario)


def test_a_failure_after_the_cancellation_is_not_lost_in_a_warning() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def wrong() -> None:
            await go.wait()
            raise ValueError

        task = asyncio.create_task(to_the_end(wrong()))
        await turns()
        task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario)


def test_work_that_ends_itself_by_cancellation_ends_the_caller() -> None:
    async def scenario() -> None:
        async def gives_up() -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await to_the_end(gives_up())

    run(scenario)
