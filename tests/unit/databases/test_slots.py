"""Slots: requests before work in the background, which still gets its share."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.databases.slots import REQUESTS_FIRST, Slots


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("most", "working"), [(1, 1), (2, 1), (4, 3)])
def test_work_in_the_background_leaves_a_slot_for_requests_if_there_are_several(most: int, working: int) -> None:
    async def work() -> None:
        slots = Slots(most)
        tasks = [asyncio.create_task(slots.acquire(background=True)) for _ in range(most + 2)]
        await settle()
        assert sum(task.done() for task in tasks) == working
        if most > 1:
            await asyncio.wait_for(slots.acquire(), 1)
        for task in tasks:
            task.cancel()

    run(work)


def test_requests_go_first_but_not_for_ever() -> None:
    async def work() -> None:
        slots = Slots(1)
        await slots.acquire()
        order: list[str] = []

        async def one(name: str, background: bool) -> None:
            await slots.acquire(background=background)
            order.append(name)
            slots.release(background=background)

        tasks = [asyncio.create_task(one("work", True)) for _ in range(2)]
        await settle()
        tasks += [asyncio.create_task(one("request", False)) for _ in range(2 * REQUESTS_FIRST)]
        await settle()
        slots.release()
        await asyncio.gather(*tasks)
        assert order[: REQUESTS_FIRST + 1].count("work") == 1
        assert order[0] == "request"
        assert order.count("work") == 2

    run(work)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), st.integers(1, 4))
def test_whoever_gives_up_takes_nobodys_slot(asked: list[tuple[bool, bool]], most: int) -> None:
    """Pairs: whether it is background work, and whether it is cancelled while it waits or holds."""

    async def work() -> None:
        slots = Slots(most)
        held = 0
        highest = 0

        async def one(background: bool) -> None:
            nonlocal held, highest
            await slots.acquire(background=background)
            held += 1
            highest = max(highest, held)
            try:
                await asyncio.sleep(0)
            finally:
                held -= 1
                slots.release(background=background)

        tasks = [(asyncio.create_task(one(background)), gives_up) for background, gives_up in asked]
        await asyncio.sleep(0)
        for task, gives_up in tasks:
            if gives_up:
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*(task for task, _ in tasks), return_exceptions=True), 5)
        assert highest <= most
        for _ in range(most):  # all slots are back
            await asyncio.wait_for(slots.acquire(), 1)

    run(work)
