"""The writing thread: order, deadlines, failures, the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from strongroom.audit.pump import Pump


async def through(pump: Pump) -> None:
    """Wait until the thread is through with what was given up."""
    ended = False
    while not ended:
        await asyncio.sleep(0)
        ended = not pump._given_up


def test_actions_run_in_order_on_one_other_thread() -> None:
    pump, seen = Pump("t", 60), []

    async def work() -> None:
        await asyncio.gather(*(pump.run(lambda n=n: seen.append((n, threading.current_thread()))) for n in range(20)))
        ended = threading.Event()
        pump.close(ended.set)
        await asyncio.to_thread(ended.wait)

    asyncio.run(work())
    assert [n for n, _ in seen] == list(range(20))
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] is not threading.current_thread()


def test_what_an_action_raises_is_raised() -> None:
    pump = Pump("t", 60)

    def fail() -> None:
        raise ConnectionRefusedError("refused")

    with pytest.raises(ConnectionRefusedError):
        asyncio.run(pump.run(fail))
    pump.close(lambda: None)


def test_closing_an_unused_pump_runs_the_last_action_at_once() -> None:
    done: list[bool] = []
    Pump("t", 60).close(lambda: done.append(True))
    assert done == [True]


def test_a_late_action_fails_the_ones_behind_it_until_it_is_through() -> None:
    pump, gate, seen = Pump("t", 0.01), threading.Event(), []

    async def work() -> None:
        with pytest.raises(OSError, match="not written within"):
            await pump.run(lambda: gate.wait() and seen.append("late"))
        pump.deadline = 60
        with pytest.raises(OSError, match="still waiting"):
            await pump.run(lambda: seen.append("refused"))
        gate.set()
        await through(pump)
        await pump.run(lambda: seen.append("next"))

    asyncio.run(work())
    assert seen == ["late", "next"]
    pump.close(lambda: None)


def test_what_is_done_while_the_caller_stands_still_is_done_and_raises() -> None:
    pump, seen = Pump("t", 60), []

    def fail() -> None:
        raise ConnectionRefusedError("refused")

    async def work() -> None:
        for n in range(3):
            assert pump.finish(lambda n=n: seen.append(n), 60) is None
        with pytest.raises(ConnectionRefusedError):
            pump.finish(fail, 60)
        assert pump.busy == 0

    asyncio.run(work())
    assert seen == [0, 1, 2]
    pump.close(lambda: None)


@pytest.mark.parametrize("deadline", [0.01, 60])
def test_what_is_not_done_while_the_caller_stands_still_is_waited_for_by_any_number(deadline: float) -> None:
    pump, gate = Pump("t", deadline), threading.Event()

    async def work() -> None:
        job = pump.finish(gate.wait, 0.01)
        assert job is not None
        waiters = [asyncio.ensure_future(pump.ended(job)) for _ in range(3)]
        if deadline < 1:
            ended = await asyncio.gather(*waiters, return_exceptions=True)
            assert all("not written within" in str(each) for each in ended)
            with pytest.raises(OSError, match="still waiting"):
                pump.finish(lambda: None, 60)
            gate.set()
            await through(pump)
        else:
            await asyncio.sleep(0)
            waiters[0].cancel()
            gate.set()
            ended = await asyncio.gather(*waiters, return_exceptions=True)
            assert ended[1:] == [None, None]
        pump.deadline = 60
        await pump.ended(pump.start(lambda: None))
        assert pump.busy == 0

    asyncio.run(work())
    pump.close(lambda: None)


def test_an_action_whose_caller_is_gone_still_runs() -> None:
    pump, gate, seen = Pump("t", 60), threading.Event(), []

    async def work() -> None:
        task = asyncio.ensure_future(pump.run(lambda: gate.wait() and seen.append("done")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await through(pump)

    asyncio.run(work())
    assert seen == ["done"]
    pump.close(lambda: None)


def test_a_loop_that_ended_meanwhile_is_no_trouble() -> None:
    pump, gate, ended = Pump("t", 0.01), threading.Event(), threading.Event()
    with pytest.raises(OSError, match="not written within"):
        asyncio.run(pump.run(gate.wait))
    pump.close(ended.set)
    gate.set()
    assert ended.wait(60)
