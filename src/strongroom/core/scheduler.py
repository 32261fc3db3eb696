"""Background work: bounded, spread out in time, and with a record of how it went."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.core.live import Live

log = logging.getLogger("strongroom.tasks")

#: How many pieces of work run at the same time; the others wait their turn.
WORKERS = 8

#: The first pause after a failure; it doubles with each further one, up to the work's own interval or `LONGEST_PAUSE`.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0

#: How many finished one-off pieces of work are remembered.
REMEMBERED = 100

#: Does the work; may return the seconds until it wants to run again, in place of its interval.
Action = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class TaskRecord:
    """How a piece of work went. Times are Unix nanoseconds, 0 for never; `interval` seconds, 0 for one-off work.

    `last_error` names the class of the last failure only: messages may quote what must not be shown.
    """

    name: str
    interval: float = 0.0
    running: bool = False
    runs: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    last_start: int = 0
    last_end: int = 0
    last_error: str = ""


class _Recurring:
    __slots__ = ("action", "jitter", "record", "wanted")

    def __init__(self, record: TaskRecord, action: Action, jitter: float) -> None:
        self.record, self.action, self.jitter = record, action, jitter
        self.wanted = asyncio.Event()


class Scheduler:
    """Runs background work until `stop`. All methods belong to the event loop."""

    def __init__(self, live: Live, workers: int = WORKERS) -> None:
        self._clock = live.clock
        self._workers = asyncio.Semaphore(workers)
        self._recurring: dict[str, _Recurring] = {}
        self._once: dict[str, TaskRecord] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def load(self) -> None:
        """Nothing is kept between unsealings."""

    def every(self, name: str, interval: float, action: Action, *, jitter: float = 0.1, first: float = 0.0) -> None:
        """Run `action` now (or in `first` seconds) and then every `interval` seconds, give or take the share `jitter`.

        After a failure the pause starts at a second and doubles. A name has one piece of work: the later replaces none.
        """
        if name in self._recurring:
            raise ValueError(f"background work named {name} exists")
        work = _Recurring(TaskRecord(name, interval), action, jitter)
        self._recurring[name] = work
        self._start(self._repeat(work, first))

    def spawn(self, name: str, action: Action, *, outside: bool = False) -> asyncio.Task[None]:
        """Run `action` once. While one of the same name runs, that one's record is not replaced.

        With `outside` it waits for no worker: for what mostly waits for other systems and bounds itself.
        """
        record = TaskRecord(name)
        current = self._once.get(name)
        if current is None or not current.running:
            self._once.pop(name, None)
            self._once[name] = record
            self._forget_old()
        record.running = True  # from now on, though it may still wait for its turn
        return self._start(self._run_once(record, action, outside))

    def running(self, name: str) -> bool:
        """Whether work of this name runs or waits for its turn."""
        record = self._once.get(name) or (self._recurring[name].record if name in self._recurring else None)
        return record is not None and record.running

    def wake(self, name: str) -> None:
        """Run recurring work as soon as possible, once more if it runs already."""
        work = self._recurring.get(name)
        if work is not None:
            work.wanted.set()

    def records(self) -> list[TaskRecord]:
        """How all work went, recurring first, by name."""
        recurring = [work.record for work in self._recurring.values()]
        return sorted(recurring, key=lambda r: r.name) + sorted(self._once.values(), key=lambda r: r.name)

    async def stop(self) -> None:
        """Cancel everything and wait until it has ended."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._stopped:
            task.cancel()
        return task

    async def _repeat(self, work: _Recurring, first: float) -> None:
        pause = first
        while True:
            if pause > 0:
                await self._wait(work, pause)
            else:
                await asyncio.sleep(0)  # work that never waits must not starve everything else
            work.wanted.clear()
            asked = await self._run(work.record, work.action)
            pause = self._pause(work, asked)

    async def _run_once(self, record: TaskRecord, action: Action, outside: bool) -> None:
        try:
            await self._run(record, action, nullcontext() if outside else None)
        finally:
            record.running = False

    async def _run(self, record: TaskRecord, action: Action, turn: nullcontext[None] | None = None) -> Any:
        async with turn or self._workers:
            record.running, record.last_start = True, self._clock.now_ns()
            try:
                asked = await action()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                record.failures += 1
                record.failures_in_a_row += 1
                record.last_error = type(error).__name__
                log.exception("background work failed: %s", record.name)
                return None
            else:
                record.failures_in_a_row = 0
                return asked
            finally:
                record.running, record.last_end = False, self._clock.now_ns()
                record.runs += 1

    @staticmethod
    def _pause(work: _Recurring, asked: Any) -> float:
        record = work.record
        if record.failures_in_a_row:
            doubled = FIRST_PAUSE * 2.0 ** min(record.failures_in_a_row - 1, 16)
            pause = min(doubled, max(work.record.interval, FIRST_PAUSE), LONGEST_PAUSE)
        elif isinstance(asked, (int, float)) and not isinstance(asked, bool):
            # What asks for a moment means it: jitter would make expiry late.
            return max(0.0, min(float(asked), record.interval))
        else:
            pause = record.interval
        return pause * (1 + work.jitter * (2 * random.random() - 1))  # noqa: S311 - spreads load, hides nothing

    @staticmethod
    async def _wait(work: _Recurring, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await work.wanted.wait()
        except TimeoutError:
            pass

    def _forget_old(self) -> None:
        for name in [name for name, record in self._once.items() if not record.running][: -REMEMBERED or None]:
            if len(self._once) <= REMEMBERED:
                break
            del self._once[name]
