"""The expiration: reads from the expiry index what is due, and nothing else; takes it down with bounded work.

Tokens are taken down as they are read. Leases go to a queue per mount with a few workers each, so that an engine whose
outside world hangs holds up nobody else. What a full queue does not take stays in the index, where the next round
finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from strongroom.core import lease_index
from strongroom.core.lease_model import LeaseEntry

if TYPE_CHECKING:
    from strongroom.core.lease_index import Due
    from strongroom.core.live import Live

log = logging.getLogger("strongroom.leases")

TASK: Final = "lease expiration"

#: The longest pause between two looks at the index, seconds; also what is lost when the clock is set.
INTERVAL: Final = 60.0

WORKERS_PER_MOUNT: Final = 8
QUEUE_PER_MOUNT: Final = 1024

_TENTH: Final = 100_000_000
_NANO: Final = 1_000_000_000


class Expiration:
    """Runs as recurring work of the scheduler. `lease_of` finds a row's lease, `expire` undoes one."""

    def __init__(
        self,
        live: Live,
        lease_of: Callable[[Due], Awaitable[LeaseEntry | None]],
        expire: Callable[[str], Awaitable[None]],
    ) -> None:
        self._live = live
        self._clock = live.clock
        self._lease_of = lease_of
        self._expire = expire
        #: Tenths of seconds at which something made since the last look falls due.
        self._hints: set[int] = set()
        self._wakes_ns = 0
        self._queues: dict[str, deque[str]] = {}
        self._workers: dict[str, set[asyncio.Task[None]]] = {}
        self._queued: set[str] = set()
        self._failing = False

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

    async def run(self) -> float:
        """Take down or queue all that is due; returns the seconds until the next look."""
        now = self._clock.now_ns()
        self._failing = False
        self._hints = {tenth for tenth in self._hints if tenth * _TENTH > now}
        async for rows in lease_index.due(self._live.barrier, now):
            tokens = [row for row in rows if row.kind == lease_index.TOKEN]
            if tokens:
                await self._live.tokens.sweep(tokens)
            for row in rows:
                if row.kind == lease_index.LEASE:
                    await self._enqueue(row)
        return await self._pause(now)

    async def idle(self) -> None:
        """Wait until the queues are empty."""
        while tasks := [task for workers in self._workers.values() for task in workers]:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Drop the queues; what was under way is done again after the next start."""
        self._queues.clear()
        self._queued.clear()
        for workers in self._workers.values():
            for task in workers:
                task.cancel()
        await self.idle()

    async def _pause(self, now: int) -> float:
        following = await lease_index.next_ns(self._live.barrier, now)
        wakes = [tenth * _TENTH for tenth in self._hints]
        if following:
            wakes.append(following)
        latest = now + int(INTERVAL) * _NANO
        self._wakes_ns = min([latest, *wakes])
        return max(0.0, (self._wakes_ns - self._clock.now_ns()) / _NANO)

    async def _enqueue(self, row: Due) -> None:
        lease = await self._lease_of(row)
        if lease is None or lease.id in self._queued:
            return
        queue = self._queues.setdefault(lease.mount, deque())
        if len(queue) >= QUEUE_PER_MOUNT:
            return
        queue.append(lease.id)
        self._queued.add(lease.id)
        if len(self._workers.get(lease.mount, ())) < WORKERS_PER_MOUNT:
            self._add_worker(lease.mount)

    def _add_worker(self, mount: str) -> None:
        task = asyncio.get_running_loop().create_task(self._work(mount))
        self._workers.setdefault(mount, set()).add(task)
        task.add_done_callback(lambda done: self._ended(mount, done))

    async def _work(self, mount: str) -> None:
        queue = self._queues.get(mount)
        while queue:
            lease_id = queue.popleft()
            try:
                await self._expire(lease_id)
            except Exception:
                # Not the engine, which `expire` answers for, but our own storage: no reason to hurry back.
                self._failing = True
                log.exception("expiring a lease failed")
            finally:
                self._queued.discard(lease_id)

    def _ended(self, mount: str, task: asyncio.Task[None]) -> None:
        workers = self._workers[mount]
        workers.discard(task)
        if workers:
            return
        del self._workers[mount]
        if self._queues.get(mount):
            self._add_worker(mount)  # it was queued after the last look of the last worker
        else:
            self._queues.pop(mount, None)
            if not self._failing and not task.cancelled():
                # There may be more than the queue could take.
                self._live.tasks.wake(TASK)
