"""Reading and writing leases with all their indexes; see core/lease_model.py and core/lease_index.py for the layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from strongroom.core import lease_index
from strongroom.core.lease_index import Due
from strongroom.core.lease_model import BY_TOKEN, ID, IRREVOCABLE, PENDING, LeaseEntry, lease_hash
from strongroom.errors import BadRequest

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction


class LeaseStore:
    """Lease entries. Each change reads the entry anew under its lock and is durable when its method returns."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._barrier = live.barrier

    async def get(self, lease_id: str) -> LeaseEntry | None:
        """A lease as it is stored."""
        if not lease_id:
            return None
        try:
            return await self._barrier.load(ID + lease_id, LeaseEntry)
        except BadRequest:
            return None  # it can be no storage key, so there is no such lease

    async def of_row(self, row: Due) -> LeaseEntry | None:
        """The lease that a row of the expiry index stands for; a row that stands for none is removed."""
        lease_id = await self._barrier.get(row.key)
        if lease_id is None:
            return None
        lease = await self.get(lease_id.decode())
        if lease is not None and lease.index_ns == row.at_ns:
            return lease
        tx = self._live.transaction()
        tx.delete(row.key)  # harmless, but it would be read again for ever
        await tx.commit()
        return None

    def add(self, tx: Transaction, lease: LeaseEntry) -> None:
        """Write a new lease, pending, in a transaction."""
        name = lease_hash(lease.id)
        tx.put(PENDING + name, lease.id.encode())
        if lease.token:
            tx.put(f"{BY_TOKEN}{lease.token}/{name}", lease.id.encode())
        self.put(tx, None, lease)

    @staticmethod
    def put(tx: Transaction, old: LeaseEntry | None, new: LeaseEntry) -> None:
        """Write a lease and its place in the expiry index."""
        tx.store(ID + new.id, new)
        lease_index.move(
            tx, lease_index.LEASE, _row_name(new), old.index_ns if old else 0, new.index_ns, new.id.encode()
        )

    def confirm(self, tx: Transaction, lease_id: str) -> None:
        """Lift the mark of a lease that is pending."""
        tx.delete(PENDING + lease_hash(lease_id))

    async def begin(self, lease: LeaseEntry, now_ns: int) -> LeaseEntry:
        """Let a lease be due now unless it is already; its lock is held. Returns it as it is then."""
        if 0 < lease.index_ns <= now_ns:
            return lease
        begun = replace(lease, due_ns=now_ns, irrevocable="")
        tx = self._live.transaction()
        self._put_changed(tx, lease, begun)
        await tx.commit()
        return begun

    async def take_back(self, begun: LeaseEntry, lease: LeaseEntry) -> None:
        """Undo `begin`, unless the lease has been changed since."""
        if begun is lease:
            return
        async with self.lock(lease.id):
            if await self.get(lease.id) == begun:
                tx = self._live.transaction()
                self._put_changed(tx, begun, lease)
                await tx.commit()

    async def change(self, lease: LeaseEntry, **changes: Any) -> None:
        """Change a lease that could not be undone, unless it is due at another time by now."""
        async with self.lock(lease.id):
            current = await self.get(lease.id)
            if current is not None and current.index_ns == lease.index_ns:
                tx = self._live.transaction()
                self._put_doomed(tx, current, replace(current, **changes))
                await tx.commit()

    async def make_due(self, lease_ids: Iterable[str], now_ns: int, tx: Transaction | None = None) -> None:
        """Let leases be due now; in one commit with what else is in `tx`."""
        await self._doom({lease_id: {"due_ns": now_ns, "attempts": 0, "irrevocable": ""} for lease_id in lease_ids}, tx)

    async def park(self, reasons: Mapping[str, str]) -> None:
        """Keep leases as irrevocable, in one commit; `reasons` are by lease id."""
        await self._doom({lease_id: {"irrevocable": reason} for lease_id, reason in reasons.items()})

    async def _doom(self, changes: Mapping[str, dict[str, Any]], tx: Transaction | None = None) -> None:
        tx = tx or self._live.transaction()
        async with AsyncExitStack() as stack:
            for lease_id in sorted(changes):
                await stack.enter_async_context(self.lock(lease_id))
                lease = await self.get(lease_id)
                if lease is not None:
                    self._put_doomed(tx, lease, replace(lease, **changes[lease_id]))
            await tx.commit()

    async def remove(self, lease_id: str) -> None:
        """Remove a lease and all that points to it."""
        async with self.lock(lease_id):
            tx = self._live.transaction()
            await self.drop(tx, lease_id)
            await tx.commit()

    async def drop(self, tx: Transaction, lease_id: str) -> None:
        """Remove a lease in a transaction; its lock is held until that is durable."""
        lease = await self.get(lease_id)
        if lease is None:
            return
        name = lease_hash(lease_id)
        for key in (ID + lease_id, PENDING + name):
            tx.delete(key)
        if lease.irrevocable:
            tx.delete(IRREVOCABLE + name)
        if lease.token:
            tx.delete(f"{BY_TOKEN}{lease.token}/{name}")
        lease_index.move(tx, lease_index.LEASE, _row_name(lease), lease.index_ns, 0)

    def lock(self, lease_id: str) -> Any:
        """Hold the lock under which a lease is changed; nothing outside the server is waited for under it."""
        return self._live.locks.hold(f"lease/{lease_id}")

    def _put_doomed(self, tx: Transaction, old: LeaseEntry, new: LeaseEntry) -> None:
        self._put_changed(tx, old, new)
        tx.delete(PENDING + lease_hash(new.id))

    def _put_changed(self, tx: Transaction, old: LeaseEntry, new: LeaseEntry) -> None:
        self.put(tx, old, new)
        name = lease_hash(new.id)
        if new.irrevocable:
            tx.put(IRREVOCABLE + name, new.id.encode())
        elif old.irrevocable:
            tx.delete(IRREVOCABLE + name)


def _row_name(lease: LeaseEntry) -> str:
    return lease_index.mount_tag(lease.mount) + lease_hash(lease.id)
