"""The expiration: reads from the expiry index what is due, and nothing else; takes it down with bounded work.

Tokens are taken down as they are read. Leases go to a queue per mount with a few workers each, so that an engine whose
outside world hangs holds up nobody else. What a full queue does not take stays in the index: the queue remembers where
the first of it stands, and reads on from there when it has room. So however much falls due at one moment, each row is
looked at about once, and what a mount that hangs has piled up is passed over without being read.

A look begins shortly before where the last one ended: a row that was told of may be committed a little later. About
once a minute one begins at the very start of the index, so that nothing can be missed for longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from strongroom.core import lease_index
from strongroom.core.lease_index import Due
from strongroom.core.slices import Slices

if TYPE_CHECKING:
    from strongroom.core.live import Live

log = logging.getLogger("strongroom.leases")

TASK: Final = "lease expiration"

#: The longest pause between two looks at the index, seconds; also what is lost when the clock is set.
INTERVAL: Final = 60.0

#: How many leases of a mount are worked on at once, most of them waiting for a commit that they share.
WORKERS_PER_MOUNT: Final = 24
#: How many of those are in the engine's hands.
CALLS_PER_MOUNT: Final = 8
QUEUE_PER_MOUNT: Final = 1024

#: How far before its predecessor's end a look begins.
OVERLAP: Final = 10_000_000_000

_TENTH: Final = 100_000_000
_NANO: Final = 1_000_000_000

#: Undoes what a row stands for; with at most so many calls of the engine at once as the semaphore allows.
Expire = Callable[[Due, asyncio.Semaphore], Awaitable[None]]


class _Queue:
    """What is due of one mount."""

    __slots__ = ("calls", "failing", "filling", "rows", "skipped", "workers")

    def __init__(self) -> None:
        self.rows: deque[Due] = deque()
        self.workers: set[asyncio.Task[None]] = set()
        self.filling: asyncio.Task[None] | None = None
        self.calls = asyncio.Semaphore(CALLS_PER_MOUNT)
        #: The key of the first row that had no room, "" if all had.
        self.skipped = ""
        #: Whether our own storage failed: the work rests until the next look.
        self.failing = False

    @property
    def full(self) -> bool:
        return len(self.rows) >= QUEUE_PER_MOUNT

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [*self.workers, *((self.filling,) if self.filling is not None else ())]

    def skip(self, key: str) -> None:
        """Note a row to come back to."""
        if not self.skipped or key < self.skipped:
            self.skipped = key


class Expiration:
    """Runs as recurring work of the scheduler."""

    def __init__(self, live: Live, expire: Expire) -> None:
        self._live = live
        self._clock = live.clock
        self._expire = expire
        #: Tenths of seconds at which something made since the last look falls due.
        self._hints: set[int] = set()
        self._wakes_ns = 0
        #: Up to when the index was looked at last, and when a look last began at its start.
        self._seen_ns = 0
        self._complete_ns = 0
        #: By the tag of the mount.
        self._queues: dict[str, _Queue] = {}
        #: The keys of the rows that are queued or worked on.
        self._taken: set[str] = set()

    def start(self) -> None:
        """Begin looking."""
        self._live.tasks.every(TASK, INTERVAL, self.run)

    def due_at(self, at_ns: int) -> None:
        """Tell that something will fall due; it need not be committed yet. 0 is never."""
        now = self._clock.now_ns()
        if not at_ns or at_ns > now + int(INTERVAL) * _NANO:
            return
        self._hints.add(-(-at_ns // _TENTH))
        if at_ns < self._wakes_ns:
            self._wakes_ns = at_ns
            self._live.tasks.wake(TASK)

    async def run(self, *, complete: bool = False) -> float:
        """Take down or queue what is due, `complete` from the start; returns the seconds until the next look."""
        now = self._clock.now_ns()
        self._hints = {tenth for tenth in self._hints if tenth * _TENTH > now}
        begin = max(0, min(self._seen_ns, now) - OVERLAP)
        if complete or not 0 <= now - self._complete_ns < INTERVAL * _NANO:
            begin, self._complete_ns = 0, now
        slices = Slices()
        async for rows in lease_index.due(self._live.barrier, now, begin):
            tokens = [row for row in rows if row.kind == lease_index.TOKEN]
            if tokens:
                await self._live.tokens.sweep(tokens)
            for row in rows:
                if row.kind == lease_index.LEASE:
                    self._take(row)
            await slices.end()
        self._seen_ns = now
        for tag, queue in list(self._queues.items()):
            queue.failing = False
            self._staff(tag, queue)
            self._fill(tag, queue)
        return await self._pause(now)

    async def idle(self) -> None:
        """Wait until the queues are empty."""
        while tasks := [task for queue in self._queues.values() for task in queue.tasks]:
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # let the tasks' own ends be noted

    async def stop(self) -> None:
        """Drop the queues; what was under way is done again after the next start."""
        queues = list(self._queues.values())
        self._queues.clear()
        self._taken.clear()
        tasks = [task for queue in queues for task in queue.tasks]
        for queue in queues:
            queue.rows.clear()
            queue.skipped, queue.failing = "", True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pause(self, now: int) -> float:
        following = await lease_index.next_ns(self._live.barrier, now)
        wakes = [tenth * _TENTH for tenth in self._hints]
        if following:
            wakes.append(following)
        latest = now + int(INTERVAL) * _NANO
        self._wakes_ns = min([latest, *wakes])
        return max(0.0, (self._wakes_ns - self._clock.now_ns()) / _NANO)

    def _take(self, row: Due) -> None:
        """Queue a row, or note that it has to wait."""
        queue = self._queues.get(row.mount)
        if queue is None:
            queue = self._queues[row.mount] = _Queue()
        if row.key in self._taken:
            return
        if queue.skipped or queue.full:
            queue.skip(row.key)  # the earlier come first
        else:
            self._put(row, queue)

    def _put(self, row: Due, queue: _Queue) -> None:
        queue.rows.append(row)
        self._taken.add(row.key)
        self._staff(row.mount, queue)

    def _staff(self, tag: str, queue: _Queue) -> None:
        while not queue.failing and len(queue.workers) < min(WORKERS_PER_MOUNT, len(queue.rows)):
            task = asyncio.get_running_loop().create_task(self._work(tag, queue))
            queue.workers.add(task)
            task.add_done_callback(lambda done: self._gone(tag, queue, done))

    async def _work(self, tag: str, queue: _Queue) -> None:
        while queue.rows and not queue.failing:
            row = queue.rows.popleft()
            try:
                await self._expire(row, queue.calls)
            except Exception:
                # Not the engine, which `expire` answers for, but our own storage: no reason to hurry back.
                log.exception("expiring a lease failed")
                queue.failing = True
                queue.skip(row.key)
            finally:
                self._taken.discard(row.key)
            if len(queue.rows) <= QUEUE_PER_MOUNT // 2:
                self._fill(tag, queue)

    def _gone(self, tag: str, queue: _Queue, task: asyncio.Task[None]) -> None:
        queue.workers.discard(task)
        if queue.filling is task:
            queue.filling = None
        if not task.cancelled():
            self._settle(tag, queue)

    def _settle(self, tag: str, queue: _Queue) -> None:
        """A worker or a reading has ended: what came in its last moment finds others, and an idle queue goes."""
        self._staff(tag, queue)
        self._fill(tag, queue)
        if not queue.tasks and not queue.rows and not queue.skipped and self._queues.get(tag) is queue:
            del self._queues[tag]

    def _fill(self, tag: str, queue: _Queue) -> None:
        """Read on where the queue had no room, unless that is under way."""
        if queue.skipped and queue.filling is None and not queue.failing and not queue.full:
            queue.filling = asyncio.get_running_loop().create_task(self._read_on(tag, queue))
            queue.filling.add_done_callback(lambda done: self._gone(tag, queue, done))

    async def _read_on(self, tag: str, queue: _Queue) -> None:
        begin, queue.skipped = queue.skipped, ""
        slices = Slices()
        try:
            async for rows in lease_index.due(self._live.barrier, self._clock.now_ns(), lease_index.time_of(begin)):
                for row in rows:
                    if row.mount != tag or row.key < begin or row.key in self._taken:
                        continue
                    if queue.full:
                        queue.skip(row.key)
                        return
                    self._put(row, queue)
                await slices.end()
        except Exception:
            log.exception("reading what is due failed")
            queue.failing = True
            queue.skip(begin)
