"""Batches: what is written together, by whom, and what that is made to depend on."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable

import pytest

from strongroom.api.aside import LARGE
from strongroom.audit.batches import Batches
from strongroom.audit.pump import Pump


class Target:
    """Where lines go: who wrote how many, behind a gate, and broken if so wanted."""

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []
        self.threads: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def __call__(self, lines: list[bytes]) -> None:
        self.threads.append(threading.get_ident())
        self.gate.wait()
        if self.broken:
            raise ConnectionResetError("reset")
        self.writes.append(lines)


def batches(target: Callable[[list[bytes]], None], *, slow: float = 60.0, learns: bool = True) -> tuple[Batches, Pump]:
    pump = Pump("t", 60)
    return Batches(pump, target, slow_seconds=slow, retry_seconds=60.0, learns=learns), pump


async def put(made: Batches, line: bytes) -> None:
    await made.put(line)


async def several(made: Batches, count: int, first: int = 0) -> None:
    await asyncio.gather(*(put(made, b"%d" % n) for n in range(first, first + count)))


def test_the_loop_waits_for_a_target_once_it_has_been_quick() -> None:
    target = Target()
    made, pump = batches(target)

    async def work() -> None:
        assert made.slow_until == math.inf
        await several(made, 3)
        assert made.slow_until == 0.0
        jobs = []
        start, pump.start = pump.start, lambda action: jobs.append(action) or start(action)  # type: ignore[method-assign]
        await several(made, 3, 3)
        assert jobs == []
        pump.close(lambda: None)

    asyncio.run(work())
    assert target.writes == [[b"0", b"1", b"2"], [b"3", b"4", b"5"]]
    assert threading.get_ident() not in target.threads


@pytest.mark.parametrize("broken", [True, False])
def test_a_target_that_fails_or_is_slow_is_for_the_thread_alone_until_it_is_quick_again(broken: bool) -> None:
    target = Target()
    made, pump = batches(target, slow=60.0 if broken else 0.01)

    async def work() -> None:
        made.slow_until = 0.0
        target.broken = broken
        if broken:
            with pytest.raises(ConnectionResetError):
                await put(made, b"first")
        else:
            target.gate.clear()
            late = made.put(b"first")
            made.finish()
            target.gate.set()
            await late
        assert made.slow_until == math.inf
        if broken:
            with pytest.raises(ConnectionResetError):
                await put(made, b"second")
            assert made.slow_until == math.inf
        target.broken = False
        made._slow_seconds = 60.0
        await put(made, b"third")
        assert made.slow_until == 0.0
        pump.close(lambda: None)

    asyncio.run(work())
    assert target.writes[-1] == [b"third"]


@pytest.mark.parametrize("direct", [True, False])
def test_without_learning_only_a_slow_write_makes_the_thread_rest(direct: bool) -> None:
    target = Target()
    made, pump = batches(target, learns=False)
    made.direct = direct

    async def work() -> None:
        target.broken = True
        with pytest.raises(ConnectionResetError):
            await put(made, b"lost")
        target.broken = False
        assert made.slow_until == 0.0
        made._slow_seconds = 0.0
        await put(made, b"slow")
        assert made.slow_until > 0.0
        made._slow_seconds = 60.0
        until = made.slow_until
        await put(made, b"by the thread")
        assert made.slow_until == until
        pump.close(lambda: None)

    asyncio.run(work())
    assert [thread == threading.get_ident() for thread in target.threads] == [direct, direct, False]


def test_the_loop_does_not_wait_for_what_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    target, waited = Target(), []
    made, pump = batches(target)
    finish = pump.finish
    monkeypatch.setattr(pump, "finish", lambda action, patience: waited.append(patience) or finish(action, patience))

    async def work() -> None:
        made.slow_until = 0.0
        for size in (LARGE + 1, LARGE):
            await put(made, b"x" * size)
        pump.close(lambda: None)

    asyncio.run(work())
    assert len(waited) == 1
    assert len(target.writes) == 2


def test_who_is_cancelled_takes_nothing_from_the_others() -> None:
    target = Target()
    made, pump = batches(target)

    async def work() -> None:
        target.gate.clear()
        tasks = [asyncio.ensure_future(put(made, b"%d" % n)) for n in range(3)]
        while not target.threads:  # noqa: ASYNC110 - there is nothing to wait for but the thread
            await asyncio.sleep(0)
        tasks[0].cancel()
        target.gate.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)
        assert ended[1:] == [None, None]
        pump.close(lambda: None)

    asyncio.run(work())
    assert target.writes == [[b"0", b"1", b"2"]]
