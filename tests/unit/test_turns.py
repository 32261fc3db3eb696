"""Work begun without a task, and joints."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from strongroom.turns import ABREAST, MOST_AT_ONCE, Certainty, Driver, Joint, driven, own_task

Make = Callable[[int, list[Any]], Coroutine[Any, Any, None]]


class Scene:
    """A driver, what it made tasks of, and what the coroutines told."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.told: list[Any] = []
        self.failed: list[BaseException] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.failed.append(context["exception"]))
        self.driver = Driver(loop, self.tasks.append, loop.call_soon_threadsafe)

    async def play(self, make: Make, count: int) -> None:
        for n in range(count):
            self.driver.bring(make(n, self.told))
        for _ in range(count // MOST_AT_ONCE + 1):
            await asyncio.sleep(0)
        await asyncio.gather(*self.tasks, return_exceptions=True)


def play(make: Make, count: int = 1) -> Scene:
    async def run() -> Scene:
        scene = Scene()
        await scene.play(make, count)
        return scene

    return asyncio.run(run())


def test_what_waits_for_nothing_gets_no_task() -> None:
    async def work(n: int, told: list[Any]) -> None:
        told.append((n, asyncio.current_task()))

    scene = play(work, 3 * MOST_AT_ONCE + 1)
    assert scene.told == [(n, None) for n in range(3 * MOST_AT_ONCE + 1)]
    assert not scene.tasks


def test_what_waits_for_a_certainty_goes_on_without_a_task_and_all_of_them_in_one_turn() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        sure, joints = [Certainty(loop=loop) for _ in range(4)], []
        told: list[Any] = []

        async def work(n: int) -> None:
            try:
                await sure[n]
            except OSError as e:
                told.append(e)
            joint = joints[0] if joints else joints.append(Joint(lambda: told.append("joined"))) or joints[0]
            await joint
            told.append((n, driven()))

        driver = Driver(loop, lambda _: pytest.fail("a task"), loop.call_soon)
        for n in range(4):
            driver.bring(work(n))
        await asyncio.sleep(0)
        assert told == []
        failure = OSError()
        for one in sure[:3]:
            one.set_result(None)
        sure[3].set_exception(failure)
        for _ in range(3):
            await asyncio.sleep(0)
        assert told == [failure, "joined", (0, True), (1, True), (2, True), (3, True)]

    asyncio.run(run())


def test_abreast_none_goes_on_before_all_have_come() -> None:
    async def run() -> list[str]:
        told: list[str] = []
        loop = asyncio.get_running_loop()
        gate = loop.create_future()
        tasks: list[asyncio.Task[None]] = []

        async def work(n: int, waits: bool = False) -> None:
            told.append(f"{n} comes")
            if waits:
                await gate
            await ABREAST
            told.append(f"{n} goes on")

        driver = Driver(loop, tasks.append, loop.call_soon)
        driver.bring(work(0))
        driver.bring(work(1, waits=True))
        driver.bring(work(2))
        await asyncio.sleep(0)
        told.append("the turn is over")
        gate.set_result(None)
        await asyncio.gather(*tasks)
        return told

    assert asyncio.run(run()) == [
        "0 comes",
        "1 comes",
        "2 comes",
        "0 goes on",
        "2 goes on",
        "the turn is over",
        "1 goes on",
    ]


def test_a_turn_begins_only_so_many() -> None:
    async def run() -> list[int]:
        told: list[int] = []
        loop = asyncio.get_running_loop()
        driver = Driver(loop, lambda _: None, loop.call_soon_threadsafe)

        async def work(n: int) -> None:
            told.append(n)

        for n in range(MOST_AT_ONCE + 1):
            driver.bring(work(n))
        await asyncio.sleep(0)
        begun = [len(told)]
        await asyncio.sleep(0)
        return [*begun, len(told)]

    assert asyncio.run(run()) == [MOST_AT_ONCE, MOST_AT_ONCE + 1]


def test_work_that_brings_work_has_one_turn_after_the_other() -> None:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        begun: list[int] = []

        async def work(n: int) -> None:
            begun.append(n)
            driver.bring(work(n + 1))

        driver = Driver(loop, lambda _: pytest.fail("a task"), loop.call_soon)
        driver.bring(work(0))
        per_turn, before = [], 0
        for _ in range(12):
            await asyncio.sleep(0)
            per_turn.append(len(begun) - before)
            before = len(begun)
        driver._arrived.pop().close()
        return per_turn

    assert asyncio.run(run()) == [1] * 12


def test_what_waits_for_something_becomes_a_task_and_gets_its_result() -> None:
    async def work(n: int, told: list[Any]) -> None:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, n)
        told.append(await future)
        told.append(asyncio.current_task() is not None)

    scene = play(work)
    assert scene.told == [0, True]
    assert len(scene.tasks) == 1


def test_own_task_gives_a_task_where_there_is_none() -> None:
    async def work(n: int, told: list[Any]) -> None:
        told.append(asyncio.current_task())
        await own_task()
        async with asyncio.timeout(10):
            await own_task()
            await asyncio.sleep(0)
        told.append(asyncio.current_task())

    scene = play(work)
    assert scene.told == [None, scene.tasks[0]]


def test_a_task_that_is_cancelled_is_cancelled_inside() -> None:
    async def run() -> list[str]:
        scene = Scene()

        async def work() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                scene.told.append("cleaned up")

        scene.driver.bring(work())
        await asyncio.sleep(0)
        scene.tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await scene.tasks[0]
        return scene.told

    assert asyncio.run(run()) == ["cleaned up"]


@pytest.mark.parametrize("failure", [ValueError, asyncio.CancelledError])
def test_a_failure_is_reported_and_stops_nobody_else(failure: type[BaseException]) -> None:
    async def work(n: int, told: list[Any]) -> None:
        if n == 1:
            raise failure("no")
        told.append(n)

    scene = play(work, 3)
    assert scene.told == [0, 2]
    assert [str(each) for each in scene.failed] == ["no"]


def test_those_who_wait_for_a_joint_go_on_in_the_same_turn_without_a_task() -> None:
    done: list[str] = []
    joint = Joint(lambda: done.append("written"))

    async def work(n: int, told: list[Any]) -> None:
        told.append(("before", len(done)))
        await joint
        told.append(("after", len(done)))

    scene = play(work, 3)
    assert scene.told == [("before", 0)] * 3 + [("after", 1)] * 3
    assert not scene.tasks


def test_who_comes_to_another_joint_waits_again() -> None:
    done: list[int] = []
    joints = [Joint(lambda i=i: done.append(i)) for i in range(3)]  # type: ignore[misc]

    async def work(n: int, told: list[Any]) -> None:
        for joint in joints:
            await joint
        told.append(list(done))

    scene = play(work, 2)
    assert scene.told == [[0, 1, 2]] * 2


def test_in_tasks_a_joint_is_done_once_in_the_next_turn() -> None:
    done: list[str] = []

    async def run() -> None:
        joint = Joint(lambda: done.append("written"))

        async def wait() -> None:
            await joint
            assert done == ["written"]

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, type(None), type(None)]
        await joint  # long done

    asyncio.run(run())
    assert done == ["written"]


@pytest.mark.parametrize("in_task", [False, True])
def test_what_a_joint_raises_everybody_gets(in_task: bool) -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    joint = Joint(fail)

    async def work(n: int, told: list[Any]) -> None:
        if in_task:
            await own_task()
        try:
            await joint
        except OSError as e:
            told.append(str(e))

    assert play(work, 3).told == ["the disk is full"] * 3


def test_threads_may_bring_work_while_the_loop_is_busy() -> None:
    count = 2000

    async def run() -> int:
        told: list[int] = []
        all_there = asyncio.Event()
        loop = asyncio.get_running_loop()
        driver = Driver(loop, lambda _: None, loop.call_soon_threadsafe)

        async def work(n: int) -> None:
            told.append(n)
            if len(told) == 2 * count:
                all_there.set()

        def bring(first: int) -> None:
            for n in range(first, first + count):
                driver.bring(work(n))

        threads = [threading.Thread(target=bring, args=(first,)) for first in (0, count)]
        for thread in threads:
            thread.start()
        async with asyncio.timeout(30):
            await all_there.wait()
        for thread in threads:
            thread.join()
        return len(set(told))

    assert asyncio.run(run()) == 2 * count
