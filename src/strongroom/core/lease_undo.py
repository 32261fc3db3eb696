"""Undoing leases: calling the engine's revoker, once at a time, and again after growing pauses when it fails.

That a lease is to be undone is durable before its engine acts: it is due from then on. So if the process dies after
the outside world has changed, the next start finds the lease due and goes on, and nobody finds one whose credential is
gone. If the engine fails, a lease that was not due before is as it was. What the engine writes while it undoes and the
end of the lease are one commit.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import AsyncExitStack, nullcontext
from typing import TYPE_CHECKING, Any, Final

from strongroom.core.lease_model import LeaseEntry
from strongroom.core.lease_store import LeaseStore
from strongroom.errors import BadRequest, StrongroomError

if TYPE_CHECKING:
    from strongroom.api.routes import Revoker
    from strongroom.core.lease_index import Due
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount

log = logging.getLogger("strongroom.leases")

#: How often the undoing of a lease that is due is tried, and the first pause in seconds; each further one is doubled.
ATTEMPTS: Final = 6
FIRST_PAUSE: Final = 10.0

#: How long one undoing may take.
REVOKE_SECONDS: Final = 60.0

_NANO: Final = 1_000_000_000


class Undoing:
    """Has engines undo what their leases stand for."""

    def __init__(self, live: Live, store: LeaseStore) -> None:
        self._live = live
        self._clock = live.clock
        self._store = store
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, lease_id: str) -> bool:
        return lease_id in self._under_way

    async def undo(self, lease_id: str, calls: asyncio.Semaphore | None = None) -> None:
        """Undo a lease and remove it; of several callers one does it, and all learn how it went.

        `calls` bounds how many wait for the engine at once; with it the work is in the background, which the engine's
        revoker sees by `background` in its request's data.
        """
        task = self._under_way.get(lease_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._undo(lease_id, calls))
            self._under_way[lease_id] = task
            task.add_done_callback(lambda done: self._ended(lease_id, done))
        await asyncio.shield(task)

    async def expire(self, row: Due, calls: asyncio.Semaphore) -> None:
        """Undo what a row of the index stands for; if the engine fails, the lease notes that and is due again later."""
        lease = await self._store.of_row(row)
        if lease is None or row.at_ns > self._clock.now_ns():
            return
        try:
            await self.undo(lease.id, calls)
        except Exception as error:
            await self._failed(lease, words(error))

    async def stop(self) -> None:
        """End what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def mount_of(self, lease: LeaseEntry) -> Mount | None:
        """The mount that made a lease, if it is still there."""
        mount = self._live.mounts.by_path(lease.mount_path)
        return mount if mount is not None and mount.info.uuid == lease.mount else None

    async def _undo(self, lease_id: str, calls: asyncio.Semaphore | None) -> None:
        async with self._store.lock(lease_id):
            lease = await self._store.get(lease_id)  # a renewal that came first has been written
            if lease is None:
                return
            mount, revoker = self._revoker(lease)
            begun = await self._store.begin(lease, self._clock.now_ns())
        try:
            await self._finish(begun, mount, revoker, calls)
        except Exception:
            await self._store.take_back(begun, lease)
            self._live.leases.due_at(lease.index_ns)
            raise

    def _revoker(self, lease: LeaseEntry) -> tuple[Mount, Revoker]:
        """Who undoes a lease; raises `BadRequest` when there is nobody."""
        mount = self.mount_of(lease)
        if mount is None:
            raise BadRequest(f"there is no mount at {lease.mount_path} any more that could revoke it")
        revoker = mount.engine.revokers.get(lease.kind)
        if revoker is None:
            raise BadRequest(f"the engine at {lease.mount_path} does not know leases of the kind {lease.kind}")
        return mount, revoker

    async def _finish(self, lease: LeaseEntry, mount: Mount, revoker: Revoker, calls: asyncio.Semaphore | None) -> None:
        tx = self._live.transaction()
        async with AsyncExitStack() as stack:

            async def act(ctx: Any) -> None:
                ctx.request.data = {"background": calls is not None}
                async with calls or nullcontext(), asyncio.timeout(REVOKE_SECONDS):
                    await revoker(ctx, dict(lease.data))
                await stack.enter_async_context(self._store.lock(lease.id))
                await self._store.drop(tx, lease.id)

            await self._live.on_behalf(mount, act, tx)

    async def _failed(self, lease: LeaseEntry, reason: str) -> None:
        attempts = lease.attempts + 1
        if attempts >= ATTEMPTS:
            log.error("the lease %s could not be revoked and will not be tried again: %s", lease.id, reason)
            await self._store.change(lease, attempts=attempts, irrevocable=reason)
            return
        log.warning("the lease %s could not be revoked (try %d of %d): %s", lease.id, attempts, ATTEMPTS, reason)
        pause = FIRST_PAUSE * 2 ** (attempts - 1) * (0.9 + 0.2 * random.random())  # noqa: S311 - spreads load
        due_ns = self._clock.now_ns() + int(pause * _NANO)
        await self._store.change(lease, attempts=attempts, due_ns=due_ns)
        self._live.leases.due_at(due_ns)

    def _ended(self, lease_id: str, task: asyncio.Task[None]) -> None:
        self._under_way.pop(lease_id, None)
        if not task.cancelled():
            task.exception()  # seen, even if every caller has gone


def words(error: BaseException) -> str:
    """What may be said of an engine's failure: our errors' own words, else only the class."""
    if isinstance(error, TimeoutError):
        return f"it took longer than {REVOKE_SECONDS:.0f} seconds"
    return str(error) if isinstance(error, StrongroomError) else type(error).__name__
