"""Background work: bounded, repeated, backed off, recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.clock import ManualClock
from strongroom.core.scheduler import LONGEST_PAUSE, Scheduler, TaskRecord, _Recurring


def played(scenario: Callable[[Scheduler], Awaitable[Any]], workers: int = 8) -> Any:
    async def play() -> Any:
        tasks = Scheduler(SimpleNamespace(clock=ManualClock()), workers)  # type: ignore[arg-type]
        try:
            return await asyncio.wait_for(scenario(tasks), 10)
        finally:
            await tasks.stop()

    return asyncio.run(play())


def test_recurring_work_runs_at_once_and_when_woken() -> None:
    async def scenario(tasks: Scheduler) -> None:
        ran: asyncio.Queue[None] = asyncio.Queue()
        tasks.every("work", 3600, lambda: ran.put(None))
        await ran.get()
        for _ in range(3):
            tasks.wake("work")
            await ran.get()
        with pytest.raises(ValueError, match="exists"):
            tasks.every("work", 1, lambda: ran.put(None))

    played(scenario)


def test_waking_while_it_runs_means_once_more() -> None:
    async def scenario(tasks: Scheduler) -> None:
        started: asyncio.Queue[None] = asyncio.Queue()
        go = asyncio.Event()

        async def work() -> None:
            started.put_nowait(None)
            await go.wait()

        tasks.every("work", 3600, work)
        await started.get()
        tasks.wake("work")
        go.set()
        await started.get()

    played(scenario)


def test_work_that_names_a_moment_is_run_then() -> None:
    async def scenario(tasks: Scheduler) -> None:
        ran: asyncio.Queue[None] = asyncio.Queue()

        async def work() -> float:
            ran.put_nowait(None)
            return 0.0

        tasks.every("work", 3600, work)
        for _ in range(5):
            await ran.get()

    played(scenario)


def test_failures_are_recorded_by_class_only_and_do_not_end_the_work() -> None:
    async def scenario(tasks: Scheduler) -> None:
        ran: asyncio.Queue[None] = asyncio.Queue()

        async def work() -> None:
            ran.put_nowait(None)
            raise ValueError("password=hunter2")

        tasks.every("work", 3600, work)
        await ran.get()
        tasks.wake("work")
        await ran.get()
        await asyncio.sleep(0)
        (record,) = tasks.records()
        assert (record.last_error, record.failures, record.failures_in_a_row) == ("ValueError", 2, 2)
        assert "hunter2" not in repr(record)

    played(scenario)


@pytest.mark.parametrize(
    ("failures", "interval", "asked", "low", "high"),
    [
        (0, 100.0, None, 90, 110),
        (0, 100.0, 7.0, 7, 7),
        (0, 100.0, 700.0, 100, 100),
        (0, 100.0, -1.0, 0, 0),
        (1, 100.0, None, 0.9, 1.1),
        (4, 100.0, None, 7.2, 8.8),
        (30, 100.0, None, 90, 110),
        (30, 1e6, None, 0.9 * LONGEST_PAUSE, 1.1 * LONGEST_PAUSE),
    ],
)
def test_pauses(failures: int, interval: float, asked: float | None, low: float, high: float) -> None:
    async def scenario(tasks: Scheduler) -> None:
        work = _Recurring(TaskRecord("w", interval, failures_in_a_row=failures), lambda: asyncio.sleep(0), 0.1)
        assert low <= tasks._pause(work, asked) <= high

    played(scenario)


def test_no_more_runs_at_once_than_there_are_workers() -> None:
    async def scenario(tasks: Scheduler) -> None:
        running, most = 0, 0

        async def work() -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            for _ in range(3):
                await asyncio.sleep(0)
            running -= 1

        await asyncio.gather(*(tasks.spawn(f"w{n}", work) for n in range(20)))
        assert most == 3

    played(scenario, workers=3)


def test_one_off_work_is_known_to_run_until_it_has_ended() -> None:
    async def scenario(tasks: Scheduler) -> None:
        go = asyncio.Event()

        async def work() -> None:
            await go.wait()

        task = tasks.spawn("purge", work)
        assert tasks.running("purge")
        go.set()
        await task
        assert not tasks.running("purge")
        assert [(r.name, r.runs) for r in tasks.records()] == [("purge", 1)]
        for number in range(300):
            await tasks.spawn(f"w{number}", lambda: asyncio.sleep(0))
        assert len(tasks.records()) <= 101

    played(scenario)


def test_stopping_ends_everything_and_nothing_starts_after_it() -> None:
    async def scenario(tasks: Scheduler) -> None:
        begun, ended = asyncio.Event(), []

        async def work() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        tasks.every("work", 1, work)
        await begun.wait()
        await tasks.stop()
        late = tasks.spawn("late", work)
        await asyncio.gather(late, return_exceptions=True)
        assert ended == [True]

    played(scenario)
