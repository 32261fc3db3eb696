from __future__ import annotations

import asyncio

from strongroom.server.flights import Flights


def test_a_request_that_takes_too_long_is_cancelled_and_told_why() -> None:
    async def main() -> list[str]:
        flights, said = Flights(interval=0.001), []

        async def request(limit: float) -> None:
            task = asyncio.current_task()
            assert task is not None
            flights.enter(task, limit)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                said.append("late" if flights.is_overdue(task) else "cancelled")
                task.uncancel()
                await asyncio.sleep(0.01)  # the answer itself is not interrupted again
                said.append("answered")
            finally:
                flights.leave(task)

        await asyncio.create_task(request(0.001))
        other = asyncio.create_task(request(0.0))
        await asyncio.sleep(0)
        other.cancel()
        await other
        assert len(flights) == 0
        flights.close()
        return said

    assert asyncio.run(main()) == ["late", "answered", "cancelled", "answered"]


def test_draining_waits_for_what_is_under_way() -> None:
    async def main() -> None:
        flights, done = Flights(), asyncio.Event()

        async def request() -> None:
            task = asyncio.current_task()
            assert task is not None
            flights.enter(task, 0)
            try:
                await done.wait()
            finally:
                flights.leave(task)

        assert await flights.drained(0)
        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        assert not await flights.drained(0)
        drained = asyncio.create_task(flights.drained(60))
        await asyncio.sleep(0)
        done.set()
        assert await drained
        await task
        flights.close()

    asyncio.run(main())
